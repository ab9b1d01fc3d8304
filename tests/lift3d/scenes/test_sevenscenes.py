"""Tests of 7-Scenes: its camera at any size, invalid 65535, sequences in folders."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from lift3d.scene import Scene
from lift3d.scenes import load, open_scene


def write(root: Path, truth: Any, frames: range = range(6)) -> Path:
    root.mkdir(exist_ok=True)
    for frame in frames:
        truth.save_depth(root / f"frame-{frame:06d}.depth.png", frame, invalid=65535)
        truth.save_colour(root / f"frame-{frame:06d}.color.png", frame)
        np.savetxt(root / f"frame-{frame:06d}.pose.txt", truth.poses[frame])
    return root


def test_the_same_geometry(tmp_path: Path, truth: Any, assert_same: Callable[[Scene], None]) -> None:
    scene = open_scene(write(tmp_path, truth))
    assert_same(scene)
    assert (scene.layout, scene.problems) == ("7scenes", ())
    assert scene.views[3].name == "frame-000003"
    assert scene.up == (0, -1, 0)


def test_sequences_in_folders(tmp_path: Path, truth: Any, assert_same: Callable[[Scene], None]) -> None:
    write(tmp_path / "seq-01", truth, range(3))
    write(tmp_path / "seq-02", truth, range(3, 6))
    scene = open_scene(tmp_path)
    assert_same(scene)
    assert [view.name for view in scene.views][2:4] == ["seq-01_frame-000002", "seq-02_frame-000003"]


def test_missing_parts_are_named(tmp_path: Path, truth: Any) -> None:
    write(tmp_path, truth)
    (tmp_path / "frame-000001.pose.txt").unlink()
    (tmp_path / "frame-000002.color.png").unlink()
    loaded = load(tmp_path)
    assert loaded.left_out == {"frame-000001": "there is no pose"}
    assert loaded.problems[-1] == "there is no colour image: frame frame-000002"
