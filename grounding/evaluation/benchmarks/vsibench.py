"""VSI-Bench: accuracy of choices and mean relative accuracy of numbers, averaged over tasks."""

from __future__ import annotations

import reprlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from grounding.core import UserError
from grounding.datasets.entries import field, object_of
from grounding.evaluation.benchmarks.benchmark import Benchmark
from grounding.evaluation.bootstrap import Figure, macro, mean
from grounding.evaluation.entries import OWN, read_truths
from rewards.mra import mean_relative_accuracies

NUMBERS = ("object_abs_distance", "object_counting", "object_size_estimation", "room_size_estimation")
DIRECTION = "object_rel_direction"
DIRECTIONS = tuple(f"{DIRECTION}_{level}" for level in ("easy", "medium", "hard"))  # one task of the benchmark
CHOICES = (*DIRECTIONS, "object_rel_distance", "route_planning", "obj_appearance_order")


@dataclass(frozen=True)
class Truth:
    """The kind of question, and the right letter or number as text."""

    kind: str
    right: str


def read_truth(path: Path) -> dict[str, Truth]:
    """Rows with `id`, `question_type` and `ground_truth`.

    Raises:
        UserError: Naming file and row of the first that lacks one, has an unknown type, or whose id is taken.
    """
    return read_truths(path, _truth)


def _truth(value: Any) -> Truth:
    row = object_of(value, "a row")
    kind, right = field(row, "question_type"), str(field(row, "ground_truth")).strip()
    if kind not in NUMBERS + CHOICES:
        raise UserError(f"unknown question_type {reprlib.repr(kind)}; known: {', '.join(NUMBERS + CHOICES)}")
    if kind in NUMBERS and not np.isfinite(_number(right)):
        raise UserError(f"the ground_truth of {kind} must be a finite number, got {reprlib.repr(right)}")
    return Truth(kind, right)


def read_prediction(value: Any, _truth: Truth) -> str | None:
    """The first word of `prediction` without a full stop, as in the official evaluator; null is no answer.

    Raises:
        UserError: If it is neither text nor finite number.
    """
    said = field(object_of(value, "a prediction"), *OWN) if isinstance(value, dict) else value
    if said is None:
        return None
    if type(said) not in (str, int, float) or said in (np.inf, -np.inf) or said != said:
        raise UserError(f'"prediction" must be a text or a finite number, got {reprlib.repr(said)}')
    return str(said).strip().split(" ")[0].rstrip(".").strip()


def figures(truths: Sequence[Truth], answers: Sequence[str | None], _mode: str) -> dict[str, Figure]:
    """By the official names, in [0, 1]: one figure a task, `overall`, the mean of the tasks.

    The three levels of relative direction make one task, the mean of the three.
    """
    kinds = np.array([truth.kind for truth in truths])
    scores = _scores(truths, answers)
    each = {kind: mean(np.where(kinds == kind, scores, np.nan)) for kind in NUMBERS + CHOICES if (kinds == kind).any()}
    tasks = {
        kind + ("_MRA:.5:.95:.05" if kind in NUMBERS else "_accuracy"): figure
        for kind, figure in each.items()
        if kind not in DIRECTIONS
    }
    directions = [each[kind] for kind in DIRECTIONS if kind in each]
    if directions:
        tasks[f"{DIRECTION}_accuracy"] = macro(directions)
    return {"overall": macro(list(tasks.values())), **tasks}


def _scores(truths: Sequence[Truth], answers: Sequence[str | None]) -> np.ndarray:
    said = np.array([_number(answer) for answer in answers])
    right = np.array([_number(truth.right) for truth in truths])
    pairs = zip(truths, answers, strict=True)
    equal = [answer is not None and answer.lower() == truth.right.lower() for truth, answer in pairs]
    numeric = np.array([truth.kind in NUMBERS for truth in truths])
    return np.where(numeric, mean_relative_accuracies(said, right), equal)


def _number(text: str | None) -> float:
    try:
        return float(text) if text is not None else np.nan
    except ValueError:
        return np.nan


VSIBENCH = Benchmark(
    truth="rows with id, question_type and ground_truth",
    predictions='rows {"id", "prediction": "B" or "3.5"}, or {id: prediction}',
    truths=read_truth,
    answer=read_prediction,
    figures=figures,
)
