"""The picture of difficulties: a histogram in the buckets' colours, and the first samples of each bucket."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from grounding.core import Answer, Clip, Interval, LoadedSample, Masklets, ParseFailure, Sample, UserError
from grounding.curriculum.difficulty import DifficultyConfig, Estimate, Tried
from grounding.evaluation.difficulty import COLOURS, HEIGHT, Examples, difficulty_picture
from grounding.evaluation.drawing import PREDICTED
from grounding.evaluation.report import SHEET, sheet_row
from grounding.tasks.asking import Asked
from grounding.tasks.vtg import VTG

TRUTH = Answer(Interval(2, 6), object_id=3)
SAID = (Answer(Interval(2, 6)), ParseFailure("no tags"), Answer(Interval(2, 4)))
SCORES = np.array([1.0, 0.0, 0.5])


def tried(name: str, bucket: str, mean: float) -> Tried:
    clip = Clip(np.full((3, 8, 8, 3), 90, np.uint8), np.arange(3.0), 1.0, (8, 8), 8.0)
    loaded = LoadedSample(Sample(name, "a.mp4", "a dog runs", TRUTH), clip, Masklets((8, 8), 1.0, np.arange(8.0), {}))
    estimate = Estimate(name, mean, 1.0, 0.4, 2 / 3, bucket)
    return Tried(Asked(loaded, clip, ("When: a dog runs", clip)), ["a", "b", "c"], SAID, SCORES, estimate)


def watched(*some: tuple[str, float]) -> Examples:
    examples = Examples(VTG)
    found = [tried(f"s{number}", *one) for number, one in enumerate(some)]
    assert list(examples.watch(found)) == found  # all goes on
    return examples


def test_two_of_each_bucket_are_kept_with_the_answer_in_the_middle() -> None:
    examples = watched(("hard", 0.1), ("easy", 0.9), ("hard", 0.2), ("hard", 0.25))
    assert {bucket: [one.id for one, _ in some] for bucket, some in examples.shown.items()} == {
        "hard": ["s0", "s2"],
        "easy": ["s1"],
    }
    assert len(examples.estimates) == 4
    [(_, shown)] = examples.shown["easy"]
    assert shown.prediction == Answer(Interval(2, 4)) and shown.score["mIoU"] == 0.5
    assert shown.loaded.sample.truth == Answer(Interval(2, 6))  # what was asked for


def picture(examples: Examples, path: Path) -> np.ndarray:
    difficulty_picture(examples, DifficultyConfig(replies=3), path)
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


def rows_of(found: np.ndarray, colour: tuple[int, int, int]) -> np.ndarray:
    """Lines of a picture that are of one colour from left to right."""
    return np.flatnonzero((found == colour).all(axis=(1, 2)))


def test_the_picture(tmp_path: Path) -> None:
    examples = watched(("hard", 0.125), ("easy", 0.875), ("hard", 0.125), ("dead", 0.0))
    found = picture(examples, tmp_path / "difficulty.png")
    assert found.shape[1] == SHEET
    histogram, rest = found[:HEIGHT], found[HEIGHT:]
    areas = {bucket: int((histogram == colour).all(axis=2).sum()) for bucket, colour in COLOURS.items()}
    assert areas["medium"] == 0
    # Two hard samples fill twice the paper of an easy one; the rest is in the legend.
    assert areas["hard"] / areas["easy"] == pytest.approx(2, abs=0.1)
    columns = {
        bucket: np.median(np.nonzero((histogram == COLOURS[bucket]).all(axis=2))[1]) for bucket in ("dead", "hard")
    }
    assert columns["dead"] < columns["hard"] < SHEET / 4
    stripes = {bucket: rows_of(rest, COLOURS[bucket]) for bucket in ("easy", "hard", "dead")}
    assert {bucket: len(rows) for bucket, rows in stripes.items()} == {"easy": 8, "hard": 16, "dead": 8}
    assert stripes["easy"].max() < stripes["hard"].min() < stripes["hard"].max() < stripes["dead"].min()
    row = sheet_row(examples.shown["easy"][0][1])
    first = stripes["hard"].min()
    assert np.array_equal(rest[first - len(row) : first], row) and (row == PREDICTED).all(axis=2).any()


def test_what_cannot_be_drawn_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match="there are no difficulties to draw"):
        difficulty_picture(Examples(VTG), DifficultyConfig(), tmp_path / "a.png")
    examples = watched(("easy", 0.9))
    picture(examples, tmp_path / "a.png")
    with pytest.raises(UserError, match="exists already"):
        difficulty_picture(examples, DifficultyConfig(), tmp_path / "a.png")
    difficulty_picture(examples, DifficultyConfig(), tmp_path / "a.png", overwrite=True)
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(UserError, match="needs matplotlib; install it"):
        difficulty_picture(examples, DifficultyConfig(), tmp_path / "b.png")


def test_words_that_are_long_or_odd_are_drawn(tmp_path: Path) -> None:
    one = tried("s" * 3000 + "\ud800", "hard", 0.1)
    examples = Examples(VTG)
    list(examples.watch([replace(one, estimate=replace(one.estimate, id="s" * 3000 + "\ud800"))]))
    assert picture(examples, tmp_path / "a.png").shape[1] == SHEET
