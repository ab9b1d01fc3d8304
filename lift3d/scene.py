"""What every scene layout becomes: posed RGB-D views that are read one at a time, and a cloud or mesh if there is one.

One convention for all: metres, OpenCV axes (x right, y down, z forward), poses camera-to-world, pixel centres at
integers. Readers of other conventions convert at the door (`lift3d.scenes`).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

FARTHEST = 1e7  # metres from the origin at most: as far as coordinates of maps go


@dataclass(frozen=True, eq=False)
class View:
    """One posed RGB-D frame; its images are decoded when asked for.

    Attributes:
        name: The frame's name in its scene (the stem of its depth file, as a rule); unique in a scene.
        time: Seconds, or None where the layout has no clock.
        pose: Camera-to-world, (4, 4) float64, metres. The lift rejects views whose pose is not finite (tracking lost)
            or is no rotation with a translation; it may mirror, for there are worlds with left-handed axes.
        intrinsics: (3, 3) float64 for the depth image's size.
        read_depth: Returns float32 (H, W) metres, 0 = invalid; raises `UserError` for an unreadable file.
        read_colour: Returns uint8 (h, w, 3) RGB, perhaps of another size than the depth; raises `UserError`.
        depth_name: Its depth file's name without ending, or "" where it has no file of its own.
        colour_name: The same of its colour file.
        depth_units: How many units a metre its depth was read with; millimetres are 1000.
    """

    name: str
    time: float | None
    pose: np.ndarray
    intrinsics: np.ndarray
    read_depth: Callable[[], np.ndarray]
    read_colour: Callable[[], np.ndarray]
    depth_name: str = ""
    colour_name: str = ""
    depth_units: float = 1000.0


@dataclass(frozen=True, eq=False)
class Scene:
    """Views of one place, and its surface if the layout brings one.

    Attributes:
        views: In the order of capture.
        points: Vertices of a mesh or points of a cloud, (N, 3) float, metres, in the frame of the poses; or None.
        faces: (F, 3) int indices into `points`, or None.
        colours: (N, 3) uint8 RGB of `points`, or None.
        axis_alignment: (4, 4) float64 from the frame of the poses to one whose z points up (ScanNet), or None.
        layout: Name of the layout it was read from.
        problems: One line for each thing that is doubtful (missing pictures, lens, agreement).
        superpoints: Segment number of each point, (N,) int, or None (ScanNet's `segIndices`).
        up: Unit vector against gravity in the frame of the poses, (3,); z unless the layout says otherwise.
        left_out: Name of each frame of the layout that became no view -> reason (bad pose, missing image).
    """

    views: Sequence[View]
    points: np.ndarray | None = None
    faces: np.ndarray | None = None
    colours: np.ndarray | None = None
    axis_alignment: np.ndarray | None = None
    layout: str = "folder"
    problems: tuple[str, ...] = ()
    superpoints: np.ndarray | None = None
    up: tuple[float, float, float] = (0.0, 0.0, 1.0)
    left_out: Mapping[str, str] = field(default_factory=dict)


def is_rigid(pose: np.ndarray) -> bool:
    """Whether a (4, 4) pose is a rotation (perhaps with a mirror), to 1 %, and a translation of at most `FARTHEST`."""
    rotation = pose[:3, :3]
    if not (np.abs(rotation) < 2).all() or not (np.abs(pose[:3, 3]) <= FARTHEST).all():  # not finite, or too large
        return False
    return bool(np.abs(rotation @ rotation.T - np.eye(3)).max() < 0.01 and np.allclose(pose[3], [0, 0, 0, 1]))
