"""Tests of grounding.masks.npz."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from grounding.core import Masklets, UserError, rle
from grounding.masks.npz import read_npz, write_npz

LAYERS = np.zeros((3, 2, 4, 6), bool)
LAYERS[0, 0, 1, 2] = LAYERS[0, 1, 1, 2:4] = LAYERS[2, 1, 3, 5] = True  # the two overlap in frame 0
MAPS = np.zeros((3, 4, 6), np.int64)
MAPS[0, 1, 2], MAPS[2, 3, 5] = 7, 300


def save(folder: Path, **arrays: Any) -> Path:
    np.savez_compressed(folder / "a.npz", **arrays)
    return folder / "a.npz"


@pytest.mark.parametrize("dtype", [np.uint16, np.int64, ">i4"])
def test_id_maps(tmp_path: Path, dtype: Any, video) -> None:
    masklets = read_npz(save(tmp_path, masks=MAPS.astype(dtype)), video())
    assert masklets.ids == [7, 300]
    assert masklets.boxes(7)[0].tolist() == [2, 1, 3, 2] and masklets.boxes(300)[2].tolist() == [5, 3, 6, 4]
    assert [list(masklets.masks_at(t)) for t in range(3)] == [[7], [], [300]]


@pytest.mark.parametrize(("arrays", "ids"), [({}, [1, 2]), ({"ids": np.array([9, 4])}, [9, 4])])
def test_layers_may_overlap(tmp_path: Path, arrays: dict[str, Any], ids: list[int], video) -> None:
    masklets = read_npz(save(tmp_path, masks=LAYERS, **arrays), video())
    assert masklets.ids == sorted(ids)
    masks = masklets.masks_at(0)
    np.testing.assert_array_equal(masks[ids[0]], LAYERS[0, 0])
    np.testing.assert_array_equal(masks[ids[1]], LAYERS[0, 1])
    assert list(masklets.masks_at(2)) == [ids[1]]


def test_a_round_trip_keeps_overlaps_ids_and_absence(tmp_path: Path, video) -> None:
    info = video()
    mask = [rle.encode(LAYERS[0, k]) for k in (0, 1)]
    masklets = Masklets(info.size, info.fps, info.pts, {9: (mask[0], None, None), 4: (mask[1], None, mask[0])})
    write_npz(tmp_path / "b.npz", masklets)
    assert read_npz(tmp_path / "b.npz", info).tracks == masklets.tracks
    with np.load(tmp_path / "b.npz", allow_pickle=False) as archive:
        assert archive["masks"].shape == (3, 2, 4, 6) and archive["ids"].tolist() == [4, 9]
    with pytest.raises(UserError, match="exists already"):
        write_npz(tmp_path / "b.npz", masklets)


class Trap:
    """Unpickling this would write a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


def test_nothing_is_ever_unpickled(tmp_path: Path, video) -> None:
    trap = np.array([Trap(tmp_path / "sprung")], object)
    for arrays in ({"masks": trap}, {"masks": LAYERS, "ids": trap}):
        with pytest.raises(UserError, match=r"a\.npz: `(masks|ids)` holds Python objects, which are not read"):
            read_npz(save(tmp_path, **arrays), video())
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"frames": MAPS}, "expected an array `masks`, got frames"),
        ({}, "expected an array `masks`, got nothing"),
        ({"masks": MAPS[:2]}, "2 frames, the video has 3"),
        ({"masks": MAPS[:, :3]}, "6 x 3 pixels, the video is 6 x 4"),
        ({"masks": LAYERS[:, 0]}, r"must be whole numbers \(T, H, W\) or bool \(T, N, H, W\), got bool \(3, 4, 6\)"),
        ({"masks": MAPS[:, None]}, r"or bool \(T, N, H, W\), got int64 \(3, 1, 4, 6\)"),
        ({"masks": MAPS / 2}, "must be bool or whole numbers in C order, got float64"),
        ({"masks": np.asfortranarray(MAPS)}, "got int64 in Fortran order"),
        ({"masks": np.int64(3)}, "0 frames, the video has 3"),
        ({"masks": -MAPS}, "frame 0: object ids must be 1 or more"),
        ({"masks": LAYERS, "ids": [1]}, "`ids` must be 2 whole numbers, one an object"),
        ({"masks": LAYERS, "ids": [1, 1]}, "`ids` must be numbers of 1 or more, each once, got"),
        ({"masks": LAYERS, "ids": np.array([1, 10**12])}, "`ids` must be numbers of 1 or more, each once, got"),
        ({"masks": MAPS.astype(np.uint64) << np.uint64(60)}, r"frame 0: object ids must be .* below 10\^12"),
        ({"masks": LAYERS, "ids": [0, 1]}, "`ids` must be numbers of 1 or more, each once, got"),
    ],
)
def test_mistakes_are_named_with_the_file(tmp_path: Path, arrays: dict[str, Any], message: str, video) -> None:
    with pytest.raises(UserError, match=rf"a\.npz: .*{message}"):
        read_npz(save(tmp_path, **arrays), video())


