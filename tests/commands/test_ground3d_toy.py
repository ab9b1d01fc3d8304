"""The chain on held-out rooms: what is written, what is refused, and which models are loaded."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from grounding.commands.ground3d_toy import ToyModels, ToyRooms, ground_rooms
from grounding.core import UserError
from grounding.ground3d.chain import Options

SCRIPT = Path(__file__).parents[2] / "scripts" / "ground3d.py"
NOTHING = ToyModels(None, None, 1, 2.0, 0, "cpu")


def test_with_all_truth_no_model_is_needed(tmp_path: Path) -> None:
    line = [sys.executable, str(SCRIPT), "--toy", "2", "--oracle", "snippet,box,masks", "--out", "out"]
    done = subprocess.run(line, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    out = tmp_path / "out"
    made = json.loads((out / "scores.json").read_text())
    assert made["queries"] == 2 and made["acc25"] == made["acc50"] == 1
    assert made["mean_iou"] > 0.9 and made["mean_mask_iou"] > 0.9
    assert made["lost_at"] == {"snippet": 0, "box": 0, "masks": 0, "lift": 0}
    assert done.stdout == (out / "scores.txt").read_text()
    rows = [json.loads(line) for line in (out / "queries.jsonl").read_text().splitlines()]
    assert [row["room"] for row in rows] == ["toy-1-3-0", "toy-1-3-1"]  # held out
    for row in rows:
        trace = json.loads((out / "traces" / row["room"] / "trace.json").read_text())
        assert (trace["query"], trace["outcome"]) == (row["query"], row["runs"][0]["outcome"])
        assert (out / "traces" / row["room"] / "trace.png").is_file()


@pytest.mark.parametrize(
    ("rooms", "message"),
    [
        (ToyRooms(-1), "--toy must be 1 to 1,000,000 rooms, got -1"),
        (ToyRooms(1, "lift"), "unknown oracle 'lift'"),
        (ToyRooms(1, "box,masks"), "give --model DIR for the steps that are no --oracle"),
        (ToyRooms(1, "snippet"), "give --model DIR for the steps that are no --oracle"),
        (ToyRooms(1, level=3), "levels 1 and 2, got 3"),
    ],
)
def test_mistakes_leave_nothing_behind(tmp_path: Path, rooms: ToyRooms, message: str) -> None:
    with pytest.raises(UserError, match=message):
        ground_rooms(rooms, NOTHING, tmp_path / "out", Options())
    assert not list(tmp_path.iterdir())


def test_a_folder_with_something_in_it_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("")
    with pytest.raises(UserError, match="exists already"):
        ground_rooms(ToyRooms(1, "snippet,box,masks"), NOTHING, tmp_path, Options())
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (["--toy", "1", "--query", "the box"], "--toy brings its own scenes, queries and tracker; leave --query out"),
        (["--toy", "1", "--layout", "tum"], "--toy brings its own scenes, queries and tracker; leave --layout out"),
        (["--scene", "x", "--model", "y", "--query", "z", "--oracle", "box"], "add --toy N, or leave them out"),
        ([], "give --scene DIR and --model DIR; or --toy N"),
    ],
)
def test_options_that_do_not_go_together(tmp_path: Path, line: list[str], message: str) -> None:
    whole = [sys.executable, str(SCRIPT), "--out", "out", *line]
    done = subprocess.run(whole, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert done.returncode == 2
    assert message in done.stderr and len(done.stderr.splitlines()) == 1
