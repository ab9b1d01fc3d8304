"""Self-test of a scene's conventions: do its frames, and its mesh, see the same surface? It reports, it never repairs.

A wrong axis, an inverse or a wrong unit of depth turns agreement (`lift3d.scenes.overlap`) into contradiction. So the
usual mistakes are tried (`lift3d.scenes.mistakes`), and the one that explains the contradictions is named.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy.spatial import cKDTree

from lift3d.scene import Scene
from lift3d.scenes.cameras import from_world_to_camera
from lift3d.scenes.mistakes import POSES, ROOM, Shares, likely_poses, likely_unit
from lift3d.scenes.overlap import Pair, Sampled, hits
from lift3d.visibility import placed

SOUND = 0.85  # below this something is said, cause found or not; real scenes reach 0.87 to 0.97
FAR_SOUND = 0.70  # the same of pairs of cameras far apart; real scenes reach 0.84 to 0.95, a drifting camera 0.78
CLEAR = 0.60  # a cause is named if it brings agreement to this
MESH = 0.30  # least agreement of mesh and frames
VERTICES = 20_000
REACH = 0.1  # metres from a vertex that count as on the mesh: those of rooms are 1 to 5 cm apart


@dataclass(frozen=True)
class Agreement:
    """What the self-test found.

    Attributes:
        frames: Share of agreeing points between frames, in [0, 1]; None where no two frames could be compared.
        pairs: Pairs of frames compared.
        mesh: Share of the mesh in view that the frames see, or of what they see that lies on the mesh, whichever is
            more; None without a mesh.
        median_depth: Of the frames that were decoded, metres; None where there is no depth.
        tried: How many frames were decoded.
        unusable: Name of each of these that cannot be lifted -> why.
        colourless: Name of each whose picture was tried and is there, but cannot be read -> why.
        problems: One line for each thing that is doubtful, with the likely cause.
    """

    frames: float | None
    pairs: int
    mesh: float | None = None
    median_depth: float | None = None
    tried: int = 0
    unusable: Mapping[str, str] = field(default_factory=dict)
    colourless: Mapping[str, str] = field(default_factory=dict)
    problems: tuple[str, ...] = ()


def check(scene: Scene) -> Agreement:
    """Compare a few frames with one another, and the mesh with them.

    Args:
        scene: Any scene; at most some forty depth images and pictures are decoded.
    """
    sampled = Sampled(scene.views)
    pairs = sampled.near()
    share = sampled.agreement(pairs, POSES[""])
    problems = _doubts(sampled, pairs, share)
    deep = any(len(frame.points) for frame in sampled.seen.values())  # without depth nothing can be said of the mesh
    on_mesh = _with_mesh(scene.points, sampled) if deep and scene.points is not None else None
    if on_mesh is not None and on_mesh < MESH:
        problems.append(f"mesh and frames agree on {on_mesh:.0%} of what they share, {MESH:.0%} is the least; "
                        f"{_mesh_cause(scene, sampled)}")  # fmt: skip
    return Agreement(
        frames=share,
        pairs=len(pairs),
        mesh=on_mesh,
        median_depth=sampled.median_depth(),
        tried=sampled.tried,
        unusable=sampled.unusable,
        colourless=sampled.colourless,
        problems=tuple(problems),
    )


def _doubts(sampled: Sampled, pairs: Sequence[Pair], share: float | None) -> list[str]:
    poses = likely_poses(sampled, pairs) if pairs else ""
    before, after, unit = likely_unit(sampled, pairs, POSES[poses])
    if not pairs:  # a camera that hardly moved tells nothing of its axes, but perhaps of the unit
        share, before, after = before.far, Shares(before.far, None), Shares(after.far, None)
    before = Shares(share, None if poses else before.far)
    if (poses or unit) and (after.near or 0.0) >= CLEAR:
        cause = " and ".join(name for name in (poses, unit) if name)
        then = f"{after.near:.0%}" if None in (before.far, after.far) else f"{after.near:.0%} and {after.far:.0%}"
        return [f"{_agree(before)}; likely cause: {cause} (then {then} agree); "
                "nothing was changed, mend the data or name another layout"]  # fmt: skip
    return [*_unexplained(before, bool(pairs)), *_doubtful_depth(sampled)]


def _unexplained(shares: Shares, paired: bool) -> list[str]:
    """What is said where no mistake is known; `paired`: frames from different sides were found."""
    if not paired:
        return ["conventions not tested: no two of the sampled frames see the scene from different sides"]
    if shares.near is None:
        return ["conventions not tested: the sampled frames share no points, whatever the convention: are the poses "
                "in metres, and of these frames?"]  # fmt: skip
    far = 1.0 if shares.far is None else shares.far
    if round(shares.near, 2) >= SOUND and round(far, 2) >= FAR_SOUND:  # as it is written
        return []
    sound = f"{SOUND:.0%}" if shares.far is None else f"{SOUND:.0%} and {FAR_SOUND:.0%}"
    return [f"{_agree(shares)}; sound scenes reach {sound}; no usual mistake (axes, inverse, sign of fy, unit of "
            "depth) explains it: are poses and frames of one recording, and are the poses exact?"]  # fmt: skip


def _agree(shares: Shares) -> str:
    near = "no points" if shares.near is None else f"{shares.near:.0%} of the points they share"
    return f"frames agree on {near}" + ("" if shares.far is None else f", {shares.far:.0%} where cameras are far apart")


def _doubtful_depth(sampled: Sampled) -> list[str]:
    median = sampled.median_depth()
    if median is None or ROOM[0] <= median <= ROOM[1]:
        return []
    return [f"the median depth is {median:.3g} m, that of rooms {ROOM[0]:g} to {ROOM[1]:g} m: is its unit right?"]


def _with_mesh(points: np.ndarray, sampled: Sampled, to_poses: np.ndarray | None = None) -> float:
    """How well mesh and frames agree: the greater of two shares, for each is low for some sound meshes.

    Of the mesh in view, what the frames see: little of a whole flat, most of which is behind walls. Of what the frames
    see, what lies on the mesh: little for the mesh of one thing. For a mesh out of place both are low.
    """
    points = points[placed(points)]
    if to_poses is not None:
        points = points @ to_poses[:3, :3].T + to_poses[:3, 3]
    frames = list(sampled.seen.values())
    if len(points) < 2 or not frames:
        return 0.0
    counts = np.zeros(3)
    for frame in frames:
        to_camera = np.linalg.inv(frame.pose)
        some = points[:: max(1, len(points) // VERTICES)]
        counts += hits(some @ to_camera[:3, :3].T + to_camera[:3, 3], frame)
    visible = counts[0] / max(counts.sum(), 1)
    world = [frame.points @ frame.pose[:3, :3].T + frame.pose[:3, 3] for frame in frames]
    away = cKDTree(points).query(np.concatenate(world), distance_upper_bound=REACH)[0]
    return float(max(visible, np.isfinite(away).mean()))


def _mesh_cause(scene: Scene, sampled: Sampled) -> str:
    alignment = scene.axis_alignment
    if alignment is not None and scene.points is not None:
        aligned = _with_mesh(scene.points, sampled, from_world_to_camera(alignment))
        if aligned >= MESH:
            return f"likely cause: it is in the aligned frame already (taken back, {aligned:.0%} agree); mend the data"
    return "it is in another frame than the poses, or of another scene"
