"""What the file of a layout hands over, and how it becomes a `Scene`: bad frames are left out by name, K fits depth."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from grounding.core import UserError
from lift3d.scene import Scene, View, is_rigid
from lift3d.scenes.cameras import scaled, with_positive_fy
from lift3d.scenes.images import Picture
from lift3d.scenes.ply import Mesh
from lift3d.wording import by_reason, listed


@dataclass(frozen=True, eq=False)
class Frame:
    """One frame as a layout describes it; nothing is opened yet.

    Attributes:
        name: Unique in the scene.
        pose: Camera-to-world in OpenCV axes, (4, 4), not finite where tracking was lost, or what reads it from its
            file; None: there is none.
        intrinsics: (3, 3), pixel centres at integers, for an image of the size that `intrinsics_of` says.
        depth: Opens the depth image; None: there is none.
        colour: Opens the colour image; None: there is none.
        intrinsics_of: (height, width), or "depth" or "colour" for the size of that image.
        time: Seconds, or None.
    """

    name: str
    pose: np.ndarray | Callable[[], np.ndarray] | None
    intrinsics: np.ndarray
    depth: Callable[[], Picture] | None
    colour: Callable[[], Picture] | None
    intrinsics_of: tuple[int, int] | str = "depth"
    time: float | None = None


@dataclass(frozen=True, eq=False)
class RawScene:
    """All that a layout found; the attributes are those of `Scene`, with frames for views."""

    frames: Sequence[Frame]
    problems: tuple[str, ...] = ()
    mesh: Mesh = field(default_factory=Mesh)
    axis_alignment: np.ndarray | None = None
    superpoints: np.ndarray | None = None
    up: tuple[float, float, float] = (0.0, 0.0, 1.0)


@dataclass(frozen=True)
class Layout:
    """One way to lay out an RGB-D scene in a folder.

    Attributes:
        name: What `--layout` takes.
        looks_like: The files that tell it from others, for messages.
        matches: Whether a folder looks like it.
        read: Reads its texts; images stay closed.
        checked_on: Which real files this reader was checked on; empty: written from the published description only.
    """

    name: str
    looks_like: str
    matches: Callable[[Path], bool]
    read: Callable[[Path], RawScene]
    checked_on: str = ""


def assemble(layout: str, raw: RawScene) -> Scene:
    """Turn a layout's frames into views; frames that cannot be used are left out with a reason each.

    Raises:
        UserError: If no frame is left.
    """
    views: list[View] = []
    left_out: dict[str, str] = {}
    doubts: dict[str, list[str]] = {}
    for frame in raw.frames:
        try:
            view, found = _view(frame)
        except UserError as error:
            left_out[frame.name] = str(error)
            continue
        views.append(view)
        for doubt in found:
            doubts.setdefault(doubt, []).append(frame.name)
    if not views:
        gone = "; ".join(by_reason(left_out, "frame")[:3])
        raise UserError(f"no usable frame among {len(raw.frames)} of layout {layout}: {gone or 'none'}")
    lines = [f"{doubt}: {listed(names, 'frame')}" for doubt, names in doubts.items()]
    points, faces, colours = raw.mesh.points, raw.mesh.faces, raw.mesh.colours
    superpoints = None if points is None else raw.superpoints  # without a mesh they mean nothing
    if points is not None and superpoints is not None and len(superpoints) != len(points):
        raise UserError(f"superpoints must be one a vertex ({len(points)}), got {len(superpoints)}; "
                        "they belong to another mesh")  # fmt: skip
    return Scene(views, points, faces, colours, raw.axis_alignment, layout, (*raw.problems, *lines),
                 superpoints, raw.up, left_out)  # fmt: skip


def _view(frame: Frame) -> tuple[View, list[str]]:
    """The view, and what is doubtful about it."""
    pose = _pose(frame)
    if frame.depth is None:
        raise UserError("there is no depth image")
    depth = frame.depth()
    colour, missing = _colour(frame)
    doubts = [missing] if missing else []
    if np.linalg.det(pose[:3, :3]) < 0:
        doubts.append("the pose mirrors: the axes of its world are left-handed, or one of them points the other way; "
                      "nothing was changed")  # fmt: skip
    intrinsics, pose = with_positive_fy(_fitted(frame, depth, colour), pose)
    height, width = depth.size
    cx, cy = intrinsics[:2, 2]
    if not (0.2 * width < cx < 0.8 * width and 0.2 * height < cy < 0.8 * height):
        doubts.append(f"the principal point ({cx:.0f}, {cy:.0f}) is far from the middle of the depth image, "
                      f"{width} x {height}: the intrinsics may be of another image size")  # fmt: skip
    read_colour = colour.read if colour else _raiser(f"frame {frame.name}: {missing}")
    names = depth.name, colour.name if colour else ""
    return View(frame.name, frame.time, pose, intrinsics, depth.read, read_colour, *names), doubts


def _pose(frame: Frame) -> np.ndarray:
    if frame.pose is None:
        raise UserError("there is no pose")
    pose = frame.pose if isinstance(frame.pose, np.ndarray) else frame.pose()
    if not np.isfinite(pose).all():
        raise UserError("the pose is not finite (tracking was lost)")
    if not is_rigid(pose):
        raise UserError("the pose is no rotation with a translation")
    return pose


def _colour(frame: Frame) -> tuple[Picture | None, str]:
    if frame.colour is None:
        return None, "there is no colour image"
    try:
        return frame.colour(), ""
    except UserError as error:
        return None, str(error)


def _fitted(frame: Frame, depth: Picture, colour: Picture | None) -> np.ndarray:
    intrinsics = np.asarray(frame.intrinsics, dtype=np.float64)
    if not np.isfinite(intrinsics).all() or intrinsics[0, 0] <= 0 or intrinsics[1, 1] == 0:
        raise UserError("the intrinsics are not finite or have no focal length")
    if frame.intrinsics_of == "depth":
        return intrinsics
    if frame.intrinsics_of == "colour" and colour is None:
        raise UserError("the intrinsics are those of the colour image, and that is missing")
    size = colour.size if frame.intrinsics_of == "colour" and colour else frame.intrinsics_of
    assert not isinstance(size, str)
    return intrinsics if size == depth.size else scaled(intrinsics, size, depth.size)


def _raiser(message: str) -> Callable[[], np.ndarray]:
    def read() -> np.ndarray:
        raise UserError(message)

    return read
