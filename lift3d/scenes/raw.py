"""What the file of a layout hands over, and how it becomes a `Scene`: bad frames are left out by name, K fits depth."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from grounding.core import UserError
from lift3d.scene import FARTHEST, Scene, View, is_rigid
from lift3d.scenes.cameras import scaled, with_positive_fy
from lift3d.scenes.images import NoImage, Picture
from lift3d.scenes.ply import Mesh
from lift3d.wording import by_reason, grouped

FOCAL = 0.1, 1e6  # pixels, of any lens
SHAPE = 0.02  # sides of images of one camera may differ by this, for sizes are rounded


class NoFrames(UserError):
    """A scene of a known layout has no frame that can be used."""


@dataclass(frozen=True, eq=False)
class Frame:
    """One frame as a layout describes it; nothing is opened yet.

    Attributes:
        name: Unique in the scene.
        pose: Camera-to-world in OpenCV axes, (4, 4), not finite where tracking was lost, or what reads it from its
            file; None: there is none.
        intrinsics: (3, 3), pixel centres at integers, for an image of the size that `intrinsics_of` says; or what
            gives it for that size, (height, width).
        depth: Opens the depth image; None: there is none.
        colour: Opens the colour image; None: there is none.
        intrinsics_of: (height, width), or "depth" or "colour" for the size of that image.
        time: Seconds, or None.
    """

    name: str
    pose: np.ndarray | Callable[[], np.ndarray] | None
    intrinsics: np.ndarray | Callable[[tuple[int, int]], np.ndarray]
    depth: Callable[[], Picture] | None
    colour: Callable[[], Picture] | None
    intrinsics_of: tuple[int, int] | str = "depth"
    time: float | None = None


@dataclass(frozen=True, eq=False)
class RawScene:
    """All that a layout found; the attributes are those of `Scene`, with frames for views.

    Mesh and superpoints are read when they are asked for: a scene whose mesh is broken can be used without it.
    """

    frames: Sequence[Frame]
    problems: tuple[str, ...] = ()
    mesh: Callable[[], Mesh] | None = None
    axis_alignment: np.ndarray | None = None
    superpoints: Callable[[], np.ndarray] | None = None
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


def assemble(layout: str, raw: RawScene, surface: bool = True) -> Scene:
    """Turn a layout's frames into views; frames that cannot be used are left out with a reason each.

    Args:
        layout: Its name.
        raw: What it found.
        surface: Whether to read the mesh, if there is one.

    Raises:
        NoFrames: If no frame is left.
        UserError: If mesh or superpoints cannot be read.
    """
    views: list[View] = []
    left_out: dict[str, str] = {}
    doubts: list[tuple[str, str]] = []
    for frame in raw.frames:
        try:
            view, found = _view(frame)
        except UserError as error:
            left_out[frame.name] = str(error)
            continue
        views.append(view)
        doubts += [(frame.name, doubt) for doubt in found]
    if not views:
        gone = "; ".join(by_reason(left_out, "frame")[:3])
        raise NoFrames(f"no usable frame among {len(raw.frames)} of layout {layout}: {gone or 'none'}")
    mesh = raw.mesh() if surface and raw.mesh else Mesh()
    superpoints = raw.superpoints() if mesh.points is not None and raw.superpoints else None
    if mesh.points is not None and superpoints is not None and len(superpoints) != len(mesh.points):
        raise UserError(f"superpoints must be one a vertex ({len(mesh.points)}), got {len(superpoints)}; "
                        "they belong to another mesh")  # fmt: skip
    problems = (*raw.problems, *grouped(doubts, "frame"))
    return Scene(views, mesh.points, mesh.faces, mesh.colours, raw.axis_alignment, layout, problems,
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
    size = _size(frame, depth, colour)
    if not _same_shape(size, depth.size) or (colour and not _same_shape(size, colour.size)):
        shapes = [("intrinsics", size), ("depth", depth.size), *([("colour", colour.size)] if colour else [])]
        sizes = ", ".join(f"{what} {width} x {height}" for what, (height, width) in shapes)
        doubts.append(f"the sizes differ in shape ({sizes}): one of them is wrong, or a picture is cropped")
    intrinsics, pose = with_positive_fy(_fitted(frame, size, depth.size), pose)
    height, width = depth.size
    cx, cy = intrinsics[:2, 2]
    if not (0.2 * width < cx < 0.8 * width and 0.2 * height < cy < 0.8 * height):
        doubts.append(f"the principal point ({cx:.0f}, {cy:.0f}) is far from the middle of the depth image, "
                      f"{width} x {height}: the intrinsics may be of another image size")  # fmt: skip
    read_colour = colour.read if colour else _raiser(f"frame {frame.name}: {missing}")
    names = depth.name, colour.name if colour else ""
    return View(frame.name, frame.time, pose, intrinsics, depth.read, read_colour, *names, depth.units), doubts


def _pose(frame: Frame) -> np.ndarray:
    if frame.pose is None:
        raise UserError("there is no pose")
    pose = frame.pose if isinstance(frame.pose, np.ndarray) else frame.pose()
    if not np.isfinite(pose).all():
        raise UserError("the pose is not finite (tracking was lost)")
    if not is_rigid(pose):
        raise UserError(f"the pose is no rotation with a translation of at most {FARTHEST:g} m")
    return pose


def _colour(frame: Frame) -> tuple[Picture | None, str]:
    if frame.colour is None:
        return None, "there is no colour image"
    try:
        return frame.colour(), ""
    except UserError as error:
        return None, str(error)


def _size(frame: Frame, depth: Picture, colour: Picture | None) -> tuple[int, int]:
    """(height, width) of the image that the intrinsics are for."""
    if not isinstance(frame.intrinsics_of, str):
        return frame.intrinsics_of
    if frame.intrinsics_of == "depth":
        return depth.size
    if colour is None:
        raise UserError("the intrinsics are those of the colour image, and that is missing")
    return colour.size


def _same_shape(one: tuple[int, int], other: tuple[int, int]) -> bool:
    return abs(one[0] * other[1] / (one[1] * other[0]) - 1) < SHAPE


def _fitted(frame: Frame, size: tuple[int, int], depth_size: tuple[int, int]) -> np.ndarray:
    """The camera matrix for the depth image."""
    given = frame.intrinsics(size) if callable(frame.intrinsics) else frame.intrinsics
    intrinsics = np.asarray(given, dtype=np.float64)
    if not np.isfinite(intrinsics).all() or intrinsics[0, 0] <= 0 or intrinsics[1, 1] == 0:
        raise UserError("the intrinsics are not finite or have no focal length")
    if not np.allclose(intrinsics[[1, 2, 2, 2], [0, 0, 1, 2]], [0, 0, 0, 1], atol=1e-6):
        raise UserError("the intrinsics are no camera matrix: below its diagonal must be 0, in its corner 1")
    focal = np.abs(intrinsics.diagonal()[:2])
    if focal.min() < FOCAL[0] or focal.max() > FOCAL[1] or np.abs(intrinsics).max() > FOCAL[1]:
        raise UserError(f"the intrinsics must have focal lengths from {FOCAL[0]:g} to {FOCAL[1]:g} pixels and no "
                        f"larger number, got fx {intrinsics[0, 0]:g}, fy {intrinsics[1, 1]:g}")  # fmt: skip
    return intrinsics if size == depth_size else scaled(intrinsics, size, depth_size)


def _raiser(message: str) -> Callable[[], np.ndarray]:
    def read() -> np.ndarray:
        raise NoImage(message)

    return read
