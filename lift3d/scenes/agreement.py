"""Self-test of a scene's conventions: do its frames, and its mesh, see the same surface? It reports, it never repairs.

Depth pixels of one frame are put into the world and into another frame that saw the place from elsewhere. Where that
frame has depth too, the point must be on the surface it sees (agrees) or behind it (hidden, tells nothing); a point in
front of it contradicts. Agreement = agreeing / (agreeing + contradicting). A wrong axis, an inverse or a wrong unit of
depth turns most points into contradictions; then the usual mistakes are tried in order to name the likely one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy.spatial import cKDTree

from grounding.core import UserError
from lift3d.scene import Scene, View
from lift3d.scenes.cameras import from_opengl, from_world_to_camera

ENOUGH = 0.30  # below this the conventions are doubtful, cause found or not
SOUND = 0.85  # from here on no other convention is tried; real scenes reach 0.92 and 0.95
CLEAR, BETTER = 0.60, 0.10  # a cause is named if it brings agreement to this, and by this much more
TOLERANCE = 0.03  # of the distance: sensors and poses err by a few centimetres at a few metres
ANCHORS, POINTS, VERTICES = 6, 1000, 20_000
REACH = 0.1  # metres from a vertex that count as on the mesh: those of rooms are 1 to 5 cm apart
FEWEST = 0.02  # share of the points that must meet known depth, to say anything
TURN, SHIFT = np.deg2rad(3), 0.05  # a camera that moved less (radians, metres) agrees with itself in any convention
_UNITS = {"a metre": 1.0, "a millimetre": 1000.0, "1/5000 m": 5000.0, "1/6553.5 m": 6553.5}


@dataclass(frozen=True)
class Agreement:
    """What the self-test found.

    Attributes:
        frames: Share of agreeing points between frames, in [0, 1]; None where no two frames could be compared.
        pairs: Pairs of frames compared.
        mesh: Share of the mesh in view that the frames see, or of what they see that lies on the mesh, whichever is
            more; None without a mesh.
        problems: One line for each thing that is doubtful, with the likely cause.
    """

    frames: float | None
    pairs: int
    mesh: float | None = None
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class _Seen:
    """A decoded frame: its depth, and some of its pixels as points of its own camera, (N, 3)."""

    view: View
    depth: np.ndarray
    points: np.ndarray = field(repr=False)


def check(scene: Scene) -> Agreement:
    """Compare a few frames with one another, and the mesh with them.

    Args:
        scene: Any scene; at most some thirty depth images are decoded, unreadable ones are named and passed over.
    """
    seen, problems = _decode(scene.views)
    pairs = [(a, b) for a, b in _pairs(len(scene.views)) if a in seen and b in seen]
    pairs = [(a, b) for a, b in pairs if _moved(scene.views[a].pose, scene.views[b].pose)]
    share = _between(seen, pairs, {index: frame.view.pose for index, frame in seen.items()}, 1.0) if pairs else None
    problems += _doubts(seen, pairs, share)
    on_mesh = None if scene.points is None else _with_mesh(scene.points, seen)
    if on_mesh is not None and on_mesh < ENOUGH:
        problems.append(f"mesh and frames agree on {on_mesh:.0%} of what they share, {ENOUGH:.0%} is the least; "
                        f"{_mesh_cause(scene, seen)}")  # fmt: skip
    return Agreement(share, len(pairs), on_mesh, tuple(problems))


def _doubts(seen: dict[int, _Seen], pairs: list[tuple[int, int]], share: float | None) -> list[str]:
    if not pairs:
        return ["conventions not tested: no two of the sampled frames see the scene from different sides"]
    if share is not None and share >= SOUND:
        return []
    agree = share or 0.0
    best, cause = _likely_cause(seen, pairs)
    if best >= max(CLEAR, agree + BETTER):
        return [f"frames agree on {agree:.0%} of the points they share; likely cause: {cause} (then {best:.0%} agree); "
                "nothing was changed, mend the data or name another layout"]  # fmt: skip
    if share is None:
        return ["conventions not tested: the sampled frames share no points, whatever the convention"]
    if share < ENOUGH:
        return [f"frames agree on {share:.0%} of the points they share, {ENOUGH:.0%} is the least; no usual mistake "
                "(axes, inverse, unit of depth) explains it: are poses and frames of one recording?"]  # fmt: skip
    return []


def _pairs(count: int) -> list[tuple[int, int]]:
    """Anchors spread over the scene, each with frames a little, more and much later (or earlier, at the end)."""
    anchors = {round(float(at)) for at in np.linspace(0, count - 1, ANCHORS)}
    gaps = {1, 2, max(1, count // 50), max(1, count // 15), max(1, count // 6)}
    moves = [(a, a + gap if a + gap < count else a - gap) for a in anchors for gap in gaps]
    return sorted({(a, b) for a, b in moves if 0 <= b < count})


def _decode(views: Sequence[View]) -> tuple[dict[int, _Seen], list[str]]:
    seen: dict[int, _Seen] = {}
    problems = []
    for index in sorted({index for pair in _pairs(len(views)) for index in pair} | {0}):
        try:
            depth = views[index].read_depth()
        except UserError as error:
            problems.append(f"frame {views[index].name}: {error}")
            continue
        seen[index] = _Seen(views[index], depth, _camera_points(depth, views[index].intrinsics))
    return seen, problems


def _camera_points(depth: np.ndarray, intrinsics: np.ndarray) -> np.ndarray:
    rows, columns = np.nonzero(depth)
    step = max(1, len(rows) // POINTS)
    rows, columns = rows[step // 2 :: step], columns[step // 2 :: step]
    z = depth[rows, columns].astype(np.float64)
    x = (columns - intrinsics[0, 2]) * z / intrinsics[0, 0]
    y = (rows - intrinsics[1, 2]) * z / intrinsics[1, 1]
    return np.stack([x, y, z], axis=1)


def _moved(one: np.ndarray, other: np.ndarray) -> bool:
    cosine = (np.trace(one[:3, :3].T @ other[:3, :3]) - 1) / 2
    return bool(np.arccos(np.clip(cosine, -1, 1)) > TURN or np.linalg.norm(one[:3, 3] - other[:3, 3]) > SHIFT)


def _between(
    seen: dict[int, _Seen], pairs: list[tuple[int, int]], poses: dict[int, np.ndarray], depth_scale: float
) -> float | None:
    """Share of agreeing points if the poses were `poses` and all depth were `depth_scale` times as large."""
    counts, total = np.zeros(3), 0
    for a, b in pairs:
        total += len(seen[a].points)
        to_b = np.linalg.inv(poses[b]) @ poses[a]
        points = depth_scale * seen[a].points @ to_b[:3, :3].T + to_b[:3, 3]
        counts += _hits(points, seen[b], depth_scale)
    met = counts[:2].sum()
    return float(counts[0] / met) if met > FEWEST * total else None


def _hits(points: np.ndarray, frame: _Seen, depth_scale: float = 1.0) -> np.ndarray:
    """How many points, (N, 3) in the frame's camera, agree with its depth, contradict it, and are hidden by it."""
    points = points[points[:, 2] > 1e-6]
    pixels = points @ frame.view.intrinsics.T
    column, row = np.rint(pixels[:, :2] / pixels[:, 2:]).T
    height, width = frame.depth.shape
    inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
    depth = depth_scale * frame.depth[row[inside].astype(np.int64), column[inside].astype(np.int64)]
    z = points[inside, 2]
    known = depth > 0
    in_front = (depth[known] - z[known]) / z[known]
    agree, contradict = np.count_nonzero(np.abs(in_front) <= TOLERANCE), np.count_nonzero(in_front > TOLERANCE)
    return np.array([agree, contradict, len(in_front) - agree - contradict])


