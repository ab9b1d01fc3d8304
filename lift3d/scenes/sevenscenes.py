"""7-Scenes and its relatives: `frame-N.color.png` (or jpg), `.depth.png` and `.pose.txt`, also in `seq-*` folders.

Depth in millimetres, 65535 where there is none; poses camera-to-world in OpenCV axes, in the frame of the first
camera, so that up is about -y. The camera is in `camera-intrinsics.txt` (3DMatch: a 3 x 3 matrix for the depth) or in
`info.txt` (BundleFusion: also the depth's size and units), beside the frames or in the folder above; otherwise it is
the published one of 7-Scenes' depth sensor: 585, centre (320, 240). There colour is not registered to depth, it is off
by some pixels.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import numpy as np

from grounding.core import UserError
from grounding.core.files import inside
from lift3d.scenes.cameras import camera_matrix
from lift3d.scenes.images import colour_file, depth_file
from lift3d.scenes.raw import Frame, Layout, RawScene
from lift3d.scenes.text import assignments, existing, image_size, matrix, matrix_file, numbers, positive

MILLIMETRES = 1000.0
_PATTERNS = ("frame-*.depth.png", "seq-*/frame-*.depth.png")
_COLOURS = (".color.png", ".color.jpg", ".color.jpeg")


class _Camera(NamedTuple):
    intrinsics: np.ndarray
    size: tuple[int, int] | str
    units: float


_PUBLISHED = _Camera(camera_matrix(585.0, 585.0, 320.0, 240.0), (480, 640), MILLIMETRES)


def _matches(root: Path) -> bool:
    return any(any(root.glob(pattern)) for pattern in _PATTERNS)


def _read(root: Path) -> RawScene:
    found = sorted(path.relative_to(root) for pattern in _PATTERNS for path in root.glob(pattern))
    stems = [PurePosixPath(path.as_posix().removesuffix(".depth.png")) for path in found]
    cameras = {folder: _camera(root, folder) for folder in {stem.parent for stem in stems}}
    return RawScene([_frame(root, stem.as_posix(), cameras[stem.parent]) for stem in stems], up=(0.0, -1.0, 0.0))


def _frame(root: Path, stem: str, camera: _Camera) -> Frame:
    pose, colour = existing(root, f"{stem}.pose.txt"), _colour(root, stem)
    return Frame(
        name=stem.replace("/", "_"),
        pose=partial(matrix_file, pose) if pose else None,
        intrinsics=camera.intrinsics,
        depth=partial(depth_file, inside(root, f"{stem}.depth.png"), camera.units),
        colour=partial(colour_file, colour) if colour else None,
        intrinsics_of=camera.size,
    )


def _colour(root: Path, stem: str) -> Path | None:
    found = [path for ending in _COLOURS if (path := existing(root, f"{stem}{ending}"))]
    if len(found) > 1:
        raise UserError(f"{root} has two colour images of frame {stem}: {found[0].name} and {found[1].name}; keep one")
    return found[0] if found else None


def _camera(root: Path, folder: PurePosixPath) -> _Camera:
    """The camera of the frames in a folder below `root`."""
    for place in dict.fromkeys([folder, PurePosixPath()]):
        if path := existing(root, f"{place}/camera-intrinsics.txt"):
            return _Camera(matrix_file(path, size=3), "depth", MILLIMETRES)
        if (path := existing(root, f"{place}/info.txt")) and (camera := _bundlefusion(path)):
            return camera
    return _PUBLISHED


def _bundlefusion(path: Path) -> _Camera | None:
    """The camera of BundleFusion's `info.txt`; None for another file of this name."""
    lines = assignments(path)
    keys = ("m_calibrationDepthIntrinsic", "m_depthHeight", "m_depthWidth", "m_depthShift")
    if keys[0] not in lines:
        return None
    if missing := [key for key in keys if key not in lines]:
        raise UserError(f"{path}: expected a line '{missing[0]} = ...', found none")
    intrinsics = matrix(lines[keys[0]].split(), f"{path}, {keys[0]}")[:3, :3]
    height, width, units = (float(numbers([lines[key]], 1, f"{path}, {key}")[0]) for key in keys[1:])
    return _Camera(intrinsics, image_size(height, width, str(path)), positive(units, f"{path}: m_depthShift"))


LAYOUT = Layout(
    "7scenes",
    "frame-*.depth.png and frame-*.pose.txt",
    _matches,
    _read,
    checked_on="the thousand frames of tsdf-fusion-python, with camera-intrinsics.txt",
)
