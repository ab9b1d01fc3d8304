"""Fonts, lines of text, boxes, regions and points."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grounding.evaluation.drawing import (
    TRUE,
    draw_box,
    draw_point,
    draw_region,
    fit_lines,
    fitted,
    font,
    paragraph,
    taller,
)


class TestFitLines:
    def test_breaks_at_spaces(self) -> None:
        width = int(font(15).getlength("one two th")) + 1
        assert fit_lines("one two  three\nfourteen", 15, width, 9) == ["one two", "three", "fourteen"]

    def test_cut_off_ends_in_dots(self) -> None:
        width = int(font(15).getlength("one two th")) + 1
        first, last = fit_lines("one two three four five six seven", 15, width, 2)
        assert first == "one two"
        assert last.startswith("three") and last.endswith("…")

    def test_a_long_word_is_broken(self) -> None:
        lines = fit_lines("w" * 30, 15, int(font(15).getlength("w" * 12)) + 1, 9)
        assert lines == ["w" * 12, "w" * 12, "w" * 6]

    def test_half_characters_are_replaced(self) -> None:
        assert fit_lines("a\udc80b", 15, 500, 1) == ["a?b"]

    def test_nothing_to_say(self) -> None:
        assert fit_lines(" \n ", 15, 100, 2) == []

    def test_without_matplotlib_there_is_still_a_font(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
        font.cache_clear()
        try:
            assert fit_lines("one two", 15, 500, 1) == ["one two"]
            assert (paragraph(120, "one ж 日", 20, 1) < 128).any()
        finally:
            font.cache_clear()

    @settings(max_examples=60, deadline=None)
    @given(st.text(max_size=60), st.integers(30, 200), st.integers(1, 3))
    def test_every_line_fits_and_only_spaces_are_lost(self, text: str, width: int, lines: int) -> None:
        found = fit_lines(text, 12, width, lines)
        assert len(found) <= lines
        assert all(font(12).getlength(line) <= width or len(line) == 1 for line in found)
        kept = "".join("".join(found).split())
        if not kept.endswith("…"):
            assert kept == "".join(text.split())


class TestParagraph:
    def test_height_is_that_of_the_lines_needed(self) -> None:
        # 1.35 x 20 = 27 pixels a line.
        for text, height in (("", 27), ("one", 27), ("many words that do not fit one line", 54), ("word " * 99, 54)):
            assert paragraph(120, text, 20, 2).shape == (height, 120, 3)

    def test_second_line_is_below_the_first(self) -> None:
        picture = paragraph(120, "many words that do not fit one line", 20, 2)
        assert (picture[:27] < 128).any() and (picture[27:] < 128).any()

    def test_paper_makes_a_picture_taller(self) -> None:
        picture = taller(np.zeros((3, 4, 3), np.uint8), 5)
        assert picture[:, 0, 0].tolist() == [0, 0, 0, 255, 255]


class TestFitted:
    @pytest.mark.parametrize(
        ("size", "expected"),
        [
            ((84, 84), (252, 252)),  # 3 times
            ((240, 432), (140, 252)),  # 252 / 432 x 240
            ((64, 64), (192, 192)),  # 3.94, so 3 times
            ((160, 200), (202, 252)),  # 1.26 times: 201.6
            ((1280, 720), (336, 189)),  # 336 / 1280 x 720
        ],
    )
    def test_sizes(self, size: tuple[int, int], expected: tuple[int, int]) -> None:
        assert fitted(np.zeros((*size, 3), np.uint8), (336, 252)).shape == (*expected, 3)

    def test_tiny_frames_keep_their_pixels(self) -> None:
        frame = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
        np.testing.assert_array_equal(fitted(frame, (15, 21)), frame.repeat(3, axis=0).repeat(3, axis=1))


class TestDrawBox:
    def drawn(self, box: list[float], *, dashed: bool = False) -> np.ndarray:
        picture = np.zeros((40, 60, 3), np.uint8)
        draw_box(picture, np.array(box), (40, 60), TRUE, dashed=dashed)
        return (picture == TRUE).all(axis=-1)

    def test_at_the_edge_the_outline_stays_inside(self) -> None:
        expected = np.ones((40, 60), bool)
        expected[3:37, 3:57] = False
        np.testing.assert_array_equal(self.drawn([0, 0, 60, 40]), expected)

    @pytest.mark.parametrize(
        "box", [[-50, -50, -20, -20], [1e300, 1e300, 1e300, 1e300], [900, 900, 950, 950], [30, 20, 30, 20]]
    )
    def test_boxes_outside_and_empty_ones_do_no_harm(self, box: list[float]) -> None:
        assert 1 <= self.drawn(box).sum() <= 36  # a mark of at most 6 x 6 at the border, or where the empty box is

    def test_no_box(self) -> None:
        assert not self.drawn([np.nan] * 4).any()

    def test_dashes_are_part_of_the_line(self) -> None:
        solid, dashed = self.drawn([10, 10, 50, 30]), self.drawn([10, 10, 50, 30], dashed=True)
        assert not (dashed & ~solid).any()
        # Row 8 lies on the upper line, columns 7 to 52; dashes where (8 + x) // 8 is even: x = 8..15, 24..31, 40..47.
        assert np.nonzero(dashed[8])[0].tolist() == [*range(8, 16), *range(24, 32), *range(40, 48)]


class TestDrawRegion:
    def drawn(self, *, dashed: bool = False) -> np.ndarray:
        # A region of 4 x 5 pixels in a frame of 20 x 30 is one of 8 x 10 in a picture of 40 x 60.
        region = np.zeros((20, 30), bool)
        region[8:12, 10:15] = True
        picture = np.zeros((40, 60, 3), np.uint8)
        draw_region(picture, region, TRUE, dashed=dashed)
        return (picture == TRUE).all(axis=-1)

    def test_a_line_goes_around_it(self) -> None:
        expected = np.zeros((40, 60), bool)
        expected[13:27, 17:33] = True
        expected[16:24, 20:30] = False
        np.testing.assert_array_equal(self.drawn(), expected)

    def test_dashes_are_part_of_the_line(self) -> None:
        solid, dashed = self.drawn(), self.drawn(dashed=True)
        assert not (dashed & ~solid).any()
        # Row 14, columns 17 to 32; dashes where (14 + x) // 8 is even: x = 18 to 25.
        assert np.nonzero(dashed[14])[0].tolist() == [*range(18, 26)]

    def test_an_empty_region_has_none(self) -> None:
        picture = np.zeros((40, 60, 3), np.uint8)
        draw_region(picture, np.zeros((20, 30), bool), TRUE, dashed=False)
        assert not picture.any()


class TestDrawPoint:
    def drawn(self, x: float, y: float) -> np.ndarray:
        picture = np.zeros((40, 60, 3), np.uint8)
        draw_point(picture, (x, y), (20, 30), TRUE)
        return (picture == TRUE).all(axis=-1)

    def test_a_cross(self) -> None:
        rows, columns = np.nonzero(
            self.drawn(15.0, 10.0)
        )  # (30, 20) in the picture; arms of 9 pixels and 2 of a round end
        assert (rows.min(), rows.max(), columns.min(), columns.max()) == (9, 31, 19, 41)

    def test_outside_there_is_none(self) -> None:
        assert not self.drawn(1e9, -1e9).any()
