"""Boxes from a file: what is read, and what is said about what cannot be."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from grounding.core import UserError
from grounding.tracking import TrackingOptions, track_video
from grounding.tracking.own_boxes import load_boxes


def write(folder: Path, text: str) -> Path:
    path = folder / "boxes.json"
    path.write_text(text, encoding="utf-8")
    return path


def test_boxes(tmp_path: Path) -> None:
    own = load_boxes(
        write(
            tmp_path, '{"0": [[1, 2, 3.5, 4]], "48": [{"box": [0, 0, 9, 9], "label": "dog", "score": 0.5}], "50": []}'
        )
    )
    assert own.frames == {0, 48, 50}
    picture = np.zeros((9, 9, 3), np.uint8)
    first, second, third = (own.detect(frame, picture) for frame in (0, 48, 50))
    assert first.boxes.tolist() == [[1, 2, 3.5, 4]] and first.scores.tolist() == [1.0] and first.labels == ("",)
    assert second.labels == ("dog",) and second.scores.tolist() == [0.5]
    assert third.boxes.shape == (0, 4)


def test_tracked(film, tracker, tmp_path: Path) -> None:
    own = load_boxes(write(tmp_path, '{"2": [[4, 4, 24, 24]]}'))
    masklets, report = track_video(film([{"red": (4, 4, 24, 24)}] * 6), own, tracker, TrackingOptions())
    assert masklets.ids == [1] and report.keyframes == 1
    assert all(counts is not None for counts in masklets.tracks[1])  # followed back to frame 0


@pytest.mark.parametrize("box", [[96, 4, 120, 24], [4, 64, 24, 70], [-9, 4, 0, 24], [4, -9, 24, 0]])
def test_a_box_outside_the_picture_is_no_box(film, tracker, tmp_path: Path, box: list[int]) -> None:
    """The picture has 96 x 64 pixels; boxes are half-open."""
    own = load_boxes(write(tmp_path, json.dumps({"2": [[4, 4, 24, 24], box]})))
    with pytest.raises(UserError, match=r"boxes\.json, frame 2, box 1 lies outside the picture of 96 x 64"):
        track_video(film([{"red": (4, 4, 24, 24)}] * 6), own, tracker)
    inside = [side - np.sign(side - 30) for side in box]  # by one pixel
    load_boxes(write(tmp_path, json.dumps({"0": [[int(side) for side in inside]]}))).detect(0, np.zeros((64, 96, 3)))


def test_boxes_beyond_the_end_are_refused_before_anything_is_done(film, tracker, tmp_path: Path) -> None:
    own = load_boxes(write(tmp_path, '{"2": [[4, 4, 24, 24]], "6": [[4, 4, 24, 24]]}'))
    with pytest.raises(UserError, match=r"film\.mp4 has frames 0 to 5, but boxes are given for frame 6"):
        track_video(film([{"red": (4, 4, 24, 24)}] * 6), own, tracker)
    assert tracker.shown == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is not JSON"),
        ("[]", "with at least one frame"),
        ("{}", "with at least one frame"),
        ('{"first": []}', "a frame number must be a whole number of 0 or more, got 'first'"),
        ('{"-1": []}', "a frame number must be"),
        ('{"' + "9" * 5000 + '": []}', "a frame number must be"),
        ('{"0": 3}', "frame 0 must be a list of boxes, got 3"),
        ('{"3": [[1, 2, 3, 4]], "03": []}', "frame 3 stands there twice, once as '03'"),
        ('{"3": [[1, 2, 3, 4]], "3": []}', "key '3' stands twice"),
        ('{"0": [[1, 2, 3, 1e300]]}', "must be a finite number"),
        ('{"7": [[1, 2, 3, 4], [1, 2, 3]]}', r"frame 7, box 1 must be \[x1, y1, x2, y2\]"),
        ('{"0": [[1, 2, 3, "4"]]}', "must be"),
        ('{"0": [[1, 2, 3, true]]}', "must be"),
        ('{"0": [[1, 2, 3, NaN]]}', "must be"),
        ('{"0": [[5, 2, 3, 4]]}', "x1 < x2"),
        ('{"0": [[1, 4, 3, 4]]}', "y1 < y2"),
        ('{"0": [{"box": [1, 2, 3, 4], "label": 3}]}', "label must be a text"),
        ('{"0": [{"box": [1, 2, 3, 4], "score": "high"}]}', "score must be"),
        ('{"0": [{"bbox": [1, 2, 3, 4]}]}', "must be"),
    ],
)
def test_mistakes(tmp_path: Path, text: str, said: str) -> None:
    path = write(tmp_path, text)
    with pytest.raises(UserError, match=said) as caught:
        load_boxes(path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot read boxes"):
        load_boxes(tmp_path / "none.json")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.sampled_from(["0", "7", "box", "label"]), inner),
    max_leaves=12,
)


@given(value=JSON)
def test_anything_is_read_or_refused(tmp_path_factory: pytest.TempPathFactory, value: object) -> None:
    path = write(tmp_path_factory.getbasetemp(), json.dumps(value))
    try:
        own = load_boxes(path)
    except UserError:
        return
    for frame in own.frames:
        boxes = own.detect(frame, np.zeros((1, 1, 3), np.uint8)).boxes
        assert np.isfinite(boxes).all() and (boxes[:, 2:] > boxes[:, :2]).all()
