"""`task=vtg` trains on files as the datasets' authors write them, one segment or several, and needs no masks."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from omegaconf import OmegaConf

from grounding.commands.options import composed
from grounding.commands.train import train
from grounding.core import write_video
from grounding.training.config import register

SMALL = [
    *("task=vtg", "warmup.max_steps=0", "model.max_new_tokens=8", "objective.generations=2"),
    *("trainer.max_steps=1", "trainer.prompts=2", "trainer.groups_per_pass=2", "trainer.report_to=[]"),
    *("data.max_frames=4", "data.eval_samples=2"),
]
ONE = {"mIoU", "R1@0.3", "R1@0.5", "R1@0.7", "parse_rate", "count"}
SEVERAL = ONE | {"F1@0.3", "F1@0.5", "F1@0.7", "union_IoU", "count_accuracy"}

MOMENTS = {"v_a": {"duration": 3.0, "timestamps": [[0, 1.2], [1.2, 3.0]], "sentences": ["A man sits.", " He goes."]}}
WINDOWS = {"qid": 7, "query": "A man sits", "duration": 3, "vid": "v_a", "relevant_windows": [[0, 1], [2, 3]]}
WINDOWS |= {"relevant_clip_ids": [0], "saliency_scores": [[1, 2, 4]]}
BENCH = {"v_a": {"duration": 3.0, "spans": [[0, 1], [1, 2.5]], "queries": ["a man sits.", "he goes."]}}
EVENTS = [{"query": "he goes twice.", "span": [[0.0, 1.0], [2.0, 3.0]]}, {"query": "he sits.", "span": [[0.0, 2.0]]}]
TRAINING = {"source": "s", "video_path": "part/v_a.mp4", "duration": 3.0, "events": EVENTS}
HARD = {"video": "v_a", "duration": 3.0, "timestamp": [0.5, 2.0], "sentence": "a man sits.", "qid": "a man sits. v_a"}
HARD |= {"video_start": None, "video_end": None, "difficulty": 31.4, "pred": [0, 1]}
OWN = {"id": "1", "video": "part/v_a.mp4", "query": "He goes twice.", "intervals": [[0.0, 1.0], [2.0, 3.0]]}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("dataset", "file", "rows", "figures"),
    [
        ("charades", "charades_sta_train.txt", ["v_a 0.0 1.2##a man sits.", "v_a 1.2 3.0##he goes."], ONE),
        ("activitynet", "val_2.json", [MOMENTS], ONE),
        ("qvhighlights", "highlight_val_release.jsonl", [WINDOWS], SEVERAL),
        ("timelens", "charades-timelens.json", [BENCH], ONE),
        ("timelens", "timelens-100k.jsonl", [TRAINING], SEVERAL),
        ("timerft", "train_2k5.json", [[HARD]], ONE),
        ("jsonl", "own.jsonl", [OWN, {**OWN, "id": "2", "intervals": []}], SEVERAL | {"refusal_recall"}),
    ],
)
def test_a_run_on_files_in_the_official_form(
    dataset: str, file: str, rows: Iterable[Any], figures: set[str], tmp_path: Path
) -> None:
    write_video(tmp_path / "videos" / "part" / "v_a.mp4", [np.zeros((56, 84, 3), np.uint8)] * 30, 10.0)
    (tmp_path / file).write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows))
    data = [f"data={dataset}", f"data.root={tmp_path / 'videos'}", f"data.annotations={tmp_path / file}"]
    summary = run_with(*data, f"out={tmp_path / 'run'}")
    assert summary["after"].keys() == figures
    assert summary["skipped"] == 0


@pytest.mark.slow
@pytest.mark.shared_data
def test_a_run_on_official_rows_of_charades_and_real_video(shared_data: Path, tmp_path: Path) -> None:
    folder = shared_data / "vtg" / "charades"
    data = [f"data.root={folder / 'videos'}", f"data.annotations={folder / 'charades_test.json'}"]
    summary = run_with("data=charades", "data.on_error=skip", *data, f"out={tmp_path / 'run'}")
    assert (summary["after"]["count"], summary["skipped"]) == (2, 3714)  # six rows are of the one video


def run_with(*overrides: str) -> dict[str, Any]:
    """The summary of a run, which has the figures of before and after one step."""
    register()
    out = train(OmegaConf.to_object(composed([*SMALL, *overrides], "")))  # type: ignore[arg-type]
    summary: dict[str, Any] = json.loads((out / "summary.json").read_text())
    assert summary["before"].keys() == summary["after"].keys()
    return summary
