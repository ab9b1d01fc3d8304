"""7-Scenes: `frame-N.color.png`, `frame-N.depth.png`, `frame-N.pose.txt`, in the folder or in its `seq-*` folders.

Depth in millimetres, 65535 where there is none; poses camera-to-world in OpenCV axes, in the frame of the first
camera, so that up is about -y. The camera is the published one of the depth sensor: 585, centre (320, 240); colour is
not registered to depth, it is off by some pixels.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

from grounding.core.files import inside
from lift3d.scenes.cameras import camera_matrix
from lift3d.scenes.images import colour_file, depth_file
from lift3d.scenes.raw import Frame, Layout, RawScene
from lift3d.scenes.text import matrix_file

MILLIMETRES = 1000.0
_CAMERA, _SIZE = (585.0, 585.0, 320.0, 240.0), (480, 640)
_PATTERNS = ("frame-*.depth.png", "seq-*/frame-*.depth.png")


def _matches(root: Path) -> bool:
    return any(any(root.glob(pattern)) for pattern in _PATTERNS)


def _read(root: Path) -> RawScene:
    found = sorted(path.relative_to(root) for pattern in _PATTERNS for path in root.glob(pattern))
    return RawScene([_frame(root, path.as_posix().removesuffix(".depth.png")) for path in found], up=(0.0, -1.0, 0.0))


def _frame(root: Path, stem: str) -> Frame:
    pose, colour = f"{stem}.pose.txt", f"{stem}.color.png"
    return Frame(
        name=stem.replace("/", "_"),
        pose=partial(matrix_file, inside(root, pose)) if (root / pose).is_file() else None,
        intrinsics=camera_matrix(*_CAMERA),
        depth=partial(depth_file, inside(root, f"{stem}.depth.png"), MILLIMETRES),
        colour=partial(colour_file, inside(root, colour)) if (root / colour).is_file() else None,
        intrinsics_of=_SIZE,
    )


LAYOUT = Layout("7scenes", "frame-*.depth.png and frame-*.pose.txt", _matches, _read)
