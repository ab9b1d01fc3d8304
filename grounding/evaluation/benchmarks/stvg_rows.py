"""Spatio-temporal grounding in files of one's own: one JSON object a line, truth and prediction alike."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from grounding.datasets.entries import field, object_of
from grounding.evaluation.benchmarks.benchmark import Benchmark
from grounding.evaluation.benchmarks.tubes import TubeTruth, figures, read_boxes, read_tube
from grounding.evaluation.entries import numbers, ordered, read_truths
from grounding.evaluation.stvg import DENSE, FrameTube, is_sparse


def read_truth(path: Path) -> dict[str, TubeTruth]:
    """Rows `{"id", "interval": [start_s, end_s], "boxes": {"frame": [x1, y1, x2, y2]}}`; other keys are not looked at.

    Raises:
        UserError: Naming file and row of the first that is not so, or whose id is taken.
    """
    return read_truths(path, row_truth)


def row_truth(value: Any) -> TubeTruth:
    """One row of `read_truth`.

    Raises:
        UserError: If it is not so.
    """
    row = object_of(value, "a row")
    start, end = ordered(numbers([field(row, "interval")], "interval", 2), "interval")[0].tolist()
    return TubeTruth(FrameTube(start, end, *read_boxes(field(row, "boxes"), None)), seconds=True)


def gaps(truths: Sequence[TubeTruth]) -> list[str]:
    """Says how many truths have boxes on a few of their frames only."""
    sparse = sum(is_sparse(truth.tube) for truth in truths)
    what = f"{sparse} of {len(truths)} tubes have boxes on fewer than {DENSE:g} frames a second"
    return [f"{what}; vIoU compares them on the frames that have boxes"] if sparse else []


STVG = Benchmark(
    truth='rows {"id", "interval": [start_s, end_s], "boxes": {"frame": [x1, y1, x2, y2]}}',
    predictions="rows of the same form",
    truths=read_truth,
    answer=read_tube,
    figures=figures,
    gaps=gaps,
    modes=("definition",),
)
