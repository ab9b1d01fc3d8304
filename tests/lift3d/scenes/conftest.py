"""One small scene, rendered by arithmetic, that every layout's test writes in that layout and must get back.

A room of 5 x 4 x 2.5 m, z up, with a box of 1 x 1 x 1 m, seen by six cameras of 64 x 48 pixels; the colour of frame k
is flat. Depth is rounded to millimetres, which every layout can hold to better than 0.1 mm.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from grounding.core import UserError
from lift3d.scene import Scene
from lift3d.scenes import load

SIZE = (48, 64)
# 7-Scenes' camera (585, centre 320, 240 at 640 x 480) at a tenth: (320 + 0.5) / 10 - 0.5 = 31.55
INTRINSICS = np.array([[58.5, 0, 31.55], [0, 58.5, 23.55], [0, 0, 1]])
ROOM = (np.array([0.0, 0.0, 0.0]), np.array([5.0, 4.0, 2.5]))
BOX = (np.array([3.0, 1.5, 0.0]), np.array([4.0, 2.5, 1.0]))
HOLE = (slice(5, 10), slice(7, 12))  # pixels without depth
FRAMES = 6


def looking(eye: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Camera-to-world, OpenCV axes, upright in a world whose z points up."""
    forward = (target - eye) / np.linalg.norm(target - eye)
    right = np.cross(forward, [0, 0, 1])
    right /= np.linalg.norm(right)
    pose = np.eye(4)
    pose[:3, :3] = np.stack([right, np.cross(forward, right), forward], axis=1)
    pose[:3, 3] = eye
    return pose


def render(pose: np.ndarray, intrinsics: np.ndarray = INTRINSICS, size: tuple[int, int] = SIZE) -> np.ndarray:
    """Depth (z) in metres, rounded to millimetres: the nearer of the room's wall and the box, by slabs."""
    row, column = np.mgrid[: size[0], : size[1]]
    x = (column - intrinsics[0, 2]) / intrinsics[0, 0]
    y = (row - intrinsics[1, 2]) / intrinsics[1, 1]
    rays = np.stack([x, y, np.ones(size)], axis=-1) @ pose[:3, :3].T  # of depth 1, so lengths along them are depths
    with np.errstate(divide="ignore"):
        walls = np.max([(bound - pose[:3, 3]) / rays for bound in ROOM], axis=0).min(axis=-1)
        slabs = np.stack([(bound - pose[:3, 3]) / rays for bound in BOX])
    enter, leave = slabs.min(axis=0).max(axis=-1), slabs.max(axis=0).min(axis=-1)
    return np.round(np.where((enter < leave) & (enter > 0), enter, walls), 3)


@dataclass(frozen=True)
class Truth:
    """The scene; `depth[k]` is 0 in `HOLE`."""

    poses: list[np.ndarray] = field(default_factory=list)
    depth: list[np.ndarray] = field(default_factory=list)
    intrinsics: np.ndarray = field(default_factory=INTRINSICS.copy)
    size: tuple[int, int] = SIZE

    def colour(self, frame: int) -> tuple[int, int, int]:
        return (20 * frame + 10, 100, 200)

    def raw_depth(self, frame: int, units: float = 1000.0, invalid: int = 0) -> np.ndarray:
        raw = np.rint(self.depth[frame] * units).astype(np.uint16)
        return np.where(self.depth[frame] > 0, raw, np.uint16(invalid))

    def save_depth(self, path: Path, frame: int, units: float = 1000.0, invalid: int = 0) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(self.raw_depth(frame, units, invalid)).save(path)

    def save_colour(self, path: Path, frame: int, size: tuple[int, int] = SIZE) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", size[::-1], self.colour(frame)).save(path, quality=95)

    def mesh(self) -> np.ndarray:
        """Points on the floor and on the box's top, (N, 3), in steps of 5 cm."""
        x, y = (axis.ravel() for axis in np.mgrid[0:5:0.05, 0:4:0.05])
        on_box = (x >= 3) & (x <= 4) & (y >= 1.5) & (y <= 2.5)
        return np.stack([x, y, np.where(on_box, 1.0, 0.0)], axis=1)


def make_truth() -> Truth:
    eyes = [np.array([0.8 + 0.15 * k, 0.6 + 0.45 * k, 1.3 + 0.1 * k]) for k in range(FRAMES)]
    poses = [looking(eye, np.array([3.4, 2.0, 0.5])) for eye in eyes]
    depth = [render(pose) for pose in poses]
    for image in depth:
        image[HOLE] = 0
    for array in (*poses, *depth):
        array.setflags(write=False)  # all tests share it
    return Truth(poses, depth)


@pytest.fixture(scope="session")
def truth() -> Truth:
    return make_truth()


@pytest.fixture(scope="session")
def looking_at() -> Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """What a camera in the room sees that is at the first place and looks at the second: its pose and its depth."""

    def look(eye: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        pose = looking(eye, target)
        return pose, render(pose)

    return look


@pytest.fixture
def assert_same(truth: Truth) -> Callable[[Scene], None]:
    """The law: in whatever layout the scene was written, the same poses, cameras, depth and colours come back."""

    def check(scene: Scene) -> None:
        assert len(scene.views) == FRAMES
        for frame, view in enumerate(scene.views):
            np.testing.assert_allclose(view.pose, truth.poses[frame], atol=1e-5)
            np.testing.assert_allclose(view.intrinsics, truth.intrinsics, atol=1e-4)
            depth = view.read_depth()
            assert (depth.dtype, depth.shape) == (np.float32, SIZE)
            np.testing.assert_array_equal(depth == 0, truth.depth[frame] == 0)
            np.testing.assert_allclose(depth, truth.depth[frame], atol=1.2e-4)
            colour = view.read_colour()
            assert colour.dtype == np.uint8 and colour.ndim == 3
            np.testing.assert_allclose(colour.mean(axis=(0, 1)), truth.colour(frame), atol=3)  # JPEG
        assert len({view.name for view in scene.views}) == FRAMES

    return check


@pytest.fixture
def scannet_folder(tmp_path: Path, truth: Truth) -> Path:
    """The scene as a ScanNet export, for tests of what goes wrong; colour is twice as large as depth."""
    root = tmp_path / "scene0000_00"
    (root / "pose").mkdir(parents=True)
    (root / "intrinsic").mkdir()
    camera = np.eye(4)
    camera[:3, :3] = truth.intrinsics
    np.savetxt(root / "intrinsic" / "intrinsic_depth.txt", camera)
    for frame, pose in enumerate(truth.poses):
        truth.save_depth(root / "depth" / f"{frame}.png", frame, invalid=65535)
        truth.save_colour(root / "color" / f"{frame}.jpg", frame, (96, 128))
        np.savetxt(root / "pose" / f"{frame}.txt", pose)
    return root


Draw = Callable[[st.SearchStrategy[Any]], Any]


@pytest.fixture
def fuzzed(tmp_path: Path) -> Callable[[Path, Callable[[Draw, st.SearchStrategy[Any]], Any]], None]:
    """Writes to a file of the scene in `tmp_path` what a function makes of any JSON: a scene or a UserError comes out.

    The function is given `draw` and a strategy of values that JSON files may hold where others are expected.
    """
    plain = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.just(10**400)
    anything = st.recursive(
        plain, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=3)
    )

    def check(path: Path, made: Callable[[Draw, st.SearchStrategy[Any]], Any]) -> None:
        @given(data=st.data())
        def load_any(data: st.DataObject) -> None:
            path.write_text(json.dumps(made(data.draw, anything)))
            with contextlib.suppress(UserError):
                assert load(tmp_path).views

        load_any()

    return check
