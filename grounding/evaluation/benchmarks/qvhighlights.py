"""QVHighlights: moment retrieval and highlight detection, by the names and to the digits of its evaluator.

Two cases differ from it on purpose: a query without a row, and one whose list of windows is empty, score 0 here; its
evaluator refuses the first and leaves the second out of the mAP.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from grounding.core import UserError
from grounding.datasets.entries import field, object_of
from grounding.evaluation.benchmarks.benchmark import Benchmark
from grounding.evaluation.bootstrap import Figure, mean
from grounding.evaluation.entries import numbers, ordered, read_truths
from grounding.evaluation.highlights import highlight_ap, hit_at_1
from grounding.evaluation.temporal import AP_THRESHOLDS, best_iou, padded, window_ap

CLIP_SECONDS = 2
MOST_WINDOWS = 10  # that count for mAP
RANGES = {"full": (-np.inf, np.inf), "short": (0, 10), "middle": (10, 30), "long": (30, 150)}  # seconds, (low, high]
LEVELS = {"Fair": 2, "Good": 3, "VeryGood": 4}  # least saliency of a highlight
_BLOCK = 4096  # queries at a time
MAIN = (
    *(f"MR-full-{name}" for name in ("R1@0.5", "R1@0.7", "mAP", "mAP@0.5", "mAP@0.75")),
    *(f"MR-{name}-mAP" for name in ("long", "middle", "short")),
    *(f"HL-min-{level}-{name}" for level in LEVELS for name in ("mAP", "Hit1")),
)


@dataclass(frozen=True, eq=False)
class Truth:
    """Gold windows, shape (G, 2) in seconds, and the saliency of each 2-second clip, shape (C, 3)."""

    windows: np.ndarray
    saliency: np.ndarray


@dataclass(frozen=True, eq=False)
class Prediction:
    """Windows as they are listed and by score, shape (P, 2), and saliency scores, shape (C,); None where not given."""

    listed: np.ndarray | None
    ranked: np.ndarray | None
    saliency: np.ndarray | None


def read_truth(path: Path) -> dict[str, Truth]:
    """`highlight_val_release.jsonl` (or train).

    Raises:
        UserError: Naming file and row of the first that lacks something, as all rows of the test split do.
    """
    return read_truths(path, _truth)


def _truth(value: Any) -> Truth:
    row = object_of(value, "a row")
    duration = numbers([field(row, "duration")], "duration")[0]
    clips = numbers(field(row, "relevant_clip_ids"), "relevant_clip_ids").astype(int)
    scores = numbers(field(row, "saliency_scores"), "saliency_scores", 3)
    saliency = np.zeros((int(duration / CLIP_SECONDS), 3))
    if len(clips) != len(scores) or (clips < 0).any() or (clips >= len(saliency)).any():
        raise UserError(f"relevant_clip_ids must be {len(scores)} clips, each below {len(saliency)}")
    saliency[clips] = scores
    return Truth(numbers(field(row, "relevant_windows"), "relevant_windows", 2), saliency)


def read_prediction(value: Any, _truth: Truth) -> Prediction | None:
    """`{"qid", "pred_relevant_windows": [[start, end, score], ...], "pred_saliency_scores": [...]}`, either or both.

    Without scores the order of the windows is their rank. Null, or no windows and no saliency, is no answer.

    Raises:
        UserError: If a number is not finite, a window is reversed, or the row has neither.
    """
    row = object_of(value, "a prediction")
    if "pred_relevant_windows" not in row and "pred_saliency_scores" not in row:
        raise UserError('"pred_relevant_windows" or "pred_saliency_scores" is missing')
    listed = ranked = saliency = None
    if (windows := row.get("pred_relevant_windows")) is not None:
        width = 3 if not isinstance(windows, list) or _scored(windows) else 2
        rows = ordered(numbers(windows, "pred_relevant_windows", width), "a window")
        listed, counted = rows[:, :2], rows[:MOST_WINDOWS]
        ranked = counted[np.argsort(-counted[:, 2], kind="stable"), :2] if width == 3 else counted
    if (scores := row.get("pred_saliency_scores")) is not None:
        saliency = numbers(scores, "pred_saliency_scores")
    if not len(listed if listed is not None else ()) and not len(saliency if saliency is not None else ()):
        return None
    return Prediction(listed, ranked, saliency)


def _scored(windows: list[Any]) -> bool:
    """Whether windows have scores; all or none of them must."""
    return not all(isinstance(window, list) and len(window) == 2 for window in windows)


def figures(truths: Sequence[Truth], answers: Sequence[Prediction | None], _mode: str) -> dict[str, Figure]:
    """Figures of the parts that any row has: `MR-...` with windows, `HL-...` with saliency scores."""
    result: dict[str, Figure] = {}
    if any(one is not None and one.listed is not None for one in answers):
        result |= _moments(truths, answers)
    if any(one is not None and one.saliency is not None for one in answers):
        result |= _highlights(truths, answers)
    return result


def _moments(truths: Sequence[Truth], answers: Sequence[Prediction | None]) -> dict[str, Figure]:
    empty = np.zeros((0, 2))
    gold = padded([truth.windows.tolist() for truth in truths])
    ranked = padded([(empty if one is None or one.ranked is None else one.ranked).tolist() for one in answers])
    listed = [empty if one is None or one.listed is None else one.listed for one in answers]
    top = padded([windows[:1].tolist() for windows in listed])[:, 0]
    lengths: np.ndarray = gold[..., 1] - gold[..., 0]
    result = {}
    for name, (low, high) in RANGES.items():
        kept = np.where(((lengths > low) & (lengths <= high))[..., None], gold, np.nan)
        present = np.asarray((~np.isnan(kept[..., 0])).any(axis=1))
        ap = np.where(present[:, None], _blocks(ranked, kept), np.nan)
        iou = np.where(present, best_iou(top, kept), np.nan)
        result[f"MR-{name}-mAP"] = mean(ap.mean(axis=1), percent=True, digits=2)
        for column, level in enumerate(AP_THRESHOLDS):
            reached = np.where(present, iou >= level, np.nan)
            result[f"MR-{name}-mAP@{level}"] = mean(ap[:, column], percent=True, digits=2)
            result[f"MR-{name}-R1@{level}"] = mean(reached, percent=True, digits=2)
    return result


def _blocks(ranked: np.ndarray, gold: np.ndarray) -> np.ndarray:
    """`window_ap`, with a block of queries in memory at a time."""
    starts = range(0, len(gold), _BLOCK)
    return np.concatenate([window_ap(ranked[start : start + _BLOCK], gold[start : start + _BLOCK]) for start in starts])


def _highlights(truths: Sequence[Truth], answers: Sequence[Prediction | None]) -> dict[str, Figure]:
    clips = max(len(truth.saliency) for truth in truths)
    saliency = np.full((len(truths), clips, 3), -1.0)
    scores = np.full((len(truths), clips), -np.inf)
    top = np.full(len(truths), -1)
    for place, (truth, answer) in enumerate(zip(truths, answers, strict=True)):
        if answer is not None and answer.saliency is not None and len(answer.saliency):
            count = len(truth.saliency)
            saliency[place, :count] = truth.saliency
            scores[place, :count] = 0.0  # clips that the prediction leaves out, as in the official evaluator
            given = answer.saliency[:count]
            scores[place, : len(given)] = given
            top[place] = int(answer.saliency.argmax())
    result = {}
    for name, least in LEVELS.items():
        relevant = saliency >= least
        ap = np.mean([highlight_ap(scores, relevant[..., person]) for person in range(3)], axis=0)
        result[f"HL-min-{name}-mAP"] = mean(ap, percent=True, digits=2)
        result[f"HL-min-{name}-Hit1"] = mean(hit_at_1(top, relevant), percent=True, digits=2)
    return result


QVHIGHLIGHTS = Benchmark(
    truth="highlight_val_release.jsonl",
    predictions="the submission file, JSON lines with qid, pred_relevant_windows, pred_saliency_scores",
    truths=read_truth,
    answer=read_prediction,
    figures=figures,
    main=MAIN,
)
