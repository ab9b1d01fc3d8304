"""A mesh of the depth images by TSDF fusion, through open3d (extra `lift3d`), for scenes that bring none."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from grounding.core import UserError
from lift3d.cloud import pixel_colours
from lift3d.frames import Frames, Progress, plain
from lift3d.scene import Scene
from lift3d.visibility import FAR

_BLOCK, _BLOCKS = 16, 10_000  # voxels along a block's side; blocks that there is room for at first
_TRUNCATION = 4.0  # voxels
VOXEL = 0.02  # metres, where nobody chose; a finer mesh of a room takes gigabytes


def tsdf_mesh(scene: Scene, voxel: float | None = None, progress: Progress = plain) -> Scene:
    """The scene with a mesh of its depth.

    Args:
        scene: Its views are read once.
        voxel: Side of a voxel, metres; surfaces closer than three of them melt together. None: 2 cm.
        progress: Shows the frames as they pass.

    Raises:
        UserError: If open3d is not installed, or no view gives a surface.
    """
    voxel = voxel or VOXEL
    try:
        import open3d
    except (ImportError, OSError) as error:  # OSError: libgl1 or libusb is missing
        raise UserError('--surface tsdf needs open3d; pip install "tubelet[lift3d]"') from error
    o3d: Any = open3d  # its stubs know only buffers
    real = o3d.core.float32
    grid = o3d.t.geometry.VoxelBlockGrid(
        ("tsdf", "weight", "color"), (real, real, real), ((1,), (1,), (3,)), voxel, _BLOCK, _BLOCKS
    )
    fused = 0
    for frame in progress(Frames(scene.views, None), "Fusing depth"):
        if frame.rejected:
            continue
        fused += 1
        colours = pixel_colours(frame, np.arange(frame.depth.size)).reshape(*frame.depth.shape, 3)
        depth, picture = (
            o3d.t.geometry.Image(o3d.core.Tensor(np.ascontiguousarray(image, np.float32)))
            for image in (frame.depth, colours)
        )
        lens, pose = o3d.core.Tensor(frame.view.intrinsics), o3d.core.Tensor(np.linalg.inv(frame.view.pose))
        touched = grid.compute_unique_block_coordinates(depth, lens, pose, 1.0, FAR, _TRUNCATION)
        grid.integrate(touched, depth, picture, lens, lens, pose, 1.0, FAR, _TRUNCATION)
    mesh = grid.extract_triangle_mesh(1.0) if fused else None  # seen once is enough; an empty grid makes open3d fail
    if mesh is None or "positions" not in mesh.vertex or not len(mesh.vertex.positions):
        raise UserError(f"no surface came out of the depth at voxels of {voxel} m; try another --settings.voxel")
    points = mesh.vertex.positions.numpy().astype(np.float64)
    colours = np.clip(np.rint(mesh.vertex.colors.numpy()), 0, 255).astype(np.uint8)
    return replace(scene, points=points, faces=mesh.triangle.indices.numpy(), colours=colours, superpoints=None)
