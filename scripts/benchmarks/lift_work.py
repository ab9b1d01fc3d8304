"""What `bench.py lift` runs in a process of its own, without torch: the lift, and the same on open3d's calls."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np
from benchmarks.apart import peak_mb
from benchmarks.rooms import Room, longer, room

from grounding.core import UserError
from lift3d.labels import LabelMaps
from lift3d.lift import lift
from lift3d.scene import Scene
from lift3d.settings import Settings

VOXEL = 0.02


@dataclass(frozen=True)
class Work:
    """How much is lifted.

    Args:
        vertices: Of the cloud.
        frames: Views; up to 30 different ones, repeated.
        masks: Objects in the room; nearly all are in every view.
        size: (height, width) of depth and masks.
    """

    vertices: int = 200_000
    frames: int = 300
    masks: int = 30
    size: tuple[int, int] = (480, 640)


def made(work: Work) -> Room:
    """A room with so many vertices, by seed."""
    found = room(work.masks, min(work.frames, 30), work.size, spacing=0.0136)
    chosen = np.sort(np.random.default_rng(0).choice(len(found.owners), work.vertices, replace=False))
    assert found.scene.points is not None and found.scene.colours is not None
    scene = replace(found.scene, points=found.scene.points[chosen], colours=found.scene.colours[chosen])
    return replace(found, scene=scene, owners=found.owners[chosen])


def spent(work: Work, repeats: int) -> dict[str, Any]:
    """Seconds of the lift by the processor's clock and by the wall's, the peak of this process, and its quality."""
    cv2.setNumThreads(1)
    base = made(work)
    scene, labels = longer(base, -(-work.frames // len(base.labels)))
    scene, maps = replace(scene, views=scene.views[: work.frames]), LabelMaps(labels[: work.frames])
    turns = []
    for _ in range(repeats + 1):
        begin = time.process_time(), time.perf_counter()
        lifted = lift(scene, maps)
        turns.append((time.process_time() - begin[0], time.perf_counter() - begin[1]))
    cpu, wall = np.median(turns[1:], axis=0).tolist()
    right = float(np.mean(lifted.owner[base.owners > 0] == base.owners[base.owners > 0]))
    return {"seconds": cpu, "seconds_wall": wall, "peak_mb": peak_mb(), "right": right}


def against_open3d(work: Work, repeats: int) -> dict[str, Any]:
    """Seconds of both ways over the same frames, in turns."""
    cv2.setNumThreads(1)
    base = made(work)
    scene, maps = base.scene, LabelMaps(base.labels)
    seconds: dict[str, list[float]] = {"ours": [], "open3d": []}
    owners: dict[str, np.ndarray] = {}
    for turn in range(repeats + 1):
        for name in ("ours", "open3d") if turn % 2 else ("open3d", "ours"):
            begin = time.process_time()
            owners[name] = lift(scene, maps, Settings()).owner if name == "ours" else open3d_lift(scene, base.labels)
            if turn:
                seconds[name].append(time.process_time() - begin)
    agree = float(np.mean(owners["ours"] == owners["open3d"]))
    return {"seconds": seconds, "agree": agree}


def open3d_lift(scene: Scene, labels: tuple[np.ndarray, ...]) -> np.ndarray:
    """The lift on open3d's calls: back-project, voxel down-sampling of every mask, transfer to the nearest vertex.

    Votes and views are counted densely and the vertex goes to the object with most votes, if they are half of its
    views; no borders, parts or boxes.
    """
    o3d = _open3d()
    assert scene.points is not None
    count, most = len(scene.points), int(max(label.max() for label in labels))
    index = o3d.core.nns.NearestNeighborSearch(o3d.core.Tensor(scene.points.astype(np.float32)))
    index.hybrid_index(0.03)
    votes, seen = np.zeros((count, most + 1), np.uint16), np.zeros(count, np.uint16)

    def vertices(cloud: Any) -> np.ndarray:
        points = np.asarray(cloud.voxel_down_sample(VOXEL).points, np.float32)
        if not len(points):
            return np.zeros(0, np.int64)
        found = index.hybrid_search(o3d.core.Tensor(points), 0.03, 1)[0].numpy().ravel()
        return np.unique(found[found >= 0])

    for view, label in zip(scene.views, labels, strict=True):
        depth = view.read_depth()
        k = view.intrinsics
        lens = o3d.camera.PinholeCameraIntrinsic(depth.shape[1], depth.shape[0], k[0, 0], k[1, 1], k[0, 2], k[1, 2])
        image = o3d.geometry.Image(np.ascontiguousarray(depth))
        cloud = o3d.geometry.PointCloud.create_from_depth_image(image, lens, np.linalg.inv(view.pose), 1.0, 20.0)
        seen[vertices(cloud)] += 1
        of = label.ravel()[depth.ravel() > 0]
        for number in np.unique(of[of > 0]):
            votes[vertices(cloud.select_by_index(np.flatnonzero(of == number))), number] += 1
    winner = votes.argmax(axis=1)
    enough = (2 * votes.max(axis=1) >= seen) & (votes.max(axis=1) > 0)
    return np.where(enough, winner, 0)


def _open3d() -> Any:
    try:
        import open3d
    except (ImportError, OSError) as error:
        raise UserError(f"bench lift needs open3d and its system libraries ({error})") from error
    return open3d
