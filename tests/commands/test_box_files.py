"""`task=box` trains on pictures and on frames of videos; mistaken rows are told in one line each."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from omegaconf import OmegaConf
from PIL import Image

from grounding.commands.options import composed
from grounding.commands.train import train
from grounding.core import UserErrors, write_video
from grounding.training.config import register

SMALL = [
    *("task=box", "data=jsonl", "stages=[grpo]", "model.max_new_tokens=8", "objective.generations=2"),
    *("trainer.prompts=2", "trainer.groups_per_pass=2", "trainer.report_to=[]", "data.eval_samples=2"),
]
FIGURES = {"mIoU", "Acc@0.5", "parse_rate", "count"}
PICTURE: dict[str, Any] = {"id": "p", "image": "a.png", "query": "The white square.", "box": [20, 10, 40, 30]}
FRAME: dict[str, Any] = {"id": "v", "video": "a.mp4", "frame": 3, "query": "The grey square.", "box": [0, 0, 28, 28.5]}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    picture = np.zeros((60, 100, 3), np.uint8)
    picture[10:30, 20:40] = 255
    Image.fromarray(picture).save(folder / "a.png")
    write_video(folder / "a.mp4", [np.full((56, 84, 3), 20 * t, np.uint8) for t in range(5)], 5.0)
    return folder


def run(root: Path, rows: Iterable[Any], *overrides: str) -> dict[str, Any]:
    """The summary of a run on some rows."""
    (root / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    register()
    where = [f"data.root={root}", "data.annotations=rows.jsonl", f"out={root.parent / 'run'}"]
    out = train(OmegaConf.to_object(composed([*SMALL, *where, *overrides], "")))  # type: ignore[arg-type]
    summary: dict[str, Any] = json.loads((out / "summary.json").read_text())
    return summary


@pytest.mark.slow
def test_a_run_on_a_picture_and_on_a_frame_of_a_video(root: Path) -> None:
    summary = run(root, [PICTURE, FRAME], "trainer.max_steps=1")
    assert summary["before"].keys() == summary["after"].keys() == FIGURES
    assert summary["after"]["count"] == 2
    # The answer to one of the two samples in thousandths: 20 / 100, 10 / 60, 40 / 100, 30 / 60; 28 / 84, 28.5 / 56.
    constant = (root.parent / "run" / "model" / "constant.txt").read_text()
    assert constant in [
        f'<think></think> <answer>{{"bbox_2d": {box}}}</answer>' for box in ([200, 167, 400, 500], [0, 0, 333, 509])
    ]


def test_every_mistaken_row_is_told_in_a_line(root: Path) -> None:
    wrong = {
        "reaches out of the picture of 100 x 60 pixels": {**PICTURE, "box": [20, 10, 140, 30]},
        "expected [x1, y1, x2, y2] with x1 < x2 and y1 < y2": {**PICTURE, "box": [40, 10, 20, 30]},
        "NaN is no JSON number": {**PICTURE, "box": [20, 10, float("nan"), 30]},
        '"frame" is 5, the video has frames 0 to 4': {**FRAME, "frame": 5},
        '"time" is 2 s, the video lasts 1.000 s': {**FRAME, "frame": None, "time": 2},
        '"box" is missing; add it': {**FRAME, "box": None},
        '"image" or "frame" or "time" is missing': {**FRAME, "frame": None},
    }
    rows = [PICTURE, *({**row, "id": str(number)} for number, row in enumerate(wrong.values(), start=2))]
    with pytest.raises(UserErrors) as caught:
        run(root, rows, "trainer.dry_run=true")
    *lines, total = caught.value.errors
    for number, (line, message) in enumerate(zip(lines, wrong, strict=True), start=2):
        assert line.startswith(f"rows.jsonl, row {number}") and message in line and "\n" not in line
    assert total.startswith("rows.jsonl: 7 of 8 rows cannot be used")


@pytest.mark.slow
@pytest.mark.shared_data
def test_five_steps_on_a_real_picture_and_a_frame_of_a_real_video(shared_data: Path, tmp_path: Path) -> None:
    root = tmp_path / "data"
    root.mkdir()
    (root / "books.jpg").write_bytes((shared_data / "rgbd" / "bookshelf" / "color" / "0.jpg").read_bytes())
    (root / "girls.mp4").write_bytes((shared_data / "stvg" / "schoolgirls" / "video.mp4").read_bytes())
    rows = [
        {"id": "book", "image": "books.jpg", "query": "The bunny book.", "box": [160, 182, 314, 435]},
        {"id": "girl", "video": "girls.mp4", "frame": 10, "query": "The girl in blue.", "box": [116, 53, 148, 199]},
    ]
    summary = run(root, rows, "trainer.max_steps=5")
    assert (summary["steps"], summary["after"]["count"], summary["skipped"]) == (5, 2, 0)
