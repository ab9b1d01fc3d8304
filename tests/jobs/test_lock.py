"""A run folder is held by one run at a time, and a disk that takes no more is one line."""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from grounding.core import UserError
from grounding.jobs.lock import LOCK, held, naming_a_full_disk

ROOT = str(Path(__file__).parents[2])
HOLD = """
import sys, time
from pathlib import Path
from grounding.core import UserError
from grounding.jobs.lock import held
try:
    with held(Path(sys.argv[1])):
        print("held", flush=True)
        sys.stdin.read()
except UserError as error:
    print(error, flush=True)
"""


def holder(folder: Path) -> subprocess.Popen[str]:
    """A process that holds the folder until its stdin ends, or says why it does not."""
    line, pipe = [sys.executable, "-c", HOLD, str(folder)], subprocess.PIPE
    return subprocess.Popen(line, stdin=pipe, stdout=pipe, text=True, env={**os.environ, "PYTHONPATH": ROOT})


def said(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def test_another_process_is_told_who_holds_it_and_a_killed_one_holds_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    first = holder(folder)
    assert said(first) == "held"
    assert os.uname().nodename in (folder / LOCK).read_text()
    with pytest.raises(UserError, match=rf"in use by process {first.pid} on .* since \d") as caught, held(folder):
        pass
    assert "\n" not in str(caught.value)
    first.send_signal(signal.SIGKILL)
    first.communicate()
    assert (folder / LOCK).exists()
    with held(folder), pytest.raises(UserError, match=f"in use by process {os.getpid()} on "), held(folder):
        pass
    assert not folder.exists()  # for it was empty


def test_of_many_that_begin_at_once_one_wins(tmp_path: Path) -> None:
    processes = [holder(tmp_path / "run") for _ in range(5)]
    lines = [said(process) for process in processes]
    assert lines.count("held") == 1
    winner = processes[lines.index("held")].pid
    # Whoever came in the moment between the lock and the name in it learns only that it is taken.
    assert all(f"process {winner} " in line or "another process" in line for line in lines if line != "held")
    for process in processes:
        process.communicate()


def test_a_folder_with_something_in_it_stays(tmp_path: Path) -> None:
    with held(tmp_path):
        (tmp_path / "weights").write_text("")
    assert [path.name for path in tmp_path.iterdir()] == ["weights"]


def test_a_lock_that_was_removed_between_opening_and_locking_is_taken_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the run before does at its end."""
    lock, removed = fcntl.flock, list[Path]()

    def late(handle: int, how: int) -> None:
        if not removed:
            removed.append(tmp_path / LOCK)
            removed[0].unlink()
        lock(handle, how)

    monkeypatch.setattr(fcntl, "flock", late)
    with held(tmp_path), pytest.raises(UserError, match="in use"), held(tmp_path):
        pass


def test_nothing_is_written_through_a_link(tmp_path: Path) -> None:
    (tmp_path / LOCK).symlink_to(tmp_path / "other")
    with pytest.raises(OSError, match="symbolic links"), held(tmp_path):
        pass
    assert not (tmp_path / "other").exists()


def test_a_file_system_without_locks_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def none(*_: Any) -> None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))

    monkeypatch.setattr(fcntl, "flock", none)
    with held(tmp_path):
        assert (tmp_path / LOCK).exists()
    assert "file system without locks" in capsys.readouterr().err


def test_a_folder_deeper_than_python_recurses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(OSError, match="File name too long"), held(Path("/".join("d" * 1500), "x" * 256)):
        pass
    assert list(tmp_path.iterdir()) == []


def failing(number: int, *file: str) -> None:
    raise OSError(number, os.strerror(number), *file)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS])
def test_a_full_disk_is_one_line(number: int) -> None:
    said = r"^cannot write out/run: .*; what was saved before is intact.*resume"
    with pytest.raises(UserError, match=said), naming_a_full_disk(Path("out/run")):
        failing(number)
    with pytest.raises(UserError, match=r"^cannot write other/file: "), naming_a_full_disk(Path("out/run")):
        failing(number, "other/file")


def test_other_errors_pass() -> None:
    with pytest.raises(FileNotFoundError), naming_a_full_disk(Path("run")):
        failing(errno.ENOENT, "x")
    with pytest.raises(UserError, match=r"^mine$"), naming_a_full_disk(Path("run")):
        raise UserError("mine")


def test_a_thread_that_meets_it_is_silent(capsys: pytest.CaptureFixture[str]) -> None:
    seen: list[object] = []
    before, threading.excepthook = threading.excepthook, lambda args: seen.append(args.exc_type)
    try:
        with naming_a_full_disk(Path("run")):
            for number in (errno.ENOSPC, errno.ENOENT):
                thread = threading.Thread(target=failing, args=(number,))
                thread.start()
                thread.join()
        assert seen == [FileNotFoundError]
    finally:
        threading.excepthook = before
    assert capsys.readouterr().err == ""
