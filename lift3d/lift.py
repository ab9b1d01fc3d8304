"""The lift: 2D masks on posed RGB-D views to 3D instances on the points of a mesh or cloud.

Frame by frame, each point that a view sees votes for the mask it falls on. A point belongs to the instance that
claims it in at least half of the views that see it; what lies far from the bulk of an instance is left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from lift3d.assign import Assigned, assign, by_superpoints
from lift3d.boxes import Boxes, boxes_of
from lift3d.cloud import Cloud, depth_cloud
from lift3d.clusters import main_part
from lift3d.counting import Count
from lift3d.frames import Frames, Progress, plain
from lift3d.labels import MaskSource
from lift3d.merge import merge
from lift3d.scene import Scene
from lift3d.settings import Settings
from lift3d.visibility import Points
from lift3d.wording import amount


@dataclass(frozen=True, eq=False)
class Instance:
    """One object in 3D.

    Attributes:
        id: Of its masks, >= 1.
        points: Indices of its points, ascending.
        ratio: Mean over its points of hits / views, in (0, 1]; its confidence.
        hits: Mean number of views that put a point into it.
        seen: Mean number of views that see one of its points.
        views: Number of views that put any point into it.
        boxes: Around its points.
    """

    id: int
    points: np.ndarray
    ratio: float
    hits: float
    seen: float
    views: int
    boxes: Boxes


@dataclass(frozen=True, eq=False)
class Lifted:
    """Instances on the points of a scene.

    Attributes:
        scene: The scene; its points are those that the instances index.
        owner: Instance id of each point, int32 (N,), 0 = none.
        ratio: hits / views of each point for its owner, float32 (N,), 0 where there is none.
        instances: By ascending id.
        dropped: Of ids that had masks but gave no instance, the reason.
        frames: How many frames were used.
        rejected: Name of each frame that was not used -> reason, those that the scene left out first.
        problems: What is doubtful about the whole, a line each.
        seen: Which points any of the frames used sees, bool (N,); (0,) where nobody counted.
    """

    scene: Scene
    owner: np.ndarray
    ratio: np.ndarray
    instances: tuple[Instance, ...]
    dropped: Mapping[int, str]
    frames: int
    rejected: Mapping[str, str]
    problems: tuple[str, ...] = ()
    seen: np.ndarray = field(default_factory=lambda: np.zeros(0, bool))

    @property
    def total(self) -> int:
        """How many frames the scene has, usable or not."""
        return len(self.scene.views) + len(self.scene.left_out)

    @property
    def points(self) -> np.ndarray:
        """Points of the scene, (N, 3), metres."""
        assert self.scene.points is not None
        return self.scene.points


def lift(
    scene: Scene,
    masks: MaskSource,
    settings: Settings | None = None,
    progress: Progress = plain,
    *,
    untracked: bool = False,
) -> Lifted:
    """Lift masks onto the scene's points, or onto a cloud of its depth where it has none.

    Args:
        scene: Views and perhaps points.
        masks: The masks of each view; equal ids are the same object.
        settings: Thresholds.
        progress: Is given the frames and a title, and yields the frames.
        untracked: Equal ids mean nothing over frames: find out first which masks are the same object.

    Raises:
        UserError: If no frame can be used, none has a mask, or no view sees any point; each says why.
    """
    settings = settings or Settings()
    bare = scene.points is None or not len(scene.points)
    cloud = _cloud(scene, settings, progress) if bare else None
    scene = scene if cloud is None else _with(scene, cloud)
    assert scene.points is not None
    merged = merge(scene, masks, settings.tolerance, progress) if untracked else None
    source, doubts = (masks, ()) if merged is None else (merged, merged.problems())
    counted, points = Count.of(len(scene.points), through=bare), Points.of(scene.points)
    for frame in progress(Frames(scene.views, source), "Lifting"):
        counted.frame(frame, points, settings)
    counted.check()
    assigned = assign(counted.votes.sums(), counted.votes.seen, settings.min_ratio, settings.min_hits)
    if settings.superpoints and scene.superpoints is not None:
        assigned = by_superpoints(assigned, scene.superpoints, counted.votes.seen > 0)
    seen = counted.votes.seen > 0
    if cloud is None:
        return replace(_lifted(scene, assigned, counted, settings, np.ones(len(scene.points)), doubts), seen=seen)
    kept = ~counted.floating()
    cloud = cloud.at(kept)
    doubts = (*cloud.problems, *doubts)
    lifted = _lifted(_with(scene, cloud), assigned.at(kept), counted, settings, cloud.pixels, doubts)
    return replace(lifted, seen=seen[kept])


def _cloud(scene: Scene, settings: Settings, progress: Progress) -> Cloud:
    read = progress(Frames(scene.views, None), "Building the cloud")
    return depth_cloud(scene, settings.voxel, settings.edge, read)


def _with(scene: Scene, cloud: Cloud) -> Scene:
    return replace(scene, points=cloud.points, colours=cloud.colours, faces=None, superpoints=None)


def _lifted(
    scene: Scene,
    assigned: Assigned,
    counted: Count,
    settings: Settings,
    pixels: np.ndarray,
    problems: tuple[str, ...],
) -> Lifted:
    assert scene.points is not None
    owner, ratio = np.zeros(len(scene.points), np.int32), np.zeros(len(scene.points), np.float32)
    instances, dropped = [], {}
    groups = assigned.groups()
    for number in sorted(counted.views):
        points = groups.get(number, np.zeros(0, np.int64))
        points = points[main_part(scene.points[points], settings.gap, settings.min_share)]
        reason = _reason(counted.views[number], len(points), settings)
        if reason:
            dropped[number] = reason
            continue
        owner[points], ratio[points] = number, assigned.ratio[points]
        instances.append(
            Instance(
                number,
                points,
                float(assigned.ratio[points].mean()),
                float(assigned.hits[points].mean()),
                float(assigned.seen[points].mean()),
                counted.views[number],
                boxes_of(scene.points[points], scene.axis_alignment, scene.up, pixels[points]),
            )
        )
    made, rejected = tuple(instances), {**scene.left_out, **counted.rejected}
    problems = (*problems, *counted.problems())
    return Lifted(scene, owner, ratio, made, dropped, counted.used, rejected, problems)


def _reason(views: int, points: int, settings: Settings) -> str:
    """Why there is no instance, or ""."""
    if not views:
        return "its masks fall on no point that a view sees"
    if views < settings.min_views:
        return f"seen in {amount(views, 'view')} of the {settings.min_views} asked for"
    if points < settings.min_points:
        return f"its views agree on {amount(points, 'point')} of the {settings.min_points} asked for"
    return ""
