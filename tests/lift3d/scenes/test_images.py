"""Tests of reading depth and colour images."""

from __future__ import annotations

import io
import os
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from grounding.core import UserError
from lift3d.scenes.images import colour_file, decoded, depth_file, metres


def test_depth_in_metres_with_every_invalid_value_as_0(tmp_path: Path) -> None:
    Image.fromarray(np.array([[0, 1, 1500, 65534, 65535]], np.uint16)).save(tmp_path / "d.png")
    picture = depth_file(tmp_path / "d.png", 1000.0)
    assert picture.size == (1, 5)
    depth = picture.read()
    assert depth.dtype == np.float32
    np.testing.assert_allclose(depth, [[0, 0.001, 1.5, 65.534, 0]], rtol=1e-6)


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64])
def test_floating_depth(tmp_path: Path, kind: type) -> None:
    np.save(tmp_path / "d.npy", np.array([[0.5, 0, -1], [np.nan, np.inf, -np.inf]], kind))
    picture = depth_file(tmp_path / "d.npy", 1.0)
    assert picture.size == (2, 3)
    assert picture.read().tolist() == [[0.5, 0, 0], [0, 0, 0]]


def test_whole_numbers_of_older_pillow_are_16_bit() -> None:
    assert metres(np.array([[65535, 2000, -1]], np.int32), 1000.0, "x").tolist() == [[0, 2, 0]]


def test_65535_metres_of_floats_are_no_mark() -> None:
    assert metres(np.array([[65535.0]]), 1.0, "x").tolist() == [[65535]]


def test_depth_too_large_for_a_float_is_none() -> None:
    assert metres(np.array([[60000]], np.uint16), 1e-38, "x").tolist() == [[0]]


@pytest.mark.parametrize(
    "raw", [np.zeros((2, 2), np.uint8), np.zeros((2, 2, 3), np.uint16), np.zeros((2, 2), bool), np.zeros((2, 2), "<U1")]
)
def test_what_is_no_depth(raw: np.ndarray) -> None:
    with pytest.raises(UserError, match="here: depth must have one channel of 16 bits or floats, got"):
        metres(raw, 1000.0, "here")


def test_colour_in_rgb_order(tmp_path: Path) -> None:
    Image.new("RGB", (4, 2), (10, 20, 30)).save(tmp_path / "c.png")
    picture = colour_file(tmp_path / "c.png")
    assert picture.size == (2, 4)
    assert picture.read().shape == (2, 4, 3)
    assert picture.read()[0, 0].tolist() == [10, 20, 30]


@pytest.mark.parametrize("mode", ["L", "RGBA", "P"])
def test_other_pictures_become_rgb(tmp_path: Path, mode: str) -> None:
    Image.new("RGB", (4, 2), (102, 102, 102)).convert(mode).save(tmp_path / "c.png")
    assert colour_file(tmp_path / "c.png").read()[0, 0].tolist() == [102, 102, 102]


