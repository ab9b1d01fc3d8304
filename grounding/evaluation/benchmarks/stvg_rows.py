"""Spatio-temporal grounding in files of one's own, and ST-Align: one JSON object a line, truth and prediction alike."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from grounding.evaluation.benchmarks.benchmark import Benchmark
from grounding.evaluation.benchmarks.tubes import TubeTruth, figures, read_boxes, read_tube
from grounding.evaluation.entries import field, numbers, object_of, ordered, read_truths
from grounding.evaluation.stvg import FrameTube


def read_truth(path: Path) -> dict[str, TubeTruth]:
    """Rows `{"id", "interval": [start_s, end_s], "boxes": {"frame": [x1, y1, x2, y2]}}`; other keys are not looked at.

    Raises:
        UserError: Naming file and row of the first that is not so, or whose id is taken.
    """
    return read_truths(path, _truth)


def _truth(value: Any) -> TubeTruth:
    row = object_of(value, "a row")
    start, end = ordered(numbers([field(row, "interval")], "interval", 2), "interval")[0].tolist()
    return TubeTruth(FrameTube(start, end, *read_boxes(field(row, "boxes"), None)), seconds=True)


STVG = Benchmark(
    truth='rows {"id", "interval": [start_s, end_s], "boxes": {"frame": [x1, y1, x2, y2]}}',
    predictions="rows of the same form",
    truths=read_truth,
    answer=read_tube,
    figures=figures,
    modes=("definition",),
)
ST_ALIGN = Benchmark(
    truth="rows as for stvg, with boxes on the frames that LLaVA-ST samples",
    predictions="rows of the same form",
    truths=read_truth,
    answer=read_tube,
    figures=figures,
    main=("tIoU>=0.5", "m_tIoU", "vIoU>=0.3", "vIoU>=0.5", "m_vIoU"),
    modes=("definition",),
)
