"""Tests of grounding.datasets.timelens."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from grounding.core import Interval
from grounding.datasets.catalog import open_dataset


def test_a_bench(tmp_path: Path) -> None:
    value = {"3MSZA": {"duration": 31.0, "spans": [[25, 30], [1, 24]], "queries": ["A woman.", "A man."]}}
    (tmp_path / "charades-timelens.json").write_text(json.dumps(value))
    samples = open_dataset("timelens", tmp_path, split="charades").samples
    assert [(s.id, s.video, s.query, s.truth.interval) for s in samples] == [
        ("3MSZA_0", "3MSZA.mp4", "A woman.", Interval(25, 30)),
        ("3MSZA_1", "3MSZA.mp4", "A man.", Interval(1, 24)),
    ]


LINE: dict[str, Any] = {
    "source": "cosmo_cap",
    "video_path": "cosmo_cap/BVs52yd-RUQ.mp4",
    "duration": 117.42,
    "events": [{"query": "When does he speak?", "span": [[0.0, 5.0]]}, {"query": "A nut.", "span": [[8, 12]]}],
}


def test_training(tmp_path: Path) -> None:
    (tmp_path / "timelens-100k.jsonl").write_text(json.dumps(LINE))
    samples = open_dataset("timelens", tmp_path).samples
    assert [(s.id, s.video, s.truth.interval) for s in samples] == [
        ("BVs52yd-RUQ_0", "cosmo_cap/BVs52yd-RUQ.mp4", Interval(0, 5)),
        ("BVs52yd-RUQ_1", "cosmo_cap/BVs52yd-RUQ.mp4", Interval(8, 12)),
    ]
    assert samples[0].meta["source"] == "cosmo_cap" and samples[1].meta["duration"] == 117.42


@pytest.mark.parametrize(
    ("span", "said"),
    [([[0, 5]], [(0, 5)]), ([0, 5], [(0, 5)]), ([[0, 1], [2, 3]], [(0, 1), (2, 3)]), ([[None, None]], None)],
)
def test_an_event_has_one_span_or_several(tmp_path: Path, span: Any, said: list[tuple[int, int]] | None) -> None:
    (tmp_path / "a.jsonl").write_text(json.dumps({**LINE, "events": [{"query": "x", "span": span}]}))
    (sample,) = open_dataset("timelens", tmp_path / "a.jsonl").samples
    assert sample.truth.segments == (said and tuple(Interval(*one) for one in said))


@pytest.mark.parametrize("span", [[], [[]], [[0, 1], 7], 7])
def test_an_event_without_a_span_is_told(tmp_path: Path, span: Any) -> None:
    bad = {**LINE, "events": [{"query": "x", "span": span}]}
    (tmp_path / "a.jsonl").write_text(json.dumps(bad) + "\n" + json.dumps(LINE))
    made = open_dataset("timelens", tmp_path / "a.jsonl")
    assert len(made.samples) == 2 and made.findings[0].row == 1
