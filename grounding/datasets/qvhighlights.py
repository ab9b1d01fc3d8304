"""QVHighlights: queries with one or more windows, and how well each clip of 2 seconds shows them.

    {"qid": 2579, "query": "...", "vid": "<youtube>_<start>_<end>", "duration": 150, "relevant_windows": [[82, 150]],
     "relevant_clip_ids": [41, ...], "saliency_scores": [[1, 1, 2], ...]}

Windows are in seconds of the cut clip, scores are 0 to 4 by three annotators. The test split has none of these three,
and Charades, TACoS and ActivityNet in this form have windows alone.
Seen on the official validation split.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from grounding.core.errors import UserError
from grounding.datasets.entries import Entry, object_of
from grounding.datasets.moments import window_moment
from grounding.datasets.records import Read, Record, read_records


def read_qvhighlights(path: Path) -> Read:
    """The records of a split; ids are the `qid`s."""
    return read_records(path, _records)


def _records(entry: Entry) -> Iterator[Record]:
    row = object_of(entry.value)
    meta = {}
    if row.get("saliency_scores") is not None:
        clips = _whole_numbers(row.get("relevant_clip_ids"), 1)
        scores = _whole_numbers(row["saliency_scores"], 2)
        outside = [clips.min(initial=0) < 0, clips.max(initial=0) >= 1 << 15]
        outside += [scores.min(initial=0) < 0, scores.max(initial=0) > 4]
        if len(clips) != len(scores) or any(outside):
            raise UserError('"saliency_scores" must give each of "relevant_clip_ids" scores of 0 to 4')
        meta = {"relevant_clip_ids": clips.astype(np.int16), "saliency_scores": scores.astype(np.int8)}
    yield window_moment(entry.row, row, spans=row.get("relevant_windows"), meta=meta)


def _whole_numbers(value: object, depth: int) -> np.ndarray:
    try:
        found = np.array(value)
    except ValueError:  # lists of different lengths
        found = np.zeros(0)
    if found.ndim != depth or found.dtype.kind not in "iu":
        raise UserError('"relevant_clip_ids" and "saliency_scores" must be lists of whole numbers, one entry a clip')
    return found
