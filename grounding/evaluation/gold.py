"""The gold check of metrics: a sample answered with its own truth must get the most of every metric it takes part in.

The rewards' half is `grounding.datasets.gold`.
"""

from __future__ import annotations

import numpy as np

from grounding.core import Answer, Sample
from grounding.evaluation import answers, highlights, stvg, temporal
from rewards.mra import mean_relative_accuracies

VERY_GOOD = 4  # from this score on a clip counts for QVHighlights' headline
_SLACK = 1e-9


def metric_failures(sample: Sample) -> list[str]:
    """The metrics that a sample's own truth does not get in full, each with what it gets."""
    truth = sample.truth
    values = _when(truth) | _where(truth) | _what(truth)
    scores = sample.meta.get("saliency_scores")
    if scores is not None and (scores >= VERY_GOOD).any():
        best = scores.max(axis=1)[None].astype(float)
        values["HL-mAP"] = float(highlights.highlight_ap(best, best >= VERY_GOOD)[0])
    return [f"{name} is {value:.3f} of 1" for name, value in values.items() if value < 1 - _SLACK]


def _when(truth: Answer) -> dict[str, float]:
    if not truth.segments:
        return {}
    gold = np.array([[one.start, one.end] for one in truth.segments])
    return {
        "mIoU": float(temporal.best_iou(gold[:1], gold[None])[0]),
        "mIoP": float(temporal.best_iop(gold[:1], gold[None])[0]),
        "mIoU_union": temporal.union_iou(gold, gold),
        "mAP": float(temporal.window_ap(gold[None], gold[None]).mean()),
    }


def _where(truth: Answer) -> dict[str, float]:
    if truth.tube is None or truth.interval is None:
        return {}
    frames = truth.tube.frames
    tube = stvg.FrameTube(frames.start, frames.stop, np.array(frames), truth.tube.boxes)
    return {"vIoU": truth.tube.viou(truth.tube), "vIoU (HC-STVG)": stvg.hcstvg_scores(tube, tube)[1]}


def _what(truth: Answer) -> dict[str, float]:
    values = {}
    if truth.number is not None:
        number = np.array([truth.number])
        values["MRA"] = float(mean_relative_accuracies(number, number)[0])
    if truth.choices is not None and len(truth.choices) == 1:
        values["accuracy"] = float(answers.letter(*truth.choices) in truth.choices)
    return values
