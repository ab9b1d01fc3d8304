"""What stands beside the pictures, by the parts of truth and answer."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import pytest

from grounding.core import Answer, Interval, ParseFailure, Sample
from grounding.evaluation import panels
from grounding.evaluation.bars import BARS_HEIGHT, LABELS
from grounding.evaluation.drawing import PREDICTED, TRUE
from grounding.evaluation.panels import in_words

WIDTH = 1000  # pixels


def has(picture: np.ndarray, colour: tuple[int, int, int]) -> bool:
    return bool((picture == colour).all(axis=-1).any())


def written(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The texts that are drawn from here on."""
    texts: list[str] = []
    real = panels.paragraph

    def paragraph(width: int, text: str, size: int, lines: int) -> np.ndarray:
        texts.append(text)
        return real(width, text, size, lines)

    monkeypatch.setattr(panels, "paragraph", paragraph)
    return texts


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (Answer(Interval(0.5, 1.5), 3), "ID 3, 0.50 to 1.50 s"),
        (
            Answer(intervals=(Interval(0, 1), Interval(2, 3.5)), object_ids=frozenset([4, 2])),
            "ID 2, ID 4, 0.00 to 1.00 s, 2.00 to 3.50 s",
        ),
        (Answer(intervals=()), "never"),
        (Answer(object_ids=frozenset()), "no ID"),
        (Answer(choices=frozenset("CA"), intervals=(Interval(1, 2),)), "A, C, 1.00 to 2.00 s"),
        (Answer(number=40.0), "40"),
        (Answer(number=-37.25), "-37.25"),
        (Answer(number=-0.0), "0"),
        (Answer(text="a red cup"), "“a red cup”"),
        (Answer(text="red", also=("scarlet", "crimson")), "“red” or “scarlet” or “crimson”"),
        (Answer(box=(1.0, 2.016, 3.5, 39.96)), "box [1, 2, 3.5, 40]"),
        (Answer(point=(1.0, 2.0)), "point [1, 2]"),
        (Answer(), ""),
    ],
)
def test_an_answer_in_words(answer: Answer, words: str) -> None:
    assert in_words(answer) == words


class TestAnswers:
    FIGURES: ClassVar = {"m_tIoU": 1 / 3, "vIoU@0.5": 0.0, "id_accuracy": 1.0}

    def test_truth_answer_and_figures_in_a_line_each(self, monkeypatch: pytest.MonkeyPatch) -> None:
        texts = written(monkeypatch)
        picture = panels.answers(WIDTH, 15, Answer(object_id=3), Answer(object_id=4), self.FIGURES)
        assert picture.shape == (60, WIDTH, 3)
        assert [text for text in texts if text] == [
            "ID 3",
            "true",
            "ID 4",
            "predicted",
            "m_tIoU 0.33, id_accuracy 1.00",
        ]
        swatches = picture[:, LABELS : LABELS + 56]
        assert [
            (has(swatches[row : row + 20], TRUE), has(swatches[row : row + 20], PREDICTED)) for row in (0, 20, 40)
        ] == [
            (True, False),
            (False, True),
            (False, False),
        ]

    def test_a_failure_gives_its_reason(self, monkeypatch: pytest.MonkeyPatch) -> None:
        texts = written(monkeypatch)
        picture = panels.answers(WIDTH, 15, Answer(object_id=3), ParseFailure("no tags"), self.FIGURES)
        assert has(picture, TRUE) and not has(picture, PREDICTED)
        assert "nothing: no tags" in texts

    def test_long_words_take_two_lines(self) -> None:
        picture = panels.answers(WIDTH, 15, Answer(text="word " * 400), Answer(text="word"), self.FIGURES)
        assert picture.shape == (80, WIDTH, 3)

    def test_several_objects_are_compared(self, monkeypatch: pytest.MonkeyPatch) -> None:
        texts = written(monkeypatch)
        truth, said = Answer(object_ids=frozenset({1, 2, 10})), Answer(object_ids=frozenset({2, 7, 99}))
        panels.answers(WIDTH, 15, truth, said, {"f1": 1 / 3})
        assert "right ID 2; missed ID 1, ID 10; wrong ID 7, ID 99; f1 0.33" in texts


