"""Tests of grounding.datasets.activitynet."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from grounding.core import Interval
from grounding.datasets.catalog import open_dataset


def test_spaces_go_and_dirty_spans_are_found(tmp_path: Path) -> None:
    times = [[0, 4.14], [50, 55.2], [9, 9], [30, 20]]
    value = {"v_uqi": {"duration": 55.15, "timestamps": times, "sentences": ["Two men.", " One lifts. ", "c", "d"]}}
    (tmp_path / "val_2.json").write_text(json.dumps(value))
    made = open_dataset("activitynet", tmp_path, split="val_2")
    assert [(s.id, s.video, s.query, s.truth.interval) for s in made.samples] == [
        ("v_uqi_0", "v_uqi.mp4", "Two men.", Interval(0, 4.14)),
        ("v_uqi_1", "v_uqi.mp4", "One lifts.", Interval(50, 55.15)),
    ]
    assert [(one.kind, one.action, one.sample_id) for one in made.findings] == [
        ("beyond", "clamped", "v_uqi_1"),
        ("empty", "rejected", "v_uqi_2"),
        ("reversed", "rejected", "v_uqi_3"),
    ]


@pytest.mark.shared_data
def test_the_official_val_2(shared_data: Path) -> None:
    made = open_dataset("activitynet", shared_data / "vtg" / "activitynet", split="val_2")
    assert len(made.samples) == 17031 and len({sample.video for sample in made.samples}) == 4885
    assert [(one.kind, one.action) for one in made.findings] == [("beyond", "clamped")] * 111
    assert max(one.amount or 0 for one in made.findings) < 0.011  # rounded durations
