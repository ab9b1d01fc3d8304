"""Tests of grounding.masks.mot."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from grounding.core import UserError
from grounding.masks import read_masklets
from grounding.masks.mot import read_mot, write_mot

NAN = [np.nan] * 4


def write(folder: Path, text: str | bytes) -> Path:
    path = folder / "gt.txt"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_frames_count_from_one_and_boxes_are_left_top_width_height(tmp_path: Path, video) -> None:
    path = write(tmp_path, "1,7,1,0,2,3,1,-1,-1,-1\n\n3,7,2,1,3,2,1,1,0.5\n3 9 -5 -5 6 7\n")
    masklets = read_mot(path, video())
    np.testing.assert_array_equal(masklets.boxes(7), [[1, 0, 3, 3], NAN, [2, 1, 5, 3]])
    # [-5, -5, 1, 2] is cut at the edges
    np.testing.assert_array_equal(masklets.boxes(9), [NAN, NAN, [0, 0, 1, 2]])


def test_lines_flagged_to_be_ignored_are_left_out(tmp_path: Path, video) -> None:
    masklets = read_mot(write(tmp_path, "1,7,0,0,1,1,0\n2,7,0,0,1,1,1\n1,8,0,0,1,1,0.0,8\n3,7,0,0,1,1,-1\n"), video())
    assert masklets.ids == [7]
    assert np.isnan(masklets.boxes(7)[:, 0]).tolist() == [True, False, False]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("4,1,0,0,1,1", "frame 3 is beyond the video, which has frames 0 to 2"),
        ("0,1,0,0,1,1", "frames count from 1, got 0"),
        ("1.5,1,0,0,1,1", "frame and id must be whole numbers, got 1.5 and 1"),
        ("1,0,0,0,1,1", "ids must be 1 or more .*, got 0"),
        ("1,-1,0,0,1,1,0.9", "ids must be 1 or more .*, got -1"),
        ("2,5,0,0,1,1", "object 5 has a mask on frame 1 already"),
        ("1,1,0,0,0,1", "a width and a height above 0"),
        ("1,1,0,0,1", "expected frame, id, left, top, width, height, got '1,1,0,0,1'"),
        ("1,1,0,0,nan,1", "expected frame, id"),
        ("1,1,0,0,1e300,1", "expected frame, id"),
        ("frame,id,x,y,w,h", "expected frame, id, left, top, width, height, got 'frame,id"),
        ("1," * 2000, "expected frame, id"),
    ],
)
def test_mistakes_are_named_with_file_and_row(tmp_path: Path, line: str, message: str, video) -> None:
    with pytest.raises(UserError, match=rf"gt\.txt, row 3: .*{message}") as caught:
        read_mot(write(tmp_path, f"2,5,0,0,1,1\n\n{line}\n"), video())
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 400


def test_what_is_no_text(tmp_path: Path, video) -> None:
    with pytest.raises(UserError, match=r"gt\.txt is not UTF-8"):
        read_mot(write(tmp_path, b"\xff\xfe"), video())
    with pytest.raises(UserError, match=r"cannot read .*none\.txt"):
        read_mot(tmp_path / "none.txt", video())


def test_what_is_written_is_the_tight_boxes_frame_by_frame(tmp_path: Path, video) -> None:
    masklets = read_mot(write(tmp_path, "3,2,1,1,2,2\n1,9,0,0,6,4\n1,2,3,0,1,4\n"), video())
    write_mot(tmp_path / "out.txt", masklets)
    lines = (tmp_path / "out.txt").read_text().splitlines()
    assert lines == ["1,2,3,0,1,4,1,-1,-1,-1", "1,9,0,0,6,4,1,-1,-1,-1", "3,2,1,1,2,2,1,-1,-1,-1"]
    assert read_mot(tmp_path / "out.txt", video()).tracks == masklets.tracks


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(alphabet="0123456789,.- e\nx", max_size=60) | st.text(max_size=20))
def test_any_text_is_read_or_refused_by_row(tmp_path: Path, video, text: str) -> None:
    path = write(tmp_path, text.encode("utf-8", "replace"))
    try:
        masklets = read_mot(path, video())
    except UserError as error:
        assert "gt.txt, row " in str(error)
    else:
        assert all(i >= 1 for i in masklets.ids)


@pytest.mark.shared_data
def test_tud_campus(shared_data: Path, video) -> None:
    path = shared_data / "mot" / "TUD-Campus" / "gt.txt"
    info = video(frames=71, size=(480, 640), fps=25.0)
    masklets = read_masklets(path, info)
    assert masklets.ids == list(range(1, 9))
    assert sum(counts is not None for track in masklets.tracks.values() for counts in track) == 359  # its lines
    # first line: 1,1,399,182,121,229
    assert masklets.boxes(1)[0].tolist() == [399, 182, 399 + 121, 182 + 229]
    with pytest.raises(UserError, match=r"gt\.txt, row \d+: frame 70 is beyond the video"):
        read_masklets(path, video(frames=70, size=(480, 640)))
