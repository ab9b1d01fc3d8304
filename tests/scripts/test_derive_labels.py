"""The command: rows that train.py reads, mistakes in one line, nothing dropped without a word."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

Command = Callable[..., subprocess.CompletedProcess[str]]


def test_from_a_scene_to_both_tasks(boards: Path, tmp_path: Path, command: Command) -> None:
    (tmp_path / "names.json").write_text(json.dumps({"0": "the board", "1": "the left chair"}))
    ended = command("derive_labels.py", "--scene", str(boards), "--out", "out", "--labels", "names.json")
    assert ended.returncode == 0, ended.stderr
    assert "wrote out: 3 rows with an interval and 9 with a box, of 12 frames; times are the numbers" in ended.stdout
    assert "no rows: no frame shows 50 pixels of it: object 3" in ended.stderr
    for task, count in (("vtg", 3), ("box", 9)):
        rows = ["data=jsonl", "data.root=out", f"data.annotations={task}.jsonl"]
        ended = command("train.py", f"task={task}", *rows, "trainer.dry_run=true", f"out=run_{task}")
        assert ended.returncode == 0, ended.stderr
        assert f"{count} training samples" in ended.stdout + ended.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--scene", "nowhere"], "nowhere is no folder"),
        (["--masks", "nowhere"], "nowhere"),
        (["--labels", "nowhere"], "cannot read labels nowhere"),
        (["--out", "."], "exists already"),
        (["--fps", "0"], "fps must be"),
    ],
)
def test_a_mistake_is_one_line(boards: Path, command: Command, arguments: list[str], message: str) -> None:
    ended = command("derive_labels.py", "--scene", str(boards), "--out", "out", *arguments)
    assert ended.returncode == 2 and message in ended.stderr
    assert [line[:7] for line in ended.stderr.splitlines() if not line.startswith("doubtful: ")] == ["error: "]