def test_a_picture_given_by_mistake_is_refused(tmp_path: Path, video) -> None:
    picture = np.arange(3 * 40 * 40).reshape(3, 40, 40)
    with pytest.raises(UserError, match=r"frame 0: more than 1000 different ids so far; give id maps, not pictures"):
        read_npz(save(tmp_path, masks=picture), video(size=(40, 40)))


def test_an_array_that_breaks_off(tmp_path: Path, video) -> None:
    path = save(tmp_path, masks=MAPS)
    with zipfile.ZipFile(path) as archive:
        data = archive.read("masks.npy")
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("masks.npy", data[:-100])  # a frame has 4 * 6 * 8 = 192 bytes
    with pytest.raises(UserError, match=r"a\.npz: `masks` breaks off in picture 2 of 3"):
        read_npz(path, video())


def header(shape: Any, descr: Any = "|b1") -> bytes:
    """An .npy file that is all header."""
    text = f"{{'descr': {descr!r}, 'fortran_order': False, 'shape': {shape!r}}}\n".encode()
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text


PICTURE = bytes(4 * 6)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (header((3, 1, 4, 6)) + 2 * PICTURE, "`masks` breaks off in picture 2 of 3"),
        (header((3, 1, 4, 6)) + 4 * PICTURE, "`masks` holds more than its header says"),
        (header((3, 10**9, 4, 6)), "must be whole numbers"),  # more objects than any clip has
        (header((3, -1, 4, 6)) + 3 * PICTURE, "has a length below 0 in its header"),
        (header((3, 4, 6), "|u1") + 4 * PICTURE, "`masks` holds more than its header says"),
        (header((10**12, 4, 6), "|u1"), "1000000000000 frames, the video has 3"),
        (header((3, 4, 6), ("<i4", (9,))), "must be bool or whole numbers"),
        (b"\x93NUMPY\x01\x00\x08\x00((((((((", "is no NumPy array that can be read"),
        (b"\x93NUMPY\x01\x00\x0b\x00{1: 2, 'a'}", "is no NumPy array that can be read"),
        (b"\x93NUMPY\x09\x00", "is no NumPy array that can be read"),
        (b"", "is no NumPy array that can be read"),
    ],
)
def test_headers_that_lie_or_do_not_parse(tmp_path: Path, data: bytes, message: str, video) -> None:
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("masks.npy", data)
    with pytest.raises(UserError, match=rf"a\.npz: .*{message}"):
        read_npz(tmp_path / "a.npz", video())


def test_any_byte_but_zero_is_true(tmp_path: Path, video) -> None:
    """Other programs write a bool as 255 or -1."""
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("masks.npy", header((3, 1, 4, 6)) + 3 * (bytes([0, 2, 255, 1]) + bytes(20)))
    assert read_npz(tmp_path / "a.npz", video()).masks_at(0)[1][0].tolist() == [0, 1, 1, 1, 0, 0]


@pytest.mark.parametrize("method", [zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2])
def test_only_what_numpy_writes_is_unpacked(tmp_path: Path, method: int, video) -> None:
    """An LZMA header may ask for 4 GB before the first byte."""
    with zipfile.ZipFile(tmp_path / "a.npz", "w", method) as archive:
        archive.writestr("masks.npy", header((3, 1, 4, 6)) + 3 * PICTURE)
    with pytest.raises(UserError, match=r"a\.npz: `masks` is compressed in a way that numpy does not"):
        read_npz(tmp_path / "a.npz", video())


@pytest.mark.filterwarnings("ignore:Duplicate name")  # that is the point
def test_an_array_that_is_there_twice(tmp_path: Path, video) -> None:
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        for _ in range(2):
            archive.writestr("masks.npy", header((3, 1, 4, 6)) + 3 * PICTURE)
    with pytest.raises(UserError, match=r"a\.npz: holds `masks` twice"):
        read_npz(tmp_path / "a.npz", video())


@settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_damaged_bytes_never_do_worse_than_a_user_error(tmp_path: Path, video, data: st.DataObject) -> None:
    body = bytearray(save(tmp_path, masks=LAYERS, ids=[3, 4]).read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    (tmp_path / "a.npz").write_bytes(body[: data.draw(st.integers(0, len(body)))])
    try:
        masklets = read_npz(tmp_path / "a.npz", video())
    except UserError as error:
        assert "a.npz: " in str(error)
    else:
        assert masklets.size == (4, 6)
