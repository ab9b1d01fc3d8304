"""Masks as label maps: layers for overlap, sizes, rims, edges of depth, and files that are wrong."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from grounding.core import Masklets, UserError, rle
from lift3d.labels import FromMasklets, IdMapFiles, LabelMaps, borders, depth_edges, packed, resized


def test_masks_that_overlap_nothing_share_a_layer() -> None:
    masks = {1: np.array([[1, 1, 0, 0]], bool), 2: np.array([[0, 1, 1, 0]], bool), 7: np.array([[0, 0, 0, 1]], bool)}
    layers = packed(masks, (1, 4))
    assert [layer.tolist() for layer in layers] == [[[1, 1, 0, 7]], [[0, 2, 2, 0]]]


def test_nothing_marked_is_a_map_of_zeros_and_no_masks_are_no_layers() -> None:
    assert [layer.tolist() for layer in packed({}, (2, 2))] == [[[0, 0], [0, 0]]]
    assert LabelMaps((None,)).layers(0) == []


def test_a_larger_map_is_taken_at_the_nearest_pixel() -> None:
    # 4 -> 2: middles of the two pixels lie at 0.5 * 2 = 1 and 1.5 * 2 = 3
    layer = np.array([[1, 2, 3, 4]] * 4, np.uint16)
    assert resized(layer, (2, 2)).tolist() == [[2, 4], [2, 4]]
    assert resized(layer, (4, 4)) is layer


def test_another_shape_of_picture_is_refused() -> None:
    with pytest.raises(UserError, match="masks are 4 x 4 pixels, depth 4 x 2"):
        resized(np.zeros((4, 4), np.uint16), (2, 4))
    resized(np.zeros((968, 1296), np.uint16), (480, 640))  # ScanNet's: 1.339 and 1.333


def test_rims_reach_as_far_as_asked_on_both_sides() -> None:
    layer = np.array([[0, 0, 0, 0, 5, 5, 5, 5]], np.uint16)
    assert borders(layer, 1).tolist() == [[0, 0, 0, 1, 1, 0, 0, 0]]
    assert borders(layer, 3).tolist() == [[0, 1, 1, 1, 1, 1, 1, 0]]
    assert not borders(np.full((3, 3), 9, np.uint16), 1).any()  # the picture's edge is none


def test_edges_of_depth_are_steps_by_a_share() -> None:
    depth = np.array([[1.0, 1.04, 1.2, 1.2, 0.0, 3.0]], np.float32)
    # 1.04 -> 1.2 is a step of 15 %; 1.2 | hole | 3.0 is none, for a hole is no neighbour
    assert depth_edges(depth, 0.05).tolist() == [[0, 1, 1, 0, 0, 0]]
    assert depth_edges(4 * depth, 0.05).tolist() == depth_edges(depth, 0.05).tolist()


def test_pngs_keep_their_numbers_and_views_may_have_none(tmp_path: Path) -> None:
    Image.fromarray(np.array([[0, 300]], np.uint16)).save(tmp_path / "b.png")
    Image.fromarray(np.array([[True, False]])).save(tmp_path / "c.png")  # 1 bit a pixel
    picture = Image.fromarray(np.array([[0, 2]], np.uint8))
    picture.putpalette([0, 0, 0, 9, 9, 9, 200, 0, 0])
    picture.save(tmp_path / "d.png", bits=4)
    source = IdMapFiles((None, *(tmp_path / f"{name}.png" for name in "bcd")))
    assert source.layers(0) == []
    layers = [source.layers(n)[0] for n in (1, 2, 3)]
    assert [layer.tolist() for layer in layers] == [[[0, 300]], [[1, 0]], [[0, 2]]]
    assert all(layer.dtype == np.uint16 for layer in layers)


def test_masklets_give_the_masks_of_their_frame() -> None:
    mask = np.array([[1, 0], [0, 0]], bool)
    masklets = Masklets((2, 2), 10, np.array([0.0, 0.1]), {3: (None, rle.encode(mask))})
    source = FromMasklets(masklets)
    assert [layer.tolist() for layer in source.layers(0)] == [[[0, 0], [0, 0]]]  # looked at, and not there
    assert source.layers(1)[0].tolist() == [[3, 0], [0, 0]]


def test_ids_that_a_label_map_cannot_hold_are_refused() -> None:
    with pytest.raises(UserError, match="up to 65535, got 65536"):
        FromMasklets(Masklets((2, 2), 10, np.array([0.0]), {65536: (None,)}))


def few_bits(values: list[int]) -> bytes:
    """A grey PNG of one row with 4 bits a pixel; Pillow does not write these."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", len(values), 1, 4, 0, 0, 0, 0)
    row = bytes([0, *(left << 4 | right for left, right in zip(values[::2], values[1::2], strict=True))])
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(row)) + chunk(b"IEND", b"")


def test_grey_of_four_bits_keeps_its_ids(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(few_bits([0, 1, 2, 3]))
    assert IdMapFiles((tmp_path / "a.png",)).layers(0)[0].tolist() == [[0, 1, 2, 3]]  # not 0, 17, 34, 51


def test_a_depth_map_is_no_id_map(tmp_path: Path) -> None:
    Image.fromarray(np.arange(500, 2500, dtype=np.uint16).reshape(40, 50)).save(tmp_path / "a.png")
    with pytest.raises(UserError, match=r"a\.png holds 2000 different values, more than 1000 ids"):
        IdMapFiles((tmp_path / "a.png",)).layers(0)
