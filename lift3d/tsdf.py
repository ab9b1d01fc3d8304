"""A mesh of the depth images by TSDF fusion, through open3d (extra `lift3d`), for scenes that bring none."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import numpy as np

from grounding.core import UserError
from lift3d.cloud import pixel_width
from lift3d.colours import Colours
from lift3d.frames import Frames, Progress, plain
from lift3d.scene import Scene
from lift3d.visibility import FAR

_BLOCK, _BLOCKS = 16, 10_000  # voxels along a block's side; blocks that there is room for at first
_TRUNCATION = 4.0  # voxels
_SEEN_ONCE = 0.5  # open3d keeps what weighs more than the threshold, and a frame adds 1
PIXELS = 4  # that a voxel spans where nobody chose: the noise of neighbouring pixels evens out
MOST = 0.02  # metres of a voxel where nobody chose
_PACKAGES = {"libusb-1.0": "libusb-1.0-0", "libGL": "libgl1", "libgomp": "libgomp1"}  # of Debian and Ubuntu


def tsdf_mesh(scene: Scene, voxel: float | None = None, progress: Progress = plain) -> Scene:
    """The scene with a mesh of its depth.

    Args:
        scene: Its views are read once.
        voxel: Side of a voxel, metres; surfaces closer than three of them melt together. None: what `PIXELS` pixels
            see, up to 2 cm. Half the side takes four times the memory.
        progress: Shows the frames as they pass.

    Raises:
        UserError: If open3d or a library of the system that it needs is missing, or no view gives a surface.
    """
    o3d = _open3d()
    voxel = voxel or min(PIXELS * pixel_width(scene.views), MOST)
    real, pictures = o3d.core.float32, Colours()
    grid = o3d.t.geometry.VoxelBlockGrid(
        ("tsdf", "weight", "color"), (real, real, real), ((1,), (1,), (3,)), voxel, _BLOCK, _BLOCKS
    )
    for frame in progress(Frames(scene.views, None), "Fusing depth"):
        if frame.rejected:
            continue
        colours = pictures.of(frame, np.arange(frame.depth.size)).reshape(*frame.depth.shape, 3)
        depth, picture = (
            o3d.t.geometry.Image(o3d.core.Tensor(np.ascontiguousarray(image, np.float32)))
            for image in (frame.depth, colours)
        )
        lens, pose = o3d.core.Tensor(frame.view.intrinsics), o3d.core.Tensor(np.linalg.inv(frame.view.pose))
        touched = grid.compute_unique_block_coordinates(depth, lens, pose, 1.0, FAR, _TRUNCATION)
        grid.integrate(touched, depth, picture, lens, lens, pose, 1.0, FAR, _TRUNCATION)
    mesh = grid.extract_triangle_mesh(_SEEN_ONCE)
    if "positions" not in mesh.vertex or not len(mesh.vertex.positions):
        raise UserError(f"no surface came out of the depth at voxels of {voxel:.3g} m; try another --settings.voxel")
    points = mesh.vertex.positions.numpy().astype(np.float64)
    colours = np.clip(np.rint(mesh.vertex.colors.numpy()), 0, 255).astype(np.uint8)
    faces, problems = mesh.triangle.indices.numpy(), (*scene.problems, *pictures.problems())
    return replace(scene, points=points, faces=faces, colours=colours, superpoints=None, problems=problems)


def _open3d() -> Any:
    """The module; its stubs know only buffers.

    Raises:
        UserError: Saying what to install.
    """
    try:
        import open3d
    except ModuleNotFoundError as error:
        raise UserError('--surface tsdf needs open3d; pip install "tubelet[lift3d]"') from error
    except (ImportError, OSError) as error:
        library = re.match(r"(lib[\w.+-]+)\.so", str(error))
        name = library[1] if library else ""
        packages = _PACKAGES.get(name, " ".join(_PACKAGES.values()))
        raise UserError(
            f"--surface tsdf needs open3d, which does not load ({error}); "
            f"install the missing library of the system, on Debian and Ubuntu: apt-get install {packages}"
        ) from error
    return open3d
