"""Metrics of grounded question answering: NExT-GQA's and ReXTime's, where an answer counts with its evidence."""

from __future__ import annotations

import numpy as np

from grounding.evaluation.bootstrap import Figure, mean


def nextgqa_figures(
    iops: np.ndarray, ious: np.ndarray, union_ious: np.ndarray, correct: np.ndarray | None
) -> dict[str, Figure]:
    """NExT-GQA's table in %.

    Args:
        iops: Best intersection over prediction, shape (n,).
        ious: Best IoU over the gold intervals, shape (n,).
        union_ious: IoU of the unions (VideoChat-R1's reading of mIoU), shape (n,).
        correct: Whether the answer is right, shape (n,); None where there are no answers to compare.

    Returns:
        `mIoP`, `mIoU`, shares at 0.3 and 0.5 (inclusive), `mIoU_union`, and with answers `Acc@QA` and `Acc@GQA`: right
        with IoP of 0.5 or more.
    """
    figures = {}
    for name, values in (("IoP", iops), ("IoU", ious)):
        figures["m" + name] = mean(values, percent=True)
        figures |= {f"{name}@{level}": mean(values >= level, percent=True) for level in (0.3, 0.5)}
    figures["mIoU_union"] = mean(union_ious, percent=True)
    if correct is not None:
        figures["Acc@QA"] = mean(correct, percent=True)
        figures["Acc@GQA"] = mean(correct & (iops >= 0.5), percent=True)
    return figures


def rextime_figures(ious: np.ndarray | None, correct: np.ndarray | None) -> dict[str, Figure]:
    """ReXTime's figures by its evaluator's names and in its units: windows in % with two decimals, answers in [0, 1].

    Args:
        ious: Best IoU over the gold windows, shape (n,); None where no windows were predicted.
        correct: Whether the answer is right, shape (n,); None where none were given.
    """
    figures = {}
    if ious is not None:
        figures["MR-full-mIoU"] = mean(ious, percent=True, digits=2)
        for level in (0.3, 0.5):
            figures[f"MR-full-R1@{level}"] = mean(ious >= level, percent=True, digits=2)
    if correct is not None:
        figures["vqa_acc"] = mean(correct)
    if ious is not None and correct is not None:
        figures["GQA@0.5"] = mean(correct & (ious >= 0.5))
    return figures
