"""Video temporal grounding with one interval a sentence: Charades-STA, ActivityNet Captions, TVGBench, own rows."""

from __future__ import annotations

import reprlib
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from grounding.core import UserError
from grounding.datasets.entries import Entry, field, object_of
from grounding.datasets.entries import read_entries as lines_of
from grounding.evaluation.benchmarks.benchmark import Benchmark
from grounding.evaluation.bootstrap import Figure, mean
from grounding.evaluation.entries import numbers, ordered, read_entries, read_truths
from grounding.evaluation.temporal import THRESHOLDS, interval_iou


def read_sentences(path: Path) -> Iterator[Entry]:
    """Rows of a file that lists a video's sentences together: the n-th one (from 0) has the id `<video>_<n>`.

    A `.txt` file holds Charades-STA's lines, `<video> <start> <end>##<sentence>`; in JSON an object stands for each
    video, `{"<video>": {"timestamps": [[start, end], ...], ...}}`. Rows of other forms are passed on as they are.
    """
    if path.suffix == ".txt":
        yield from _charades_lines(path)
        return
    for entry in read_entries(path):
        if entry.key is not None and isinstance(entry.value, dict) and "timestamps" in entry.value:
            spans = entry.value["timestamps"]
            for place, span in enumerate(spans if isinstance(spans, list) else [spans]):
                yield Entry(entry.row, span, f"{entry.key}_{place}")
        else:
            yield entry


def _charades_lines(path: Path) -> Iterator[Entry]:
    seen: Counter[str] = Counter()
    for entry in lines_of(path):
        parts = entry.value.partition("##")[0].split()
        try:
            video, start, end = parts[0], float(parts[1]), float(parts[2])
        except (IndexError, ValueError):
            what = f"expected '<video> <start> <end>##<sentence>', got {reprlib.repr(entry.value)}"
            yield Entry(entry.row, UserError(what))
            continue
        yield Entry(entry.row, [start, end], f"{video}_{seen[video]}")
        seen[video] += 1


def read_truth(path: Path) -> dict[str, np.ndarray]:
    """Intervals by id, shape (2,) each, as they were annotated: past the end of the video or reversed ones stay so.

    Raises:
        UserError: Naming file and row of the first that is none, or whose id is taken.
    """
    rows = [_named(entry, place) for place, entry in enumerate(read_sentences(path))]
    return read_truths(path, lambda value: numbers([_span_of(value)], "the interval", 2)[0], entries=rows)


def _named(entry: Entry, place: int) -> Entry:
    """TVGBench's rows have no id, which is then their place (from 0), and say `"answer": "13.4-28.1"`."""
    row = entry.value
    if entry.key is not None or not isinstance(row, dict) or not {"question", "answer"} <= row.keys():
        return entry
    start, _, end = str(row["answer"]).partition("-")
    try:
        return Entry(entry.row, [float(start), float(end)], str(place))
    except ValueError:
        what = f'"answer" must be "start-end" in seconds, got {reprlib.repr(row["answer"])}'
        return Entry(entry.row, UserError(what), str(place))


def _span_of(value: Any) -> Any:
    return field(value, "interval", "timestamp", "span", "pred") if isinstance(value, dict) else value


def read_interval(value: Any, _truth: Any = None) -> np.ndarray | None:
    """A predicted interval, shape (2,): `[start, end]` alone or under `interval`, `timestamp`, `span` or `pred`, or the
    first of QVHighlights' `pred_relevant_windows`. null and an empty list mean that there is no answer.

    Raises:
        UserError: If it is something else, not finite or reversed.
    """
    if isinstance(value, dict):
        row = object_of(value, "a prediction")
        if "pred_relevant_windows" in row:
            value = row["pred_relevant_windows"]
            if isinstance(value, list) and value:
                value = value[0][:2] if isinstance(value[0], list) else value[0]
        else:
            value = _span_of(row)
    if value is None or value == []:
        return None
    return ordered(numbers([value], "the interval", 2), "the interval")[0]


def figures(truths: Sequence[np.ndarray], answers: Sequence[np.ndarray | None], _mode: str) -> dict[str, Figure]:
    """`R1@0.3`, `R1@0.5`, `R1@0.7` (share with IoU of at least that) and `mIoU`, in [0, 1]."""
    ious = interval_iou(stacked(answers), np.array(truths, float))
    return {f"R1@{level}": mean(ious >= level) for level in THRESHOLDS} | {"mIoU": mean(ious)}


def has_no_length(truth: np.ndarray) -> bool:
    """Whether an interval is empty or reversed, so that its IoU is 0 with any other."""
    return not truth[1] > truth[0]


def stacked(intervals: Sequence[np.ndarray | None]) -> np.ndarray:
    """Intervals as one array, shape (n, 2), NaN for None."""
    return np.array([(np.nan, np.nan) if one is None else one for one in intervals], float).reshape(-1, 2)


def _benchmark(truth: str) -> Benchmark:
    return Benchmark(
        truth=truth,
        predictions='{id: [start_s, end_s]}, rows {"id", "interval": [start_s, end_s]}, or a file in the truth\'s form',
        truths=read_truth,
        answer=read_interval,
        figures=figures,
        entries=lambda path: list(read_sentences(path)),
        hopeless=has_no_length,
    )


CHARADES = _benchmark("charades_sta_test.txt or JSON {video: {timestamps, sentences}}; ids are <video>_<n>, n from 0")
ACTIVITYNET = _benchmark("val_2.json, {video: {timestamps, sentences}}; ids are <video>_<n>, n from 0")
TVGBENCH = _benchmark("tvgbench.json; ids are the places in the list, from 0")
VTG = _benchmark('rows {"id", "interval": [start_s, end_s]}')
