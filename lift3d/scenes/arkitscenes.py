"""ARKitScenes: `lowres_wide.traj` and in `lowres_depth`, `lowres_wide`, `lowres_wide_intrinsics` files `ID_T.*`.

Depth in millimetres; `.traj` lines are `t rx ry rz tx ty tz`, axis times angle, world-to-camera (so they are inverted);
`.pincam` holds `w h fx fy cx cy`. T are seconds: cameras are matched to 1 ms, poses to 5 ms. In the raw release the
files are in the folder itself, in 3dod in `ID_frames`; `*_3dod_mesh.ply` beside them is read.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from grounding.core import UserError
from grounding.core.checks import shown
from grounding.core.files import inside
from lift3d.scenes.cameras import camera_matrix, from_axis_angle, from_world_to_camera
from lift3d.scenes.images import colour_file, depth_file
from lift3d.scenes.ply import read_ply
from lift3d.scenes.raw import Frame, Layout, RawScene
from lift3d.scenes.text import files, image_size, numbers, only, read_text, rows
from lift3d.scenes.timeline import Timeline

MILLIMETRES = 1000.0
_CAMERA_TOLERANCE, _POSE_TOLERANCE = 0.001, 0.005  # seconds


def _frames_folder(root: Path) -> str | None:
    places = [".", *(path.name for path in sorted(root.glob("*_frames")))]
    return next((at for at in places if (root / at / "lowres_wide.traj").is_file()), None)


def _read(root: Path) -> RawScene:
    at = _frames_folder(root)
    if at is None:
        raise UserError(f"{root}: expected lowres_wide.traj in it or in its folder *_frames, found none")
    poses = _trajectory(inside(root, f"{at}/lowres_wide.traj"))
    depth = _by_time(files(root, f"{at}/lowres_depth", (".png",)))
    colour = _by_time(files(root, f"{at}/lowres_wide", (".png", ".jpg")))
    cameras = _by_time(files(root, f"{at}/lowres_wide_intrinsics", (".pincam",)))
    mesh = only(root, "*_3dod_mesh.ply")
    return RawScene(
        [_frame(time, path, poses, colour, cameras) for time, path in depth],
        mesh=partial(read_ply, mesh) if mesh else None,
    )


def _frame(
    time: float, path: Path, poses: Timeline[np.ndarray], colour: Timeline[Path], cameras: Timeline[Path]
) -> Frame:
    camera = cameras.at(time, _CAMERA_TOLERANCE)
    picture = colour.at(time, _CAMERA_TOLERANCE)
    size, intrinsics = _pincam(camera) if camera else ((1, 1), np.full((3, 3), np.nan))
    return Frame(
        name=path.stem,
        pose=poses.at(time, _POSE_TOLERANCE),
        intrinsics=intrinsics,
        depth=partial(depth_file, path, MILLIMETRES),
        colour=partial(colour_file, picture) if picture else None,
        intrinsics_of=size,
        time=time,
    )


def _trajectory(path: Path) -> Timeline[np.ndarray]:
    table = [(f"{path}, line {number}", fields) for number, fields in rows(path)]
    poses = [(where, numbers(fields, 7, where)) for where, fields in table]
    return Timeline(
        (_seconds(row[0], where), from_world_to_camera(from_axis_angle(row[1:4], row[4:]))) for where, row in poses
    )


def _pincam(path: Path) -> tuple[tuple[int, int], np.ndarray]:
    width, height, fx, fy, cx, cy = numbers(read_text(path).split(), 6, str(path))
    return image_size(float(height), float(width), str(path)), camera_matrix(fx, fy, cx, cy)


def _by_time(found: dict[str, Path]) -> Timeline[Path]:
    """Paths by the seconds at the end of their names (`41069021_305.374`)."""
    return Timeline((_seconds(name.rpartition("_")[2], str(path)), path) for name, path in found.items())


def _seconds(text: Any, where: str) -> float:
    time = float(numbers([text], 1, where)[0])
    if not np.isfinite(time):
        raise UserError(f"{where}: a time must be finite, got {shown(text)}")
    return time


LAYOUT = Layout(
    "arkitscenes", "lowres_wide.traj and lowres_depth/*.png", lambda r: _frames_folder(r) is not None, _read
)
