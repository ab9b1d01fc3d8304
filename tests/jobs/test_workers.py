"""Worker processes: the same results, in order of need; errors as they were raised; nobody left behind."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from grounding.core import UserError
from grounding.jobs.workers import Workers

pytestmark = pytest.mark.slow  # a process takes seconds to start


@dataclass(frozen=True)
class Task:
    """What a worker does with a number: most make something, some fail."""

    offset: int = 100

    def __call__(self, number: int) -> dict[str, object]:
        if number == 13:
            raise UserError("data.jsonl row 13: no such video")
        if number == 66:
            os.kill(os.getpid(), signal.SIGKILL)
        return {
            "number": number + self.offset,
            "process": os.getpid(),
            "threads": (torch.get_num_threads(), cv2.getNumThreads()),
            "pixels": torch.full((2 << 20,), number, dtype=torch.uint8),
            "half": torch.full((3,), number, dtype=torch.bfloat16),
            "ids": torch.arange(number),
            "frames": np.full((2, 1024, 1024, 3), number, np.uint8)[:, ::2],
            "pts": np.arange(number) / 2,
        }


@pytest.fixture(scope="module")
def workers() -> Iterator[Workers[dict[str, object]]]:
    with contextlib.closing(Workers(Task(), 2)) as made:
        yield made


def test_results_are_those_of_the_function(workers: Workers[dict[str, object]]) -> None:
    waits = [workers.start(number) for number in (5, 3, 8)]
    for number, wait in zip((5, 3, 8), waits, strict=True):
        found, expected = wait(), Task()(number)
        assert found.keys() == expected.keys()
        assert found["number"] == number + 100
        for name in ("pixels", "half", "ids"):
            assert torch.equal(found[name], expected[name]) and found[name].dtype == expected[name].dtype  # type: ignore[attr-defined,arg-type]
        for name in ("frames", "pts"):
            np.testing.assert_array_equal(found[name], expected[name])  # type: ignore[arg-type]
        assert found["process"] != os.getpid()
        assert found["threads"] == (1, 1)


def test_a_result_can_be_had_twice(workers: Workers[dict[str, object]]) -> None:
    wait = workers.start(4)
    assert wait() is wait()


def test_an_error_is_the_one_that_was_raised(workers: Workers[dict[str, object]]) -> None:
    wait = workers.start(13)
    assert workers.start(1)()["number"] == 101
    with pytest.raises(UserError) as caught:
        wait()
    assert str(caught.value) == "data.jsonl row 13: no such video"
    assert workers.start(2)()["number"] == 102


def test_a_worker_that_is_killed_is_said_and_not_waited_for() -> None:
    with contextlib.closing(Workers(Task(), 1)) as made:
        wait = made.start(66)
        with pytest.raises(UserError, match=r"reads videos died.*lower trainer\.workers"):
            wait()
        with pytest.raises(UserError, match="died"):
            made.start(1)


def stopped(made: Workers[dict[str, object]]) -> int:
    """The only process of the workers, stopped."""
    pid = made.start(1)()["process"]
    assert isinstance(pid, int)
    os.kill(pid, signal.SIGSTOP)
    return pid


def test_a_worker_that_is_stopped_is_said_and_ends_the_run(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    with contextlib.closing(Workers(Task(), 1)) as made:
        pid = stopped(made)
        for name, seconds in (("SLICE", 1), ("SAY_EVERY", 1), ("END_AFTER", 3), ("GRACE", 1)):
            monkeypatch.setattr(f"grounding.jobs.workers.{name}", seconds)
        begin = time.monotonic()
        with pytest.raises(
            UserError, match=rf"^sample 5 was waited for 3 s: its process is stopped; kill -CONT {pid} "
        ):
            made.start(5)()
    assert caplog.messages[0] == (
        f"sample 5 has been waited for 1 s: its process is stopped; kill -CONT {pid} lets it go on"
    )
    assert not alive(pid)
    assert time.monotonic() - begin < 60


def test_a_worker_that_goes_on_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("grounding.jobs.workers.SLICE", 1)
    with contextlib.closing(Workers(Task(), 1)) as made:
        pid = stopped(made)
        wait = made.start(5)
        threading.Timer(2, os.kill, (pid, signal.SIGCONT)).start()
        assert wait()["number"] == 105


SCRIPT = """
import os, sys, time
from grounding.jobs.workers import Workers

class Slow:
    def __call__(self, number):
        time.sleep(0 if number < 2 else 1)  # a second each, two at a time
        return os.getpid()

if __name__ == "__main__":
    workers = Workers(Slow(), 2)
    try:
        first = [workers.start(number) for number in (0, 1)]
        pids = {wait() for wait in first} | set(workers._pool._processes)
        for number in range(2, 600):
            last = workers.start(number)
        print(*pids, flush=True)
        last()
    finally:
        workers.close()
"""


def alive(pid: int) -> bool:
    """Whether the process runs; one that ended and was not yet collected does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks processes up in /proc")
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_no_worker_outlives_the_main_process(how: signal.Signals, tmp_path: Path) -> None:
    script = tmp_path / "main.py"
    script.write_text(SCRIPT)
    main = subprocess.Popen(
        [sys.executable, str(script)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    assert main.stdout is not None and main.stderr is not None
    pids = [int(pid) for pid in main.stdout.readline().split()]
    assert len(pids) == 2 and all(map(alive, pids))
    if how is signal.SIGINT:
        os.killpg(main.pid, how)  # as a terminal does: to the main process and the workers
    else:
        main.send_signal(how)
    begin = time.monotonic()
    main.wait(timeout=100)
    while any(map(alive, pids)) and time.monotonic() - begin < 100:
        time.sleep(0.05)
    assert not any(map(alive, pids))
    assert time.monotonic() - begin < 150  # the rest of the work would take 299 s
    _, errors = main.communicate()
    assert ("KeyboardInterrupt" in errors) == (how is signal.SIGINT)
    assert errors.count("Traceback") == (how is signal.SIGINT)  # the main process's own; none of a worker