def test_controls_are_named_and_short(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = written(monkeypatch)
    said: dict[str, Answer | ParseFailure] = {
        "blind": Answer(number=3.0),
        "other": ParseFailure("no"),
        "constant": Answer(text="x" * 100),
    }
    assert panels.controls(WIDTH, 15, said).shape == (20, WIDTH, 3)
    assert f"blind: 3; other: nothing; constant: “{'x' * 59}…" in texts
    assert panels.controls(WIDTH, 15, {}).shape == (0, WIDTH, 3)


class TestOptions:
    def drawn(self, options: Any, true: str, said: str, width: int = WIDTH) -> np.ndarray:
        sample = Sample("a", "v", "what?", Answer(choices=frozenset(true)), {"options": options})
        return panels.options(width, 15, sample, Answer(choices=frozenset(said)) if said else Answer())

    def test_true_and_said_ones_are_framed(self) -> None:
        # 1000 pixels hold two options of 400 or more side by side, so 500 each; a row is 20 and 8 on both sides.
        grid = self.drawn(["left", "right", "up", "down"], "AC", "CD")
        assert grid.shape == (72, WIDTH, 3)
        cells = [grid[row : row + 36, left : left + 500] for row in (0, 36) for left in (0, 500)]
        framed = [(has(cell, TRUE), has(cell, PREDICTED)) for cell in cells]
        assert framed == [(True, False), (False, False), (True, True), (False, True)]

    def test_nothing_said_frames_nothing(self) -> None:
        grid = self.drawn(["left", "right"], "A", "")
        assert has(grid, TRUE) and not has(grid, PREDICTED)

    def test_letters_and_texts_are_written(self, monkeypatch: pytest.MonkeyPatch) -> None:
        texts = written(monkeypatch)
        self.drawn(["left", "right"], "A", "B")
        assert texts == ["A: left", "B: right"]

    @pytest.mark.parametrize("options", [None, "left", [1, 2], {"A": "left"}, 7])
    def test_without_texts_there_are_letters(self, options: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        texts = written(monkeypatch)
        self.drawn(options, "A", "C")
        assert texts == ["A", "B", "C"]

    def test_where_no_letter_is_asked_for_there_is_nothing(self) -> None:
        assert self.drawn(["left", "right"], "", "").shape == (0, WIDTH, 3)

    def test_long_ones_take_two_lines_but_one_where_there_are_many(self) -> None:
        # 2 x 20 and 16 around; in 640 pixels one below the other, of more than six two side by side.
        assert self.drawn(["word " * 99, "b"], "A", "", width=640).shape == (2 * 56, 640, 3)
        assert self.drawn(["word " * 99] * 7, "A", "", width=640).shape == (4 * 36, 640, 3)


class TestBars:
    WHEN, COUNT = Answer(Interval(0, 1)), Answer(number=3.0)

    @pytest.mark.parametrize(
        ("truth", "said", "rows"),
        [
            (WHEN, Answer(), 1),
            (Answer(), WHEN, 1),
            (COUNT, Answer(), 1),
            (Answer(Interval(0, 1), number=3.0), WHEN, 2),
            (Answer(text="a", object_ids=frozenset({1})), Answer(choices=frozenset("A")), 0),
            (Answer(intervals=()), Answer(), 1),
        ],
    )
    def test_a_line_for_times_and_one_for_numbers(self, truth: Answer, said: Answer, rows: int) -> None:
        assert panels.bars(WIDTH, 4.0, truth, said).shape == (rows * BARS_HEIGHT, WIDTH, 3)
