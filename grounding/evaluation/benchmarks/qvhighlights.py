"""QVHighlights: moment retrieval and highlight detection, by the names and to the digits of its evaluator.

Charades-STA, TACoS and ActivityNet Captions in the same form have no saliency: of them the windows are scored.

Two cases differ from it on purpose: a query without a row, and one whose list of windows is empty, score 0 here; its
evaluator refuses the first and leaves the second out of the mAP.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from grounding.core import UserError
from grounding.core.checks import number
from grounding.datasets.entries import field, object_of
from grounding.evaluation.benchmarks.benchmark import Benchmark
from grounding.evaluation.bootstrap import Figure, mean
from grounding.evaluation.entries import NOTHING, gold_windows, numbers, ordered, read_truths
from grounding.evaluation.highlights import highlight_ap, hit_at_1
from grounding.evaluation.temporal import AP_THRESHOLDS, best_iou, padded, window_ap

CLIP_SECONDS = 2
MOST_WINDOWS = 10  # that count for mAP
RANGES = {"full": (-np.inf, np.inf), "short": (0, 10), "middle": (10, 30), "long": (30, 150)}  # seconds, (low, high]
LEVELS = {"Fair": 2, "Good": 3, "VeryGood": 4}  # least saliency of a highlight
LONGEST = 86_400  # seconds of a video with saliency; a day
_WINDOWS = 1 << 19  # gold windows and thresholds at a time
_CLIPS = 1 << 20  # clips at a time
MAIN = (
    *(f"MR-full-{name}" for name in ("R1@0.5", "R1@0.7", "mAP", "mAP@0.5", "mAP@0.75")),
    *(f"MR-{name}-mAP" for name in ("long", "middle", "short")),
    *(f"HL-min-{level}-{name}" for level in LEVELS for name in ("mAP", "Hit1")),
)


@dataclass(frozen=True, eq=False)
class Saliency:
    """How many clips a video has, those that are relevant, shape (K,), and their scores, shape (K, 3); others are 0."""

    count: int
    clips: np.ndarray
    scores: np.ndarray

    def dense(self, count: int) -> np.ndarray:
        """The scores of all clips, shape (count, 3), -1 for those that the video has not."""
        result = np.full((count, 3), -1.0)
        result[: self.count] = 0.0
        result[self.clips] = self.scores
        return result


@dataclass(frozen=True, eq=False)
class Truth:
    """Gold windows, shape (G, 2) in seconds, and the saliency of the 2-second clips; None where the file has none."""

    windows: np.ndarray
    saliency: Saliency | None = None


@dataclass(frozen=True, eq=False)
class Prediction:
    """Windows as they are listed and by score, shape (P, 2), and saliency scores, shape (C,); None where not given."""

    listed: np.ndarray | None
    ranked: np.ndarray | None
    saliency: np.ndarray | None


def read_truth(path: Path) -> dict[str, Truth]:
    """`highlight_val_release.jsonl` (or train), or a file in its form without saliency.

    Raises:
        UserError: Naming file and row of the first that lacks something, as all rows of the test split do.
    """
    return read_truths(path, _truth)


def _truth(value: Any) -> Truth:
    row = object_of(value, "a row")
    windows = gold_windows(field(row, "relevant_windows"), "relevant_windows")
    return Truth(windows, _saliency(row) if {"saliency_scores", "relevant_clip_ids"} & row.keys() else None)


def _saliency(row: Mapping[str, Any]) -> Saliency:
    duration = number(field(row, "duration"), "duration")
    if not 0 < duration <= LONGEST:
        raise UserError(f"duration must be above 0 and at most {LONGEST} seconds, got {duration:g}")
    count = int(duration / CLIP_SECONDS)
    clips = numbers(field(row, "relevant_clip_ids"), "relevant_clip_ids").astype(int)
    scores = numbers(field(row, "saliency_scores"), "saliency_scores", 3)
    if len(clips) != len(scores) or (clips < 0).any() or (clips >= count).any():
        raise UserError(f"relevant_clip_ids must be {len(scores)} clips, each below {count}")
    return Saliency(count, clips, scores)


def read_prediction(value: Any, _truth: Truth) -> Prediction | None:
    """`{"qid", "pred_relevant_windows": [[start, end, score], ...], "pred_saliency_scores": [...]}`, either or both.

    Without scores the order of the windows is their rank. Null, or no windows (also one of nulls) and no saliency, is
    no answer.

    Raises:
        UserError: If a number is not finite, a window is reversed, or the row has neither.
    """
    row = object_of(value, "a prediction")
    if "pred_relevant_windows" not in row and "pred_saliency_scores" not in row:
        raise UserError('"pred_relevant_windows" or "pred_saliency_scores" is missing')
    listed = ranked = saliency = None
    if (windows := row.get("pred_relevant_windows")) is not None:
        windows = [] if windows in NOTHING else windows
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
    if any(one is not None and one.saliency is not None for one in answers) and any(t.saliency for t in truths):
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
    block = max(1, _WINDOWS // (gold.shape[1] * len(AP_THRESHOLDS)))
    starts = range(0, len(gold), block)
    return np.concatenate([window_ap(ranked[start : start + block], gold[start : start + block]) for start in starts])


def _highlights(truths: Sequence[Truth], answers: Sequence[Prediction | None]) -> dict[str, Figure]:
    names = [f"HL-min-{level}-{name}" for level in LEVELS for name in ("mAP", "Hit1")]
    values = np.full((len(truths), len(names)), np.nan)
    for places in _like_long(truths):
        values[places] = _highlight_values([truths[n] for n in places], [answers[n] for n in places])
    return {name: mean(column, percent=True, digits=2) for name, column in zip(names, values.T, strict=True)}


def _like_long(truths: Sequence[Truth]) -> Iterator[list[int]]:
    """The places of truths with saliency, videos of similar length together, as many at a time as fit into memory."""
    counts = {place: truth.saliency.count for place, truth in enumerate(truths) if truth.saliency is not None}
    block: list[int] = []
    for place in sorted(counts, key=lambda n: counts[n]):
        if block and (len(block) + 1) * counts[place] > _CLIPS:
            yield block
            block = []
        block.append(place)
    if block:
        yield block


def _highlight_values(truths: Sequence[Truth], answers: Sequence[Prediction | None]) -> np.ndarray:
    """AP and hit of each level in turn, shape (n, 2 x levels)."""
    known = [truth.saliency for truth in truths if truth.saliency is not None]
    most = max(one.count for one in known)
    saliency = np.full((len(known), most, 3), -1.0)
    scores = np.full((len(known), most), -np.inf)
    top = np.full(len(known), -1)
    for place, (true, answer) in enumerate(zip(known, answers, strict=True)):
        if answer is not None and answer.saliency is not None and len(answer.saliency):
            saliency[place] = true.dense(most)
            scores[place, : true.count] = 0.0  # clips that the prediction leaves out, as in the official evaluator
            given = answer.saliency[: true.count]
            scores[place, : len(given)] = given
            top[place] = int(answer.saliency.argmax())
    columns = []
    for least in LEVELS.values():
        relevant = saliency >= least
        columns.append(np.mean([highlight_ap(scores, relevant[..., person]) for person in range(3)], axis=0))
        columns.append(hit_at_1(top, relevant))
    return np.stack(columns, axis=1)


def gaps(truths: Sequence[Truth]) -> list[str]:
    """Says how many truths have no saliency."""
    without = sum(truth.saliency is None for truth in truths)
    if not without:
        return []
    which = "" if without == len(truths) else f" for {without} of {len(truths)} queries"
    return [f"highlights are not in the file{which}; windows are scored"]


QVHIGHLIGHTS = Benchmark(
    truth="highlight_val_release.jsonl; or Charades-STA, TACoS, ActivityNet in its form, without saliency",
    predictions="the submission file, JSON lines with qid, pred_relevant_windows, pred_saliency_scores",
    truths=read_truth,
    answer=read_prediction,
    figures=figures,
    gaps=gaps,
    main=MAIN,
)
