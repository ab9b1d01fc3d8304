"""The page about memory holds what its command prints."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "scale.md"
Command = Callable[..., subprocess.CompletedProcess[str]]


def test_the_page_is_what_the_command_prints(command: Command) -> None:
    done = command("scale.py")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("\n| ") == 4 * (1 + 1 + 4 * 3)  # a table for each model: two lines, and four ways
    assert done.stdout.strip() in PAGE.read_text(encoding="utf-8")


def test_an_option_that_is_none_is_one_line(command: Command) -> None:
    done = command("scale.py", "trainer.prompts=7")
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1 and "trainer.prompts" in done.stderr


def test_options_of_a_run_count(command: Command) -> None:
    first = [line for line in command("scale.py", "model.lora_rank=8").stdout.splitlines() if "LoRA" in line]
    assert len(first) == 12 and all(line.startswith("| LoRA, rank 8; ddp |") for line in first)
