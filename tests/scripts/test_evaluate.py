"""`scripts/evaluate.py` as a command; that it gives a run's figures again is in test_train.py."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

Command = Callable[..., "subprocess.CompletedProcess[str]"]

pytestmark = pytest.mark.slow


def test_help_says_what_there_is(command: Command) -> None:
    done = command("evaluate.py", "--help")
    assert done.returncode == 0
    for word in ("model=DIR", "out=FILE.json", "data.name=jsonl"):
        assert word in done.stdout


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ([], "model is missing"),
        (["model=missing_folder/x/y"], "missing_folder/x/y"),
        (["model=.", "data.evalsamples=3"], "evalsamples"),
    ],
)
def test_a_mistake_is_one_line_and_status_2(command: Command, tmp_path: Path, arguments: list[str], named: str) -> None:
    done = command("evaluate.py", *arguments)
    assert done.returncode == 2
    assert named in done.stderr
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []
