"""Work in processes: each piece once, the dead are replaced, Ctrl-C leaves nobody and nothing half-written."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

pytestmark = pytest.mark.slow  # a process takes a second to start

# Run as a program of its own: processes are spawned, and find these functions by their module.
PROGRAM = """
import json, os, signal, sys, time
from pathlib import Path
from grounding.core import UserError
from grounding.core.files import whole_file
from grounding.tracking.processes import in_processes

def make(number):
    if sys.argv[1] == "unmade":
        raise UserError("no such model")
    return number

def attempt(number, item):
    if item == "deadly":
        os.kill(os.getpid(), signal.SIGKILL)
    if item == "long":
        with whole_file(Path(sys.argv[2]) / "half.json") as temporary:
            temporary.write_text("{")
            time.sleep(60)
    return [item, number, os.getpid()]

def died(item, code):
    return [item, "died", code]

if __name__ == "__main__":
    items = {"plain": list("abcdef"), "deadly": ["a", "deadly", "b", "c"], "unmade": ["a", "b"], "long": ["long"] * 3}
    try:
        for result in in_processes(items[sys.argv[1]], make, attempt, died, 2):
            print(json.dumps(result), flush=True)
    except UserError as error:
        print(json.dumps(["refused", str(error)]))
"""


def start(folder: Path, what: str) -> subprocess.Popen[str]:
    (folder / "program.py").write_text(PROGRAM)
    line = [sys.executable, str(folder / "program.py"), what, str(folder)]
    return subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True)


def results(folder: Path, what: str) -> list[list[object]]:
    output, errors = start(folder, what).communicate(timeout=60)
    assert not errors, errors
    return [json.loads(line) for line in output.splitlines()]


def test_each_piece_once(tmp_path: Path) -> None:
    found = results(tmp_path, "plain")
    assert sorted(str(item) for item, _, _ in found) == list("abcdef")
    assert {number for _, number, _ in found} == {0, 1}
    assert len({process for _, _, process in found}) == 2


def test_the_dead_cost_their_piece_only(tmp_path: Path) -> None:
    found = results(tmp_path, "deadly")
    assert sorted(str(result[0]) for result in found) == ["a", "b", "c", "deadly"]
    assert [result[1:] for result in found if result[0] == "deadly"] == [["died", -signal.SIGKILL]]


def test_models_that_cannot_be_loaded_end_it(tmp_path: Path) -> None:
    assert results(tmp_path, "unmade") == [["refused", "no such model"]]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_workers_end_with_their_parent(tmp_path: Path, number: signal.Signals) -> None:
    program = start(tmp_path, "long")
    deadline = time.monotonic() + 30
    while len(list(tmp_path.glob(".half*"))) < 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    workers = psutil.Process(program.pid).children(recursive=True)
    assert len(list(tmp_path.glob(".half*"))) == 2 and len(workers) >= 2
    began = time.monotonic()
    if number == signal.SIGINT:
        os.killpg(program.pid, number)  # as a terminal does: to all of them
    else:
        program.send_signal(number)  # as a scheduler does: to the parent alone
    program.communicate(timeout=30)
    assert time.monotonic() - began < 10
    _, alive = psutil.wait_procs(workers, timeout=10)
    assert not [worker for worker in alive if worker.status() != psutil.STATUS_ZOMBIE]
    assert [path.name for path in tmp_path.iterdir()] == ["program.py"]
