"""Views know the names of their files, by which masks are found, in every layout."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from lift3d.cli import read_masks
from lift3d.labels import IdMapFiles
from lift3d.scenes import load


def sevenscenes(root: Path, truth: Any) -> None:
    for frame, pose in enumerate(truth.poses):
        truth.save_depth(root / f"frame-{frame:06d}.depth.png", frame)
        truth.save_colour(root / f"frame-{frame:06d}.color.png", frame)
        np.savetxt(root / f"frame-{frame:06d}.pose.txt", pose)


def replica(root: Path, truth: Any) -> None:
    for frame in range(len(truth.poses)):
        truth.save_depth(root / "results" / f"depth{frame:06d}.png", frame, units=6553.5)
        truth.save_colour(root / "results" / f"frame{frame:06d}.jpg", frame)
    np.savetxt(root / "traj.txt", [pose.ravel() for pose in truth.poses])


def tum(root: Path, truth: Any) -> None:
    depth, colour, poses = "", "", ""
    for frame in range(len(truth.poses)):
        time, later = f"{10 + frame / 10:.6f}", f"{10.015 + frame / 10:.6f}"
        truth.save_depth(root / "depth" / f"{time}.png", frame, units=5000)
        truth.save_colour(root / "rgb" / f"{later}.png", frame)
        depth += f"{time} depth/{time}.png\n"
        colour += f"{later} rgb/{later}.png\n"
        poses += f"{time} 0 0 0 0 0 0 1\n"
    for name, text in (("depth.txt", depth), ("rgb.txt", colour), ("groundtruth.txt", poses)):
        (root / name).write_text(text)


@pytest.mark.parametrize(
    ("write", "names"),
    [
        (sevenscenes, ["frame-000001", "frame-000001.color", "frame-000001.depth", "frame-1.color"]),
        (replica, ["1", "000001", "frame000001", "depth000001", "frame1"]),
        (tum, ["10.100000", "10.115000"]),
    ],
)
def test_masks_named_as_colour_or_depth_are_found(tmp_path: Path, truth: Any, write: Any, names: list[str]) -> None:
    root = tmp_path / "scene"
    root.mkdir()
    write(root, truth)
    views = load(root)
    for name in names:
        masks = tmp_path / f"masks of {name}"
        masks.mkdir()
        Image.fromarray(np.full((48, 64), 7, np.uint8)).save(masks / f"{name}.png")
        source = read_masks(masks, views)
        assert isinstance(source, IdMapFiles)
        assert [[layer.max() for layer in source.layers(n)] for n in range(6)] == [[], [7], [], [], [], []], name
        assert source.doubts == ()
