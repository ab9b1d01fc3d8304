"""Video temporal grounding with one interval a sentence: Charades-STA, ActivityNet Captions, TVGBench, own rows."""

from __future__ import annotations

import reprlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from grounding.core import UserError
from grounding.datasets.entries import Entry, field, list_of, object_of
from grounding.datasets.entries import read_entries as lines_of
from grounding.evaluation.benchmarks.benchmark import Benchmark
from grounding.evaluation.bootstrap import Figure, mean
from grounding.evaluation.entries import NOTHING, OWN, TRUE, numbers, ordered, predicted, read_entries, read_truths
from grounding.evaluation.temporal import THRESHOLDS, interval_iou

SPANS = ("interval", "timestamp", "span")


def read_sentences(path: Path, spans_of: Callable[[Mapping[str, Any]], Any]) -> Iterator[Entry]:
    """Rows of a file that lists a video's sentences together: the n-th one (from 0) has the id `<video>_<n>`.

    A `.txt` file holds Charades-STA's lines, `<video> <start> <end>##<sentence>`; in JSON an object stands for each
    video, `{"<video>": {"timestamps": [[start, end], ...], ...}}`, or all rows lie under `annotations`, as TimeChat has
    its truths. Rows of other forms are passed on as they are.

    Args:
        path: The file.
        spans_of: Takes the spans out of a video's object.
    """
    if path.suffix == ".txt":
        yield from _charades_lines(path)
        return
    for entry in read_entries(path):
        value = entry.value
        if entry.key == "annotations" and isinstance(value, list):
            yield from (Entry(place, row) for place, row in enumerate(value, start=1))
        elif entry.key is not None and isinstance(value, dict) and {"timestamps", "pred_timestamps"} & value.keys():
            yield from _video_sentences(entry, spans_of)
        else:
            yield entry


def _video_sentences(entry: Entry, spans_of: Callable[[Mapping[str, Any]], Any]) -> Iterator[Entry]:
    try:
        spans = list_of(spans_of(object_of(entry.value, "a video")), "timestamps")
    except UserError as error:
        yield Entry(entry.row, error, entry.key)
        return
    yield from (Entry(entry.row, span, f"{entry.key}_{place}") for place, span in enumerate(spans))


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

    A row has its interval under `interval`, `timestamp` or `span`, or is in QVHighlights' form with one window.

    Raises:
        UserError: Naming file and row of the first that is none, or whose id is taken.
    """
    sentences = read_sentences(path, lambda video: field(video, "timestamps"))
    rows = [_named(entry, place) for place, entry in enumerate(sentences)]
    return read_truths(path, lambda value: numbers([_true_span(value)], "the interval", 2)[0], entries=rows)


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


def _true_span(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    row = object_of(value)
    if "relevant_windows" in row:
        windows = row["relevant_windows"]
        if not isinstance(windows, list) or len(windows) != 1:
            raise UserError(
                f"one window is scored here, got {reprlib.repr(windows)}; take --benchmark qvhighlights for several"
            )
        return windows[0]
    span = field(row, *SPANS)
    for name in TRUE:  # such as VideoChat-R1's results, where `timestamp` is predicted and `ans` is the truth
        if isinstance(row.get(name), list) and row[name] != span:
            raise UserError(
                f'the row has a second interval under "{name}", which may be the truth; give one of the two'
            )
    return span


def read_interval(value: Any, _truth: Any = None) -> np.ndarray | None:
    """A predicted interval, shape (2,): `[start, end]` alone or in a row (see `predicted`).

    Of a list of intervals, as TimeChat and QVHighlights have it, the first counts, without a score after its end.
    null, `[null, null]` and an empty list mean that there is no answer.

    Raises:
        UserError: If it is something else, not finite or reversed, or may be the truth.
    """
    if isinstance(value, dict):
        row = object_of(value, "a prediction")
        value = predicted(row, *SPANS, own=("pred_relevant_windows", *OWN))
    if isinstance(value, list) and value and isinstance(value[0], list):
        value = value[0][:2]
    if value in NOTHING:
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
        predictions='{id: [start_s, end_s]}, rows {"id", "pred" or "interval": [start_s, end_s]}, a file in the '
        "truth's form, or TimeChat's results",
        truths=read_truth,
        answer=read_interval,
        figures=figures,
        entries=lambda path: list(read_sentences(path, lambda video: predicted(video, "timestamps", own=OWN))),
        hopeless=has_no_length,
    )


CHARADES = _benchmark("charades_sta_test.txt or JSON {video: {timestamps, sentences}}; ids are <video>_<n>, n from 0")
ACTIVITYNET = _benchmark("val_2.json, {video: {timestamps, sentences}}; ids are <video>_<n>, n from 0")
TVGBENCH = _benchmark("tvgbench.json; ids are the places in the list, from 0")
VTG = _benchmark('rows {"id", "interval": [start_s, end_s]}, or in QVHighlights\' form with one window each')