def _likely_cause(seen: dict[int, _Seen], pairs: list[tuple[int, int]]) -> tuple[float, str]:
    """The usual mistakes, each with every unit of depth: the share and the name of the one that agrees best."""
    mistakes = {
        "": lambda pose: pose,
        "the cameras' y and z axes point the other way (OpenGL for OpenCV)": from_opengl,
        "the poses are world-to-camera": from_world_to_camera,
        "the poses are world-to-camera with OpenGL axes": lambda pose: from_opengl(from_world_to_camera(pose)),
    }
    tried = []
    for axes, convert in mistakes.items():
        poses = {index: convert(frame.view.pose) for index, frame in seen.items()}
        for unit, scale in {"": 1.0, **_scales()}.items():
            causes = [cause for cause in (axes, unit) if cause]
            share = _between(seen, pairs, poses, scale) or 0.0
            tried.append((round(share, 2), -len(causes), " and ".join(causes)))  # of equals, the one with fewer changes
    share, _, cause = max(tried)
    return share, cause


def _scales() -> dict[str, float]:
    return {
        f"the unit of depth is {true}, not {taken}": _UNITS[taken] / _UNITS[true]
        for taken in _UNITS
        for true in _UNITS
        if taken != true
    }


def _with_mesh(points: np.ndarray, seen: dict[int, _Seen], to_poses: np.ndarray | None = None) -> float:
    """How well mesh and frames agree: the greater of two shares, for each is low for some sound meshes.

    Of the mesh in view, what the frames see: little of a whole flat, most of which is behind walls. Of what the frames
    see, what lies on the mesh: little for the mesh of one thing. For a mesh out of place both are low.
    """
    points = points[np.isfinite(points).all(axis=1)]
    if to_poses is not None:
        points = points @ to_poses[:3, :3].T + to_poses[:3, 3]
    if len(points) < 2 or not seen:
        return 0.0
    counts = np.zeros(3)
    for frame in seen.values():
        to_camera = np.linalg.inv(frame.view.pose)
        some = points[:: max(1, len(points) // VERTICES)]
        counts += _hits(some @ to_camera[:3, :3].T + to_camera[:3, 3], frame)
    visible = counts[0] / max(counts.sum(), 1)
    world = [frame.points @ frame.view.pose[:3, :3].T + frame.view.pose[:3, 3] for frame in seen.values()]
    away = cKDTree(points).query(np.concatenate(world), distance_upper_bound=REACH)[0]
    return float(max(visible, np.isfinite(away).mean()))


def _mesh_cause(scene: Scene, seen: dict[int, _Seen]) -> str:
    alignment = scene.axis_alignment
    if alignment is not None and scene.points is not None and np.isfinite(alignment).all():
        aligned = _with_mesh(scene.points, seen, from_world_to_camera(alignment))
        if aligned >= ENOUGH:
            return f"likely cause: it is in the aligned frame already (taken back, {aligned:.0%} agree); mend the data"
    return "it is in another frame than the poses, or of another scene"
