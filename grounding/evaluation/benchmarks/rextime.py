"""ReXTime: an answer and the window that shows it, in QVHighlights' form with `ans`."""

from __future__ import annotations

import reprlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from grounding.core import UserError
from grounding.datasets.entries import field, object_of
from grounding.evaluation.benchmarks.benchmark import Benchmark
from grounding.evaluation.benchmarks.vtg import read_interval, stacked
from grounding.evaluation.bootstrap import Figure
from grounding.evaluation.entries import OWN, gold_windows, id_of, predicted, read_truths
from grounding.evaluation.grounded_qa import rextime_figures
from grounding.evaluation.temporal import best_iou, padded


@dataclass(frozen=True, eq=False)
class Pair:
    """Windows, shape (G, 2) in seconds, and a letter: of a truth, or predicted (then at most one, and None if none)."""

    windows: np.ndarray | None
    letter: str | None


def read_truth(path: Path) -> dict[str, Pair]:
    """`rextime_val.jsonl`: rows with `qid`, `relevant_windows` (or `span`) and `ans`.

    Raises:
        UserError: Naming file and row of the first that lacks one of them, as the test split does.
    """
    return read_truths(path, _truth, partial(id_of, names=("qid", "id")))


def _truth(value: Any) -> Pair:
    row = object_of(value, "a row")
    windows = row["relevant_windows"] if "relevant_windows" in row else [field(row, "relevant_windows", "span")]
    return Pair(gold_windows(windows, "relevant_windows"), _letter(field(row, "ans")))


def read_prediction(value: Any, _truth: Pair) -> Pair | None:
    """`{"qid", "pred_relevant_windows": [[start, end]], "ans": "A"}`, either or both; the first window counts.

    In a row that holds the truth too, such as `relevant_windows`, the answer must be under `pred_ans`.

    Raises:
        UserError: If a window is not finite or reversed, `ans` is no text or may be the truth, or the row has neither.
    """
    row = object_of(value, "a prediction")
    answered = {"ans", "pred_ans", *OWN} & row.keys()
    if not answered and "pred_relevant_windows" not in row:
        raise UserError('"pred_relevant_windows" and "ans" are missing; give one or both')
    window = read_interval(row["pred_relevant_windows"]) if "pred_relevant_windows" in row else None
    rest = {key: value for key, value in row.items() if key != "pred_relevant_windows"}  # stands beside `ans`
    said = predicted(rest, "ans", own=OWN) if answered else None
    if window is None and said is None:
        return None
    return Pair(None if window is None else window[None], None if said is None else _letter(said))


def _letter(value: Any) -> str:
    if not isinstance(value, str):
        raise UserError(f'"ans" must be a letter, got {reprlib.repr(value)}')
    return value.strip()


def figures(truths: Sequence[Pair], answers: Sequence[Pair | None], _mode: str) -> dict[str, Figure]:
    """See `rextime_figures`; letters must be equal, as in the official evaluator."""
    ious = correct = None
    if any(one is not None and one.windows is not None for one in answers):
        top = stacked([None if one is None or one.windows is None else one.windows[0] for one in answers])
        gold = padded([[] if truth.windows is None else truth.windows.tolist() for truth in truths])
        ious = best_iou(top, gold)
    if any(one is not None and one.letter is not None for one in answers):
        pairs = zip(truths, answers, strict=True)
        correct = np.array([one is not None and one.letter == truth.letter for truth, one in pairs])
    return rextime_figures(ious, correct)


REXTIME = Benchmark(
    truth="rextime_val.jsonl",
    predictions="the submission file, JSON lines with qid, pred_relevant_windows and ans",
    truths=read_truth,
    answer=read_prediction,
    figures=figures,
)
