"""`lift3d view`: in rerun (extra `viz`) what `lift3d export` wrote, and the cameras of its scene where that is given.

Every instance is an entity of its own, so that it can be hidden; the camera moves along the timeline "frame".
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from grounding.core import UserError
from grounding.core.files import whole_file
from lift3d.formats.exported import Exported, read_export
from lift3d.formats.result import id_colour, tinted
from lift3d.frames import Frame, Frames, Progress, plain
from lift3d.scene import Scene
from lift3d.scenes.cameras import from_world_to_camera, scaled

WIDEST = 320  # pixels of a side of a camera's picture
_INSTEAD = "write a file with --save FILE.rrd"
_TINT = 0.75  # share of the instance's colour; the rest is the point's own


def view(
    folder: str | Path, scene: Scene | None = None, save: str | Path | None = None, progress: Progress = plain
) -> None:
    """Show an export.

    Args:
        folder: That `lift3d export` wrote, ply among its formats.
        scene: Its scene, for the cameras and their pictures.
        save: File in .rrd to write; None opens rerun's viewer.
        progress: Shows the frames as they pass.

    Raises:
        UserError: If rerun is missing or its viewer does not start, the folder is another, or `save` exists or cannot
            be written.
    """
    rr = _rerun()
    exported = read_export(folder)
    recording = rr.RecordingStream("tubelet")
    if save is None:
        with _viewer():
            recording.spawn()
            show(rr, recording, exported, scene, progress)
            recording.flush()
        return
    with whole_file(save) as temporary:
        # Written by us: rerun's own file sink waits for ever on a full disk.
        stream = recording.binary_stream()
        show(rr, recording, exported, scene, progress)
        temporary.write_bytes(stream.read() or b"")


@contextlib.contextmanager
def _viewer() -> Iterator[None]:
    """Let rerun find its viewer in this environment, also where that is not activated.

    Raises:
        UserError: If it is not there, does not start or goes away.
    """
    path = os.environ.get("PATH", os.defpath)
    places = os.pathsep.join([sysconfig.get_path("scripts"), path])
    if shutil.which("rerun", path=places) is None:
        raise UserError(f'rerun\'s viewer is not installed; pip install "tubelet[viz]", or {_INSTEAD}')
    if sys.platform == "linux" and not any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY")):
        raise UserError(f"rerun's viewer does not start: there is no display; {_INSTEAD}")
    os.environ["PATH"] = places
    try:
        yield
    except RuntimeError as error:
        raise UserError(f"rerun's viewer does not start ({str(error).splitlines()[0]}); {_INSTEAD}") from error
    finally:
        os.environ["PATH"] = path


def show(rr: Any, recording: Any, exported: Exported, scene: Scene | None, progress: Progress = plain) -> None:
    """Log points, boxes and cameras.

    Args:
        rr: The module rerun.
        recording: Its `RecordingStream`.
        exported: Points and boxes.
        scene: The cameras' scene, or None.
        progress: Shows the frames as they pass.
    """
    axis = int(np.argmax(np.abs(exported.up)))
    up = f"RIGHT_HAND_{'XYZ'[axis]}_{'UP' if exported.up[axis] > 0 else 'DOWN'}"
    recording.log("world", getattr(rr.ViewCoordinates, up), static=True)
    points, owners = exported.cloud.points, exported.cloud.instances
    assert points is not None and owners is not None
    own = np.full(points.shape, 160, np.uint8) if exported.cloud.colours is None else exported.cloud.colours
    rest = ~np.isin(owners, list(exported.labels))
    recording.log("world/rest", rr.Points3D(points[rest], colors=own[rest]), static=True)
    to_points = from_world_to_camera(exported.alignment)
    recording.log("world/boxes", rr.Transform3D(translation=to_points[:3, 3], mat3x3=to_points[:3, :3]), static=True)
    for number, label in exported.labels.items():
        mine, box = owners == number, exported.boxes[number]
        colours = tinted(own[mine], number, _TINT)
        recording.log(f"world/instances/{number}", rr.Points3D(points[mine], colors=colours), static=True)
        recording.log(
            f"world/boxes/{number}",
            rr.Transform3D(translation=box.centre, mat3x3=box.axes),
            rr.Boxes3D(half_sizes=[box.size / 2], colors=[id_colour(number)], labels=[f"{number} {label}"]),
            static=True,
        )
    if scene is not None:
        _show_cameras(rr, recording, scene, progress)


def _show_cameras(rr: Any, recording: Any, scene: Scene, progress: Progress) -> None:
    way = []
    for frame in progress(Frames(scene.views, None), "Logging cameras"):
        if frame.rejected:
            continue
        pose, picture = frame.view.pose, _picture(frame)
        size = frame.depth.shape[:2] if picture is None else picture.shape[:2]
        lens = scaled(frame.view.intrinsics, (frame.depth.shape[0], frame.depth.shape[1]), (size[0], size[1]))
        recording.set_time("frame", sequence=frame.index)
        recording.log(
            "world/camera",
            rr.Transform3D(translation=pose[:3, 3], mat3x3=pose[:3, :3]),
            rr.Pinhole(image_from_camera=lens, resolution=[size[1], size[0]]),
        )
        shown = rr.Clear(recursive=False) if picture is None else rr.Image(picture).compress(jpeg_quality=80)
        recording.log("world/camera/picture", shown)
        way.append(pose[:3, 3])
    recording.log("world/way", rr.LineStrips3D([way]), static=True)


def _picture(frame: Frame) -> np.ndarray | None:
    """A small copy of a view's picture, or None where it cannot be read."""
    with contextlib.suppress(UserError):
        small = Image.fromarray(frame.view.read_colour())
        small.thumbnail((WIDEST, WIDEST))
        return np.asarray(small)
    return None


def _rerun() -> Any:
    try:
        import rerun
    except ImportError as error:
        raise UserError('lift3d view needs rerun; pip install "tubelet[viz]"') from error
    return rerun
