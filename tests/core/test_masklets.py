"""Masklets and their file."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from grounding.core import Interval, Masklets, UserError, load_masklets, rle, save_masklets

SIZE = (4, 6)


def mask(x1: int, y1: int, x2: int, y2: int) -> bytes:
    dense = np.zeros(SIZE, bool)
    dense[y1:y2, x1:x2] = True
    return rle.encode(dense)


def two_objects() -> Masklets:
    """Object 1 moves right and is hidden at frame 1; object 7 appears at frame 2."""
    tracks = {
        7: (None, None, mask(4, 2, 6, 4)),
        1: (mask(0, 0, 2, 2), None, mask(2, 0, 4, 3)),
    }
    return Masklets(SIZE, 10.0, np.array([0, 0.1, 0.2]), tracks)


def test_ids_and_masks() -> None:
    made = two_objects()
    assert made.ids == [1, 7]
    assert made.counts_at(1) == {}
    assert list(made.counts_at(2)) == [1, 7]
    dense = made.masks_at(0)
    assert list(dense) == [1]
    assert dense[1].dtype == bool
    assert dense[1].sum() == 4


def test_boxes_are_tight_and_nothing_where_nothing_is_seen() -> None:
    boxes = two_objects().boxes(1)
    np.testing.assert_array_equal(boxes, [[0, 0, 2, 2], [np.nan] * 4, [2, 0, 4, 3]])
    assert not boxes.flags.writeable
    with pytest.raises(KeyError):
        two_objects().boxes(2)


def test_an_empty_mask_is_no_box() -> None:
    made = Masklets(SIZE, 10, np.array([0, 0.1]), {1: (mask(0, 0, 0, 0), None)})
    assert np.isnan(made.boxes(1)).all()


def test_tube_takes_the_objects_own_boxes_and_borrows_none() -> None:
    tube = two_objects().tube(1, Interval(0.1, 0.3))
    assert tube.frames == range(1, 3)
    np.testing.assert_array_equal(tube.boxes, [[np.nan] * 4, [2, 0, 4, 3]])


def test_tube_of_an_object_that_does_not_exist() -> None:
    with pytest.raises(UserError, match=r"there is no object 99; the ids are \[1, 7\]"):
        two_objects().tube(99, Interval(0, 0.2))


def test_tube_beyond_the_video_is_empty() -> None:
    assert len(two_objects().tube(1, Interval(5, 6)).boxes) == 0


@pytest.mark.parametrize(("time", "frame"), [(-1, 0), (0.04, 0), (0.05, 0), (0.06, 1), (0.16, 2), (9, 2)])
def test_frame_at(time: float, frame: int) -> None:
    assert two_objects().frame_at(time) == frame


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"pts": np.array([0, 0.2, 0.1])}, "strictly ascending"),
        ({"pts": np.array([0, 0.1, 0.1])}, "strictly ascending"),
        ({"pts": np.array([0, 0.1, np.inf])}, "finite"),
        ({"pts": np.array([]), "tracks": {}}, "at least one"),
        ({"pts": np.zeros((3, 1))}, "ascending"),
        ({"fps": 0}, "fps must be a finite number > 0, got 0"),
        ({"fps": float("nan")}, "fps"),
        ({"tracks": {0: (None, None, None)}}, "ids must be 1 or more .* got 0"),
        ({"tracks": {10**12: (None, None, None)}}, r"below 10\^12, got 1000000000000"),
        ({"size": (0, 6)}, "a frame is 6 x 0 pixels; expected at least 1 x 1"),
        ({"size": (1 << 14, 1 << 14)}, "more than the limit of 67,108,864"),
        ({"tracks": {1: (None, None)}}, r"one entry a frame \(3\), got 2"),
    ],
)
def test_bad_masklets(changes: dict, message: str) -> None:
    given_ = {"size": SIZE, "fps": 10.0, "pts": np.array([0, 0.1, 0.2]), "tracks": {}}
    with pytest.raises(UserError, match=message):
        Masklets(**{**given_, **changes})


def test_the_given_times_are_left_alone() -> None:
    pts = np.array([0, 0.1])
    made = Masklets(SIZE, 10, pts, {})
    pts[1] = 0.5
    assert made.pts[1] == 0.1


# The file


def assert_same(a: Masklets, b: Masklets) -> None:
    assert (a.size, a.fps, a.pts.tolist(), a.ids) == (b.size, b.fps, b.pts.tolist(), b.ids)
    assert all(a.tracks[i] == b.tracks[i] for i in a.ids)


def test_file_round_trip(tmp_path: Path) -> None:
    path = tmp_path / "v.masklets.json"
    save_masklets(path, two_objects())
    assert_same(load_masklets(path), two_objects())
    assert json.loads(path.read_text())["schema_version"] == 1


@given(
    hnp.arrays(np.int8, st.tuples(st.integers(1, 4), st.integers(1, 6), st.integers(1, 6)), elements=st.integers(0, 3))
)
def test_file_round_trip_of_any_masks(tmp_path_factory: pytest.TempPathFactory, id_maps: np.ndarray) -> None:
    count, height, width = id_maps.shape
    tracks = {i: tuple(rle.encode(frame == i) if (frame == i).any() else None for frame in id_maps) for i in (1, 2, 3)}
    made = Masklets((height, width), 29.97, np.arange(count) / 29.97, tracks)
    path = tmp_path_factory.mktemp("round") / "v.masklets.json"
    save_masklets(path, made)
    read = load_masklets(path)
    assert_same(read, made)
    for t, id_map in enumerate(id_maps):
        for i, dense in read.masks_at(t).items():
            np.testing.assert_array_equal(dense, id_map == i)


@pytest.mark.parametrize("text", ['"tracks": {}, "tracks": {}', '"tracks": {"1": [null], "1": [null]}'])
def test_a_key_that_stands_twice_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "v.masklets.json"
    path.write_text(f'{{"schema_version": 1, "size": [2, 3], "fps": 5, "pts": [0], {text}}}')
    with pytest.raises(UserError, match=r"v\.masklets\.json: the key '.*' stands twice in one object"):
        load_masklets(path)


def test_paths_may_be_strings(tmp_path: Path) -> None:
    save_masklets(f"{tmp_path}/v.masklets.json", two_objects())
    assert_same(load_masklets(f"{tmp_path}/v.masklets.json"), two_objects())


def test_a_pipe_is_no_file_of_masklets(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "v.masklets.json")
    with pytest.raises(UserError, match="it is a named pipe"):
        load_masklets(tmp_path / "v.masklets.json")


def test_uncompressed_counts_are_read_too(tmp_path: Path) -> None:
    value = {"schema_version": 1, "size": [2, 3], "fps": 5, "pts": [0], "tracks": {"1": [[2, 1, 1, 2]]}}
    path = tmp_path / "v.masklets.json"
    path.write_text(json.dumps(value))
    assert load_masklets(path).tracks[1] == (b"2111",)


def test_existing_files_are_kept_unless_told(tmp_path: Path) -> None:
    path = tmp_path / "v.masklets.json"
    save_masklets(path, two_objects())
    with pytest.raises(UserError, match="exists already"):
        save_masklets(path, two_objects())
    save_masklets(path, two_objects(), overwrite=True)


GOOD: dict[str, Any] = {"schema_version": 1, "size": [2, 3], "fps": 5, "pts": [0, 0.2], "tracks": {"1": ["2111", None]}}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"schema_version": 2}, "schema_version 1, got 2"),
        ({"schema_version": None}, "schema_version 1, got None"),
        ({"size": [2]}, "size must be"),
        ({"size": [2.0, 3.0]}, "size must be"),
        ({"size": [0, 3]}, "size must be"),
        ({"size": [True, True]}, "size must be"),
        ({"fps": "5"}, "fps must be a number"),
        ({"fps": None}, "fps must be a number"),
        ({"fps": True}, "fps must be a number"),
        ({"fps": 10**400}, "fps must be a number"),
        ({"fps": 0}, "fps must be a finite number > 0"),
        ({"pts": 3}, "pts a list"),
        ({"pts": [0, "1"]}, "pts a list"),
        ({"pts": [0, 10**400]}, "pts a list"),
        ({"pts": [0, float("nan")]}, "finite"),
        ({"pts": [0]}, r"one entry a frame \(1\), got 2"),
        ({"pts": [], "tracks": {}}, "at least one"),
        ({"tracks": []}, "tracks must be an object"),
        ({"tracks": {"one": []}}, "the id of a track must be a whole number of 1 or more, got 'one'"),
        ({"tracks": {"-1": []}}, "must be a whole number of 1 or more"),
        ({"tracks": {"0": [None, None]}}, "must be a whole number of 1 or more, got '0'"),
        ({"tracks": {"01": [None, None]}}, "the id of a track has zeros in front: '01'; write 1"),  # would hide "1"
        ({"tracks": {"": []}}, "must be a whole number of 1 or more"),
        ({"tracks": {"9" * 5000: [None, None]}}, "must be a whole number of 1 or more"),
        ({"tracks": {"1" + "0" * 12: [None, None]}}, "must be a whole number of 1 or more"),
        ({"tracks": {"\u0661": [None, None]}}, "must be a whole number of 1 or more"),  # an Arabic one
        ({"tracks": {"1": "2111"}}, "track 1 must be a list of masks, one a frame, got '2111'"),
        ({"size": [1 << 14, 1 << 14], "tracks": {}}, r"a frame is 16384 x 16384 .* more than the limit"),
        ({"tracks": {"1": [[10**4000, 10**4000], None]}}, "track 1, frame 0: RLE run lengths must be"),
        ({"tracks": {"1": [None, "2112"]}}, "track 1, frame 1: RLE runs must fill 2 x 3"),
        ({"tracks": {"1": [None, 5]}}, "track 1, frame 1: RLE counts must be"),
        ({"tracks": {"1": [None, {"size": 5}]}}, "track 1, frame 1: RLE size"),
    ],
)
def test_bad_files_name_file_track_and_frame(tmp_path: Path, changes: dict, message: str) -> None:
    path = tmp_path / "v.masklets.json"
    path.write_text(json.dumps({**GOOD, **changes}))
    with pytest.raises(UserError, match=message) as caught:
        load_masklets(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    "data", [b"", b"{", b"[]", b"null", b"\xff\xfe", b"[" * 100_000, b"1" * 5000, b'{"schema_version": 1}']
)
def test_files_that_are_something_else(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "v.masklets.json"
    path.write_bytes(data)
    with pytest.raises(UserError, match="masklets"):
        load_masklets(path)


def test_missing_file_and_folder(tmp_path: Path) -> None:
    for path in (tmp_path / "gone.masklets.json", tmp_path):
        with pytest.raises(UserError, match="cannot read masklets"):
            load_masklets(path)


@given(st.text(max_size=40) | st.text('[]{}",:0123456789eE+-. sizefptrack', max_size=60))
def test_any_text_is_masklets_or_a_user_error(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    path = tmp_path_factory.mktemp("fuzz") / "v.masklets.json"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    with pytest.raises(UserError):  # nothing so short is a whole file
        load_masklets(path)