@pytest.mark.parametrize("content", [None, b"", b"rubbish", b"\x89PNG\r\n\x1a\n"])
def test_unreadable_files_are_named_at_once(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "d.png"
    if content is not None:
        path.write_bytes(content)
    for opening in (lambda: depth_file(path, 1000.0), lambda: colour_file(path)):
        with pytest.raises(UserError, match=r"d\.png( as a picture)?[: ]"):
            opening()


def test_a_folder_is_no_image(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="it is a folder"):
        colour_file(tmp_path)


@pytest.mark.parametrize("content", [b"", b"rubbish", b"\x93NUMPY\x01\x00"])
def test_unreadable_arrays(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "d.npy").write_bytes(content)
    with pytest.raises(UserError, match=r"d\.npy (is no NumPy array|holds Python objects)"):
        depth_file(tmp_path / "d.npy", 1.0)


def test_arrays_with_objects_are_never_unpickled(tmp_path: Path) -> None:
    np.save(tmp_path / "d.npy", np.array([[{}]], dtype=object), allow_pickle=True)
    with pytest.raises(UserError, match=r"d\.npy (is no NumPy array|holds Python objects)"):
        depth_file(tmp_path / "d.npy", 1.0)


def test_an_array_shorter_than_its_header_says(tmp_path: Path) -> None:
    np.save(tmp_path / "d.npy", np.zeros((100, 100)))
    (tmp_path / "d.npy").write_bytes((tmp_path / "d.npy").read_bytes()[:500])
    with pytest.raises(UserError, match=r"d\.npy breaks off: its header promises 80,000 bytes"):
        depth_file(tmp_path / "d.npy", 1.0).read()


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), kind=st.sampled_from(["PNG", "JPEG"]))
def test_damaged_images_are_user_errors_or_images(data: st.DataObject, kind: str) -> None:
    buffer = io.BytesIO()
    Image.fromarray(np.arange(3 * 400, dtype=np.uint8).reshape(20, 20, 3)).save(buffer, kind)
    damaged = bytearray(buffer.getvalue())
    for _ in range(data.draw(st.integers(1, 5))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    try:
        image = decoded(bytes(damaged[: data.draw(st.integers(0, len(damaged)))]), "x", mode="RGB")
    except UserError as error:
        assert "x" in str(error)
    else:
        assert image.ndim == 3


def test_depth_is_refused_by_its_header(tmp_path: Path) -> None:
    for image, kind in (
        (Image.new("L", (4, 2)), r"uint8 \(2, 4\)"),
        (Image.new("RGBA", (4, 2)), r"uint8 \(2, 4, 4\)"),
        (Image.new("P", (4, 2)), r"uint8 \(2, 4\)"),
    ):
        image.save(tmp_path / "d.png")
        with pytest.raises(UserError, match=rf"d\.png: depth must have one channel of 16 bits or floats, got {kind}"):
            depth_file(tmp_path / "d.png", 1000.0)
    for values in (np.zeros((2, 4), np.int64), np.zeros((2, 4, 1)), np.zeros((2, 4), complex)):
        np.save(tmp_path / "d.npy", values)
        with pytest.raises(UserError, match=r"d\.npy: depth must have one channel"):
            depth_file(tmp_path / "d.npy", 1000.0)


def test_a_picture_of_a_gigapixel_is_refused_by_its_header(tmp_path: Path) -> None:
    """The largest picture of some bytes: 32,000 x 32,000 pixels, which nobody decodes."""
    chunk = b"IHDR" + struct.pack(">IIBBBBB", 32_000, 32_000, 16, 0, 0, 0, 0)
    data = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + chunk + struct.pack(">I", zlib.crc32(chunk))
    (tmp_path / "d.png").write_bytes(data + struct.pack(">I", 0) + b"IDAT" + struct.pack(">I", zlib.crc32(b"IDAT")))
    for opening in (lambda: depth_file(tmp_path / "d.png", 1.0), lambda: colour_file(tmp_path / "d.png")):
        with pytest.raises(UserError, match=r"d\.png is larger than the limit of 67,108,864 pixels"):
            opening()


def test_an_array_of_a_gigapixel_is_refused_by_its_header(tmp_path: Path) -> None:
    with (tmp_path / "d.npy").open("wb") as file:
        np.lib.format.write_array_header_1_0(file, {"descr": "|b1", "fortran_order": False, "shape": (40_000, 40_000)})
    with pytest.raises(UserError, match=r"d\.npy"):
        depth_file(tmp_path / "d.npy", 1.0)


def test_a_pipe_is_no_array(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "d.npy")
    with pytest.raises(UserError, match="it is a named pipe"):
        depth_file(tmp_path / "d.npy", 1.0)


def test_either_order_of_bytes(tmp_path: Path) -> None:
    np.save(tmp_path / "d.npy", np.array([[1500, 65535]], ">u2"))
    assert depth_file(tmp_path / "d.npy", 1000.0).read().tolist() == [[1.5, 0]]
    Image.frombytes("I;16B", (2, 1), struct.pack(">2H", 1500, 65535)).save(tmp_path / "d.tiff")
    assert depth_file(tmp_path / "d.tiff", 1000.0).read().tolist() == [[1.5, 0]]


def test_a_depth_image_keeps_its_unit(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.ones((2, 2), np.float32))
    assert depth_file(tmp_path / "a.npy", 1.0).units == 1
    Image.fromarray(np.ones((2, 2), np.uint16)).save(tmp_path / "a.png")
    assert depth_file(tmp_path / "a.png", 5000.0).units == 5000
