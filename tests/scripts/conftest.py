"""Running the commands as people do."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

Command = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def command(tmp_path: Path) -> Command:
    """`command("train.py", "seed=1")` runs a script in an empty folder and gives status and output."""

    def call(script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        path = Path(__file__).parents[2] / "scripts" / script
        line = [sys.executable, str(path), *arguments]
        return subprocess.run(line, cwd=tmp_path, capture_output=True, text=True, timeout=300)

    return call
