"""What draws may know of the groups before them: by hand, and the same after a resume."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from grounding.core import UserError
from grounding.curriculum.order import Draws
from grounding.curriculum.scores import Difficulty, Scores


def scores_of(samples: int = 3) -> Scores:
    """Nothing is known of the samples but the first."""
    unknown = np.array([0.5, *[np.nan] * (samples - 1)])
    return Scores(Difficulty(unknown, unknown / 2))


def means(scores: Scores, generation: int, every: int = 1) -> list[float | None]:
    return [None if np.isnan(one) else float(one) for one in scores.known(generation, every).mean]


def test_a_generation_knows_those_before_the_one_before_it() -> None:
    scores = scores_of()
    assert means(scores, 0) == means(scores, 1) == [0.5, None, None]
    scores.add(0, [(1, 0.2, 0.1), (2, 0.8, 0.0)])
    assert means(scores, 1) == [0.5, None, None]  # it was drawn before they were there
    assert means(scores, 2) == [0.5, 0.2, 0.8]
    scores.add(1, [(2, 0.6, 0.3), (0, 0.9, 0.1)])
    assert means(scores, 2) == [0.5, 0.2, 0.8]
    assert means(scores, 3) == means(scores, 9) == [0.9, 0.2, 0.6]  # the newest group counts
    assert scores.known(3).std.tolist() == [0.1, 0.1, 0.3]


def test_of_two_groups_of_one_generation_the_later_counts() -> None:
    scores = scores_of()
    scores.add(0, [(1, 0.2, 0.0)])
    scores.add(0, [(1, 0.4, 0.0)])  # drawn in place of another
    assert means(scores, 2) == [0.5, 0.4, None]


def test_it_changes_with_every_so_many_generations_only() -> None:
    scores = scores_of(1)
    for generation in range(6):
        scores.add(generation, [(0, generation / 10, 0.0)])
    # Of the generations before 1, 2, ..., multiples of 2: generation 2 may know 0, and 3 knows 0 and 1.
    assert [means(scores, number, 2) for number in range(7)] == [[0.5], [0.5], [0.5], [0.1], [0.1], [0.3], [0.3]]


def test_what_was_saved_is_known_again(tmp_path: Path) -> None:
    scores, again = scores_of(), scores_of()
    scores.add(0, [(1, 1 / 3, 0.1), (2, 0.8, 0.0)])
    scores.add(1, [(1, 0.7, 0.2)])
    scores.save(tmp_path / "scores.jsonl")
    again.add(7, [(0, 0.0, 0.0)])  # of a run that was begun anew
    assert again.known(9).mean[0] == 0.0
    again.load(tmp_path / "scores.jsonl")
    for generation in range(10):
        assert means(again, generation) == means(scores, generation)
    assert (tmp_path / "scores.jsonl").read_text().splitlines()[2] == "[1, 1, 0.7, 0.2]"


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("[0, 1, 0.5]", r"row 1: expected \[generation, sample, mean, std\]"),
        ("{}", r"row 1: expected \[generation"),
        ("[0, 3, 0.5, 0.1]", "row 1: there are 3 samples, got number 3"),
        ("[0, 1, NaN, 0.1]", "row 1: mean must be a finite number"),
        ("[-1, 1, 0.5, 0.1]", "row 1: generation must be a whole number"),
        ("[0, 1", "row 1: the line is not JSON"),
    ],
)
def test_a_damaged_file_is_named(tmp_path: Path, line: str, why: str) -> None:
    (tmp_path / "scores.jsonl").write_text(line + "\n")
    with pytest.raises(UserError, match=why):
        scores_of().load(tmp_path / "scores.jsonl")


def test_a_moment_tells_the_score_of_its_sample() -> None:
    scores = scores_of()
    draws = Draws(3, 2, 4, 0, scores=scores)
    scores.add(0, [(1, 0.25, 0.1)])
    assert [draws.moment(0, draw).score for draw in range(8)] == [0.5] * 8
    assert [draws.moment(1, draw).score for draw in range(8)] == [None] * 4 + [0.25] * 4  # from generation 2 on
    assert draws.moment(2, 7).score is None
    assert Draws(3, 2, 4, 0).moment(0, 7).score is None
