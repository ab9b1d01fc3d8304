"""Tests of `.sens`: same geometry for every codec, files that lie about their length, bombs."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from grounding.core import UserError
from lift3d.scene import Scene
from lift3d.scenes import load, open_scene

Check = Callable[[Scene], None]
RAW, PNG, JPEG = 0, 1, 2


def header(truth: Any, colour_codec: int = JPEG, depth_codec: int = 1, frames: int = 6, **changes: Any) -> bytes:
    values = {"version": 4, "units": 1000.0, "size": (48, 64), "name": b"sensor", **changes}
    camera, other = np.eye(4, dtype="<f4"), np.full((4, 4), 9, "<f4")
    camera[:3, :3] = truth.intrinsics
    height, width = values["size"]
    return (
        struct.pack("<IQ", values["version"], len(values["name"])) + values["name"]
        # intrinsic and extrinsic of colour, then of depth: only the third is for us
        + other.tobytes() + other.tobytes() + camera.tobytes() + other.tobytes()
        + struct.pack("<ii4IfQ", colour_codec, depth_codec, 128, 96, width, height, values["units"], frames)
    )  # fmt: skip


def frame(truth: Any, index: int, colour_codec: int = JPEG, depth_codec: int = 1) -> bytes:
    image = Image.new("RGB", (128, 96), truth.colour(index))
    if colour_codec == RAW:
        colour = image.tobytes()
    else:
        buffer = io.BytesIO()
        image.save(buffer, "PNG" if colour_codec == PNG else "JPEG")
        colour = buffer.getvalue()
    depth = truth.raw_depth(index, invalid=65535).astype("<u2").tobytes()
    depth = zlib.compress(depth) if depth_codec == 1 else depth
    times = struct.pack("<4Q", 0, 500_000 * index, len(colour), len(depth))
    return truth.poses[index].astype("<f4").tobytes() + times + colour + depth


def write(root: Path, *parts: bytes) -> Path:
    root.mkdir(exist_ok=True)
    (root / "scene.sens").write_bytes(b"".join(parts))
    return root


@pytest.mark.parametrize("colour_codec", [RAW, PNG, JPEG])
@pytest.mark.parametrize("depth_codec", [0, 1])
def test_the_same_geometry(tmp_path: Path, truth: Any, assert_same: Check, colour_codec: int, depth_codec: int) -> None:
    frames = [frame(truth, k, colour_codec, depth_codec) for k in range(6)]
    scene = open_scene(write(tmp_path, header(truth, colour_codec, depth_codec), *frames, b"IMU frames, not read"))
    assert_same(scene)
    assert (scene.layout, scene.problems) == ("sens", ())
    assert [view.time for view in scene.views] == [0, 0.5, 1, 1.5, 2, 2.5]  # microseconds in the file


def test_a_lost_pose_is_left_out(tmp_path: Path, truth: Any) -> None:
    lost = np.full((4, 4), -np.inf, "<f4").tobytes() + frame(truth, 1)[64:]
    loaded = load(write(tmp_path, header(truth, frames=3), frame(truth, 0), lost, frame(truth, 2)))
    assert [view.name for view in loaded.views] == ["0", "2"]
    assert loaded.left_out == {"1": "the pose is not finite (tracking was lost)"}


def test_a_file_cut_off_gives_the_frames_before_the_cut(tmp_path: Path, truth: Any) -> None:
    scene = load(write(tmp_path, header(truth), frame(truth, 0), frame(truth, 1), frame(truth, 2)[:-1]))
    assert len(scene.views) == 2
    assert "announces 6 frames but ends within frame 2; the 2 before it are used" in scene.problems[0]


def test_an_absurd_number_of_frames_costs_nothing(tmp_path: Path, truth: Any) -> None:
    scene = load(write(tmp_path, header(truth, frames=2**63), frame(truth, 0)))
    assert len(scene.views) == 1


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"version": 3}, "expected a .sens file of version 4, got 3"),
        ({"units": 0.0}, "units a metre must be a number > 0"),
        ({"units": float("nan")}, "units a metre must be a number > 0"),
        ({"size": (100_000, 100_000)}, "more than the limit"),
        ({"size": (0, 64)}, "height must be a whole number"),
        ({"depth_codec": 2}, "depth codec 2 is not supported"),
        ({"colour_codec": -1}, "colour codec -1"),
    ],
)
def test_headers_that_cannot_be_used(tmp_path: Path, truth: Any, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        load(write(tmp_path, header(truth, **changes), frame(truth, 0)))


def test_a_name_longer_than_the_file(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"cut off or damaged: at byte 12 it announces \d+ bytes, 4 are left"):
        load(write(tmp_path, struct.pack("<IQ", 4, 2**62) + b"name"))


def with_depth(truth: Any, payload: bytes) -> bytes:
    colour = b"no JPEG"
    times = struct.pack("<4Q", 0, 0, len(colour), len(payload))
    return truth.poses[0].astype("<f4").tobytes() + times + colour + payload


@pytest.mark.parametrize(
    ("payload", "message"),
    [
        (b"no zlib", "cannot be decompressed"),
        (zlib.compress(b"ab"), "expected 6144 bytes"),
        (zlib.compress(bytes(10**7)), "expected 6144 bytes for .*, got 6145"),  # 10 MB are never made
        (b"", "expected 6144 bytes"),
    ],
)
def test_depth_that_cannot_be_decoded(tmp_path: Path, truth: Any, payload: bytes, message: str) -> None:
    view = load(write(tmp_path, header(truth, frames=1), with_depth(truth, payload))).views[0]
    with pytest.raises(UserError, match=f"depth of frame 0.*{message}"):
        view.read_depth()
    with pytest.raises(UserError, match="colour of frame 0"):
        view.read_colour()


def test_raw_colour_of_another_length(tmp_path: Path, truth: Any) -> None:
    view = load(write(tmp_path, header(truth, RAW, frames=1), with_depth(truth, b""))).views[0]
    with pytest.raises(UserError, match="expected 36864 bytes, got 7"):  # 96 * 128 * 3
        view.read_colour()


def test_two_files_are_refused(tmp_path: Path, truth: Any) -> None:
    (write(tmp_path, header(truth)) / "second.sens").write_bytes(b"")
    with pytest.raises(UserError, match=r"expected one \.sens file, found 2"):
        load(tmp_path)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damaged_files_are_user_errors_or_scenes(tmp_path: Path, truth: Any, data: st.DataObject) -> None:
    whole = bytearray(header(truth, frames=2) + frame(truth, 0) + frame(truth, 1))
    for _ in range(data.draw(st.integers(1, 4))):
        whole[data.draw(st.integers(0, 400))] = data.draw(st.integers(0, 255))  # headers of file and first frame
    write(tmp_path, bytes(whole[: data.draw(st.integers(0, len(whole)))]))
    try:
        for view in load(tmp_path).views:
            view.read_depth()
            view.read_colour()
    except UserError:
        pass


def test_pictures_of_another_size_than_the_header_says(tmp_path: Path, truth: Any) -> None:
    data = bytearray(header(truth))
    at = len(data) - 8 - 4 - 16  # frames, units, then the four sizes: colour width first
    data[at : at + 4] = struct.pack("<I", 64)
    (view,) = load(write(tmp_path, bytes(data), frame(truth, 0))).views
    with pytest.raises(UserError, match=r"colour of frame 0: expected \(96, 64\) pixels .*, got \(96, 128\)"):
        view.read_colour()


def test_more_bytes_than_an_image_can_have_are_not_read(tmp_path: Path, truth: Any) -> None:
    times = struct.pack("<4Q", 0, 0, 0, 10**9)
    start = header(truth) + truth.poses[0].astype("<f4").tobytes() + times
    path = write(tmp_path, start) / "scene.sens"
    with path.open("r+b") as file:
        file.truncate(len(start) + 10**9)  # the file has them, on a disk that stores no zeros
    with pytest.raises(UserError, match="depth of frame 0: 1,000,000,000 bytes are too many for 6,144 bytes of pixels"):
        load(tmp_path).views[0].read_depth()


def test_more_frames_than_the_limit_are_refused(tmp_path: Path, truth: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TUBELET_MAX_FRAMES", "2")
    frames = [frame(truth, k) for k in range(3)]
    assert len(load(write(tmp_path / "a", header(truth, frames=2), *frames)).views) == 2
    with pytest.raises(UserError, match=r"scene\.sens has 3 frames"):
        load(write(tmp_path / "b", header(truth, frames=3), *frames))
