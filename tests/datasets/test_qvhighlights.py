"""Tests of grounding.datasets.qvhighlights."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from grounding.core import Interval
from grounding.datasets.catalog import open_dataset

ROW: dict[str, Any] = {
    "qid": 2579,
    "query": "A girl cooks.",
    "duration": 150,
    "vid": "NUsG9BgSes0_210.0_360.0",
    "relevant_clip_ids": [41, 42, 60],
    "saliency_scores": [[1, 1, 2], [4, 0, 3], [2, 2, 2]],
    "relevant_windows": [[82, 86], [120, 122]],
}


def write(folder: Path, *rows: Any) -> Path:
    (folder / "highlight_val_release.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


def test_windows_clips_and_scores(tmp_path: Path) -> None:
    (sample,) = open_dataset("qvhighlights", write(tmp_path, ROW), split="val").samples
    assert (sample.id, sample.video, sample.query) == ("2579", "NUsG9BgSes0_210.0_360.0.mp4", "A girl cooks.")
    assert sample.truth.intervals == (Interval(82, 86), Interval(120, 122))
    assert sample.meta["relevant_clip_ids"].tolist() == [41, 42, 60]
    assert sample.meta["saliency_scores"].tolist() == [[1, 1, 2], [4, 0, 3], [2, 2, 2]]


def test_the_test_split_has_no_truth(tmp_path: Path) -> None:
    row = {key: ROW[key] for key in ("qid", "query", "duration", "vid")}
    (sample,) = open_dataset("qvhighlights", write(tmp_path, row), split="val").samples
    assert sample.truth.segments is None and "saliency_scores" not in sample.meta


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"relevant_clip_ids": [41]}, "must give each of"),
        ({"relevant_clip_ids": None}, "must be lists of whole numbers"),
        ({"saliency_scores": [[1, 1, 2], [4, 0], [2, 2, 2]]}, "must be lists of whole numbers"),
        ({"saliency_scores": [[1, 1, 5], [4, 0, 3], [2, 2, 2]]}, "scores of 0 to 4"),
        ({"saliency_scores": [[1, 1, -1], [4, 0, 3], [2, 2, 2]]}, "scores of 0 to 4"),
        ({"saliency_scores": [1, 2, 3]}, "must be lists of whole numbers"),
        ({"relevant_windows": [[82]]}, "a span must be two finite numbers"),
        ({"qid": None}, "an id or name must be"),
    ],
)
def test_a_broken_row_is_told_and_the_next_is_read(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    made = open_dataset("qvhighlights", write(tmp_path, {**ROW, **change}, {**ROW, "qid": 1}), split="val")
    assert [sample.id for sample in made.samples] == ["1"] and message in made.findings[0].message


@pytest.mark.shared_data
def test_the_official_validation_split(shared_data: Path) -> None:
    made = open_dataset("qvhighlights", shared_data / "vtg" / "qvhighlights", split="val")
    assert (len(made.samples), made.findings) == (1550, [])
    # Every window is of whole clips of 2 s, and these are the clips that have scores.
    for sample in made.samples:
        windows = sample.truth.intervals or ()
        clips = sorted({clip for one in windows for clip in range(int(one.start) // 2, int(one.end) // 2)})
        assert clips == sample.meta["relevant_clip_ids"].tolist()
