"""Tests of grounding.datasets.moments."""

from __future__ import annotations

from typing import Any

import pytest

from grounding.core import UserError
from grounding.datasets.entries import Entry
from grounding.datasets.moments import number_in, stem, video_file, video_moments, whole_in


@pytest.mark.parametrize(
    ("name", "file", "bare"),
    [
        ("AO8RW", "AO8RW.mp4", "AO8RW"),
        ("a.mkv", "a.mkv", "a"),
        ("./data/x/KWZSA.MP4", "KWZSA.MP4", "KWZSA"),
        ("NUsG9BgSes0_210.0_360.0", "NUsG9BgSes0_210.0_360.0.mp4", "NUsG9BgSes0_210.0_360.0"),
        ("../../etc/passwd", "passwd.mp4", "passwd"),
    ],
)
def test_video_names(name: str, file: str, bare: str) -> None:
    assert (video_file(name), stem(name), stem(video_file(name))) == (file, bare, bare)


def test_sentences_and_spans_belong_together() -> None:
    value: dict[str, Any] = {"duration": 9, "timestamps": [[0, 1], [2, 3]], "sentences": ["a", " b"]}
    first, second = video_moments(Entry(4, value, "v"))
    assert (first.id, first.video, first.query, first.span, first.duration) == ("v_0", "v.mp4", "a", [0, 1], 9)
    assert (second.id, second.row, second.query, second.span) == ("v_1", 4, " b", [2, 3])
    for wrong, message in (
        ({**value, "sentences": ["a"]}, '"sentences" has 1 entries and "timestamps" 2'),
        ({**value, "sentences": "a"}, '"sentences" must be a list'),
        ({"duration": 9, "sentences": []}, '"timestamps" is missing'),
        ([], "the row must be a JSON object"),
    ):
        with pytest.raises(UserError, match=message):
            list(video_moments(Entry(1, wrong, "v")))


def test_numbers_in_text() -> None:
    assert (number_in("4.5", "x"), number_in(3, "x"), whole_in("39", "x"), whole_in(2.0, "x")) == (4.5, 3.0, 39, 2)
    for wrong in ("", "a", None, [1], True, "9" * 50, 10**400):
        with pytest.raises(UserError, match="the count must be a number, got"):
            number_in(wrong, "the count")
    for wrong in ("-1", "1.5", "nan", "inf", 1e12):
        with pytest.raises(UserError, match="the count must be a whole number of 0 or more"):
            whole_in(wrong, "the count")
