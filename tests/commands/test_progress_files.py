"""`task=progress` trains on rows of one's own that show a part of a video; mistaken rows are told in one line each."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from omegaconf import OmegaConf

from grounding.commands.options import composed
from grounding.commands.train import train
from grounding.core import UserError, UserErrors, write_video
from grounding.training.config import register

SMALL = [
    *("task=progress", "data=jsonl", "warmup.max_steps=0", "model.max_new_tokens=8", "objective.generations=2"),
    *("trainer.prompts=2", "trainer.groups_per_pass=2", "trainer.report_to=[]", "data.max_frames=4"),
]
ROW = {"id": "1", "video": "v.mp4", "query": "He folds it.", "segment": [0, 1.0], "number": 30, "episode": "a"}
LATER = {**ROW, "id": "2", "segment": [0, 2.5], "number": 85.5, "previous": 30}


def run_with(folder: Path, rows: list[dict[str, Any]], *overrides: str) -> dict[str, Any]:
    (folder / "own.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    data = [f"data.root={folder}", "data.annotations=own.jsonl", f"out={folder / 'run'}"]
    register()
    out = train(OmegaConf.to_object(composed([*SMALL, *data, *overrides], "")))  # type: ignore[arg-type]
    summary: dict[str, Any] = json.loads((out / "summary.json").read_text())
    return summary


@pytest.mark.slow
@pytest.mark.parametrize("rewards", ["progress", "primo_r1", "sole_r1"])
def test_a_run_on_parts_of_a_video(rewards: str, tmp_path: Path) -> None:
    write_video(tmp_path / "v.mp4", [np.zeros((56, 84, 3), np.uint8)] * 30, 10.0)
    summary = run_with(tmp_path, [ROW, LATER], "trainer.max_steps=1", f"task.rewards={rewards}")
    figures = {"nearness", "relative_score", "MAE", "Pearson", "parse_rate", "count"}
    assert summary["before"].keys() == summary["after"].keys() == figures
    assert summary["before"]["MAE"] == 100.0 and summary["before"]["Pearson"] == 0.0  # nothing can be read
    # No other video is there to be asked about. The truth of either row is off by 55.5 points for the other one.
    assert summary["controls"].keys() == {"blind", "constant"}
    assert summary["controls"]["constant"]["MAE"] == pytest.approx(27.75)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"number": None}, '"number" is missing; add it'),
        ({"number": 300}, "a progress must be 0 to 100 (percent), or less than 0, down to -100, got 300"),
        ({"number": "half"}, "\"number\" must be a finite number, got 'half'"),
        ({"number": True}, '"number" must be a finite number, got True'),
        ({"previous": "x"}, "\"previous\" must be a finite number, got 'x'"),
        ({"episode": 4}, '"episode" must be a text that is not empty, got 4'),
        ({"segment": [0, 9]}, "segment [0, 9] s ends after the video, which lasts 3.000 s"),
    ],
)
def test_a_mistaken_row_is_told_in_one_line(change: dict[str, Any], said: str, tmp_path: Path) -> None:
    write_video(tmp_path / "v.mp4", [np.zeros((56, 84, 3), np.uint8)] * 30, 10.0)
    with pytest.raises(UserErrors) as caught:
        run_with(tmp_path, [ROW, {**LATER, **change}], "trainer.max_steps=1")
    (line,) = caught.value.errors
    assert line.startswith("own.jsonl, row 2 (2): ") and said in line


@pytest.mark.slow
def test_a_reward_for_the_direction_needs_rows_that_tell_what_was_before(tmp_path: Path) -> None:
    write_video(tmp_path / "v.mp4", [np.zeros((56, 84, 3), np.uint8)] * 30, 10.0)
    with pytest.raises(UserError, match="progress_direction cannot score the answers of task=progress"):
        run_with(tmp_path, [ROW, {**ROW, "id": "2"}], "trainer.max_steps=1", "task.rewards=sole_r1")
