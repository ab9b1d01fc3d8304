"""TUM RGB-D and ICL-NUIM: `rgb.txt`, `depth.txt` (or `associations.txt`) and `groundtruth.txt` (or `*.gt.freiburg`).

Depth with 5000 units a metre, registered to colour; poses `t tx ty tz qx qy qz qw`, camera-to-world; streams paired by
nearest time, at most 0.02 s apart. The camera is in `intrinsics.txt` (`fx fy cx cy`, ours) or known from the folder's
name (freiburg1-3) or, for ICL-NUIM, from its ground truth's; its fy is negative.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np

from grounding.core import UserError
from grounding.core.checks import shown
from grounding.core.files import inside
from lift3d.scenes.cameras import camera_matrix, from_quaternion
from lift3d.scenes.images import colour_file, depth_file
from lift3d.scenes.raw import Frame, Layout, RawScene
from lift3d.scenes.text import numbers, rows
from lift3d.scenes.timeline import Timeline

UNITS = 5000.0
TOLERANCE = 0.02  # seconds; what the benchmark's own tools use
_CAMERAS = {
    "freiburg1": (517.3, 516.5, 318.6, 255.3),
    "freiburg2": (520.9, 521.0, 325.1, 249.7),
    "freiburg3": (535.4, 539.2, 320.1, 247.6),
}
_ICL_CAMERA = (481.2, -480.0, 319.5, 239.5)
_DEFAULT_CAMERA = (525.0, 525.0, 319.5, 239.5)  # of the recording software


def _matches(root: Path) -> bool:
    listed = (root / "depth.txt").is_file() or (root / "associations.txt").is_file()
    return listed and ((root / "groundtruth.txt").is_file() or any(root.glob("*.gt.freiburg")))


def _read(root: Path) -> RawScene:
    depth, colour = _streams(root)
    truth = _truth(root)
    poses = _trajectory(truth)
    camera, doubt = _camera(root, truth)
    frames = []
    for time, name in depth:
        picture = colour.at(time, TOLERANCE)
        frames.append(
            Frame(
                name=Path(name).stem,
                pose=poses.at(time, TOLERANCE),
                intrinsics=camera,
                depth=partial(depth_file, inside(root, name), UNITS),
                colour=None if picture is None else partial(colour_file, inside(root, picture)),
                time=time,
            )
        )
    return RawScene(frames, doubt, up=(0.0, 1.0, 0.0) if camera[1, 1] < 0 else (0.0, 0.0, 1.0))


def _streams(root: Path) -> tuple[Timeline[str], Timeline[str]]:
    if (root / "depth.txt").is_file():
        colour = _list(inside(root, "rgb.txt")) if (root / "rgb.txt").is_file() else Timeline([])
        return _list(inside(root, "depth.txt")), colour
    path = inside(root, "associations.txt")
    streams: dict[bool, list[tuple[float, str]]] = {True: [], False: []}
    for number, fields in rows(path):
        if len(fields) != 4:
            raise UserError(f"{path}, line {number}: expected 'time file time file', got {len(fields)} fields")
        for time, name in (fields[:2], fields[2:]):
            streams["depth" in name].append((_time(time, path, number), name))
    return Timeline(streams[True]), Timeline(streams[False])


def _list(path: Path) -> Timeline[str]:
    found = []
    for number, fields in rows(path):
        if len(fields) < 2:
            raise UserError(f"{path}, line {number}: expected 'time file', got {shown(' '.join(fields))}")
        found.append((_time(fields[0], path, number), fields[1]))
    return Timeline(found)


def _time(text: str, path: Path, number: int) -> float:
    value = float(numbers([text], 1, f"{path}, line {number}")[0])
    if not np.isfinite(value):
        raise UserError(f"{path}, line {number}: a time must be finite, got {shown(text)}")
    return value


def _truth(root: Path) -> Path:
    found = [root / "groundtruth.txt"] if (root / "groundtruth.txt").is_file() else sorted(root.glob("*.gt.freiburg"))
    if len(found) != 1:
        raise UserError(f"{root}: expected groundtruth.txt or one *.gt.freiburg, found {len(found)}")
    return inside(root, found[0].name)


def _trajectory(path: Path) -> Timeline[np.ndarray]:
    table = [numbers(fields, 8, f"{path}, line {number}") for number, fields in rows(path)]
    return Timeline((float(row[0]), from_quaternion(row[4:], row[1:4])) for row in table if np.isfinite(row[0]))


def _camera(root: Path, truth: Path) -> tuple[np.ndarray, tuple[str, ...]]:
    if (root / "intrinsics.txt").is_file():
        path = inside(root, "intrinsics.txt")
        return camera_matrix(*numbers([item for _, fields in rows(path) for item in fields], 4, str(path))), ()
    if truth.suffix == ".freiburg":
        return camera_matrix(*_ICL_CAMERA), ()
    for name, camera in _CAMERAS.items():
        if name in root.resolve().name:
            return camera_matrix(*camera), ()
    doubt = "no intrinsics.txt (fx fy cx cy) and no freiburg1-3 in the folder's name: the recorder's default is taken"
    return camera_matrix(*_DEFAULT_CAMERA), (doubt,)


LAYOUT = Layout(
    "tum",
    "depth.txt (or associations.txt) and groundtruth.txt (or *.gt.freiburg)",
    _matches,
    _read,
    checked_on="freiburg1_rpy of the benchmark",
)
