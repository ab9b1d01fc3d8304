"""COLMAP with depth: `cameras` and `images` (`.txt` or `.bin`) in `sparse/0`, `sparse` or the folder itself.

Poses `qw qx qy qz t`, world-to-camera, OpenCV axes, of arbitrary scale; pixel centres at integers plus a half. Depth
is ours to define, for COLMAP has none: `depth/NAME.png` (thousandths of a unit of the poses) or `depth/NAME.npy`
(units of the poses), NAME being that of the image in `images/` without its ending. Lens distortion is reported.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import numpy as np

from grounding.core import UserError
from grounding.core.checks import shown, whole_text
from grounding.core.files import inside
from grounding.core.reading import read_text
from lift3d.scenes.binary import BinaryFile
from lift3d.scenes.cameras import camera_matrix, from_corner_origin, from_quaternion, from_world_to_camera
from lift3d.scenes.images import colour_file, depth_file
from lift3d.scenes.raw import Frame, Layout, RawScene
from lift3d.scenes.text import existing, image_size, numbers

THOUSANDTHS = 1000.0
_FOLDERS = ("sparse/0", "sparse", ".")
# Name and number of parameters, in the order of COLMAP's model numbers.
_MODELS = [
    ("SIMPLE_PINHOLE", 3), ("PINHOLE", 4), ("SIMPLE_RADIAL", 4), ("RADIAL", 5), ("OPENCV", 8), ("OPENCV_FISHEYE", 8),
    ("FULL_OPENCV", 12), ("FOV", 5), ("SIMPLE_RADIAL_FISHEYE", 4), ("RADIAL_FISHEYE", 5), ("THIN_PRISM_FISHEYE", 12),
]  # fmt: skip
_CAMERA_FIELDS = ((0, "id"), (2, "width"), (3, "height"))
_ONE_FOCAL = ("SIMPLE_PINHOLE", "SIMPLE_RADIAL", "RADIAL")
_TWO_FOCALS = ("PINHOLE", "OPENCV", "FULL_OPENCV")
_SCALE = "COLMAP's scale is arbitrary: 'metres' are metres only if the model was scaled to them"


class _Camera(NamedTuple):
    intrinsics: np.ndarray
    size: tuple[int, int]
    distorted: bool


class _Image(NamedTuple):
    name: str
    camera: int
    pose: np.ndarray


def _model(root: Path) -> tuple[Path, str] | None:
    for folder in _FOLDERS:
        for ending in (".bin", ".txt"):
            if all((root / folder / f"{name}{ending}").is_file() for name in ("cameras", "images")):
                return root / folder, ending
    return None


def _read(root: Path) -> RawScene:
    model = _model(root)
    if model is None:
        raise UserError(f"{root}: expected cameras and images, .txt or .bin, in one of {', '.join(_FOLDERS)}")
    folder = model[0].relative_to(root).as_posix()
    paths = [inside(root, f"{folder}/{name}{model[1]}") for name in ("cameras", "images")]
    cameras: dict[int, _Camera] = {}
    for number, camera in _cameras_bin(paths[0]) if model[1] == ".bin" else _cameras_text(paths[0]):
        if number in cameras:
            raise UserError(f"{paths[0]}: camera {number} stands twice; export the model anew")
        cameras[number] = camera
    images = sorted(_images_bin(paths[1]) if model[1] == ".bin" else _images_text(paths[1]), key=lambda i: i.name)
    for image in images:
        if image.camera not in cameras:
            name = shown(image.name)
            raise UserError(f"{paths[1]}: image {name} has camera {image.camera}, which {paths[0]} has not")
    problems = [_SCALE]
    if any(cameras[image.camera].distorted for image in images):
        problems.append("the cameras have lens distortion, which is not applied; run COLMAP's image_undistorter first")
    return RawScene([_frame(root, image, cameras[image.camera]) for image in images], tuple(problems))


def _frame(root: Path, image: _Image, camera: _Camera) -> Frame:
    path = PurePosixPath(image.name.replace("\\", "/"))  # as COLMAP writes it on Windows
    stem = path.with_suffix("").as_posix() if path.name else ""
    depth = next((found for end in (".png", ".npy") if (found := existing(root, f"depth/{stem}{end}"))), None)
    units = THOUSANDTHS if depth and depth.suffix == ".png" else 1.0
    return Frame(
        name=stem.replace("/", "_"),
        pose=image.pose,
        intrinsics=camera.intrinsics,
        depth=partial(depth_file, depth, units) if depth else None,
        colour=partial(colour_file, inside(root, f"images/{path}")),
        intrinsics_of=camera.size,
    )


def _camera(model: str, width: int, height: int, values: np.ndarray, where: str) -> _Camera:
    if model not in _ONE_FOCAL + _TWO_FOCALS:
        raise UserError(f"{where}: camera model {shown(model)} is no pinhole; run COLMAP's image_undistorter first")
    size = image_size(height, width, where)
    focals, rest = (values[[0, 0]], values[1:]) if model in _ONE_FOCAL else (values[:2], values[2:])
    intrinsics = from_corner_origin(camera_matrix(*focals, *rest[:2]))
    return _Camera(intrinsics, size, bool(np.any(rest[2:])))


def _pose(quaternion: np.ndarray, translation: np.ndarray) -> np.ndarray:
    return from_world_to_camera(from_quaternion(quaternion[[1, 2, 3, 0]], translation))


def _cameras_text(path: Path) -> Iterator[tuple[int, _Camera]]:
    counts = dict(_MODELS)
    for number, line in enumerate(read_text(path).splitlines(), start=1):
        fields = line.split()
        if not fields or fields[0].startswith("#"):
            continue
        where = f"{path}, line {number}"
        if len(fields) < 4 or fields[1] not in counts or not all(fields[i].isdecimal() for i in (0, 2, 3)):
            raise UserError(f"{where}: expected 'id MODEL width height parameters', got {shown(line)}")
        values = numbers(fields[4:], counts[fields[1]], where)
        number, width, height = (whole_text(fields[i], f"{where}: the {what}") for i, what in _CAMERA_FIELDS)
        yield number, _camera(fields[1], width, height, values, where)


def _images_text(path: Path) -> Iterator[_Image]:
    """Every image has two lines, the second (its points, not needed) perhaps empty; other empty lines mean nothing."""
    lines = enumerate(read_text(path).splitlines(), start=1)
    for number, line in lines:
        if not line.strip() or line.startswith("#"):
            continue
        where = f"{path}, line {number}"
        fields = line.split(maxsplit=9)
        if len(fields) < 10 or not fields[8].isdecimal():
            raise UserError(f"{where}: expected 'id qw qx qy qz tx ty tz camera name', got {shown(line)}")
        values = numbers(fields[1:8], 7, where)
        yield _Image(fields[9].strip(), whole_text(fields[8], f"{where}: the camera"), _pose(values[:4], values[4:]))
        number, points = next(lines, (0, ""))
        if len(points.split()) % 3:
            raise UserError(f"{path}, line {number}: expected the points of the image above (x y id, ...) or an empty "
                            f"line, got {shown(points)}")  # fmt: skip


def _cameras_bin(path: Path) -> Iterator[tuple[int, _Camera]]:
    with BinaryFile(path) as file:
        for _ in range(file.unpack("Q")[0]):
            camera, model, width, height = file.unpack("iiQQ")
            if not 0 <= model < len(_MODELS):
                raise UserError(
                    f"{path}: camera {camera} has the unknown model {model}; use one of 0-{len(_MODELS) - 1}"
                )
            name, count = _MODELS[model]
            values = np.array(file.unpack(f"{count}d"))
            yield camera, _camera(name, width, height, values, f"{path}, camera {camera}")


def _images_bin(path: Path) -> Iterator[_Image]:
    with BinaryFile(path) as file:
        for _ in range(file.unpack("Q")[0]):
            _, *values, camera = file.unpack("i7di")
            name = file.name()
            file.skip(24 * file.unpack("Q")[0])  # its points: x, y and the number of the 3D point
            yield _Image(name, camera, _pose(np.array(values[:4]), np.array(values[4:])))


LAYOUT = Layout("colmap", "sparse/0/cameras.bin (or .txt) and depth/", lambda root: _model(root) is not None, _read)
