"""How commands end: exit status and what is said."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest

from grounding.cli import run
from grounding.core import UserError, UserErrors


@pytest.fixture(autouse=True)
def own_signals() -> Iterator[None]:
    """`run` decides what signals do, and commands inherit it; none of that outlasts a test."""
    kept = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in kept.items():
        signal.signal(number, handler)


def raising(error: BaseException) -> Callable[[], None]:
    def main() -> None:
        raise error

    return main


@pytest.mark.parametrize(
    ("error", "status", "said"),
    [
        (UserError("a.jsonl, row 3: query is empty"), 2, "error: a.jsonl, row 3: query is empty\n"),
        (UserErrors(["row 1: bad", "row 2: worse"]), 2, "error: row 1: bad\nerror: row 2: worse\n"),
        (KeyboardInterrupt(), 130, "stopped\n"),
    ],
)
def test_what_people_cause_is_said_in_lines(
    error: BaseException, status: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        run(raising(error))
    assert caught.value.code == status
    assert caught.value.__suppress_context__  # or the traceback would be shown after all
    assert capsys.readouterr() == ("", said)


@pytest.mark.parametrize("error", [ValueError("ours"), RuntimeError("ours"), OSError("ours")])
def test_our_own_faults_pass_through(error: Exception, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(type(error), match="ours"):
        run(raising(error))
    assert capsys.readouterr() == ("", "")


def test_a_good_end_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    done: list[int] = []
    run(lambda: done.append(1))
    assert done == [1]
    assert capsys.readouterr() == ("", "")


def test_an_exit_status_of_the_command_is_kept() -> None:
    with pytest.raises(SystemExit) as caught:
        run(raising(SystemExit(7)))
    assert caught.value.code == 7


def process(code: str) -> subprocess.Popen[bytes]:
    lines = ["from grounding.cli import run", "from grounding.core import UserError", code, "run(main)"]
    pipe = subprocess.PIPE
    return subprocess.Popen([sys.executable, "-c", "\n".join(lines)], stdin=pipe, stdout=pipe, stderr=pipe)


def test_ctrl_c_while_modules_are_imported_is_one_line() -> None:
    line = [sys.executable, "-c", "from grounding.cli import run\nraise KeyboardInterrupt"]
    done = subprocess.run(line, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (130, "stopped\n")
    line[2] = line[2].replace("KeyboardInterrupt", "ValueError(3)")
    done = subprocess.run(line, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1 and done.stderr.endswith("ValueError: 3\n")


def test_a_reader_that_goes_away_ends_the_command_quietly() -> None:
    child = process("def main():\n    for n in range(100_000):\n        print('line', n)")
    assert child.stdout is not None and child.stderr is not None
    with child:
        child.stdout.readline()
        child.stdout.close()
        assert child.stderr.read() == b""
    assert child.wait(timeout=60) == 141


def test_output_that_is_flushed_only_at_the_end_meets_a_closed_pipe() -> None:
    child = process("import sys\ndef main():\n    sys.stdin.readline()\n    print('one line')")
    assert child.stdin is not None and child.stdout is not None and child.stderr is not None
    with child:
        child.stdout.close()
        child.stdin.close()  # only now it prints
        assert child.stderr.read() == b""
    assert child.wait(timeout=60) == 141


def test_status_of_a_whole_process() -> None:
    mistake = process("def main():\n    raise UserError('give a number')")
    assert mistake.communicate(timeout=60) == (b"", b"error: give a number\n")
    assert mistake.returncode == 2
    fault = process("def main():\n    raise ValueError('ours')")
    assert b"Traceback" in fault.communicate(timeout=60)[1]
    assert fault.returncode == 1


def test_sigterm_cleans_up() -> None:
    code = """
def main():
    import sys, time
    try:
        print("ready", flush=True)
        time.sleep(60)
    finally:
        print("cleaned", flush=True)
"""
    child = process(code)
    assert child.stdout is not None and child.stdout.readline() == b"ready\n"
    child.send_signal(signal.SIGTERM)
    assert child.communicate(timeout=60) == (b"cleaned\n", b"stopped\n")
    assert child.returncode == 143


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_after_the_work_ends_the_process_without_a_word(number: signal.Signals) -> None:
    code = """
import atexit, time
def late():
    print("ready", flush=True)
    time.sleep(60)
atexit.register(late)  # as libraries do that clear up at the end
def main():
    pass
"""
    child = process(code)
    assert child.stdout is not None and child.stdout.readline() == b"ready\n"
    child.send_signal(number)
    assert child.communicate(timeout=60) == (b"", b"")
    assert child.returncode == -number


def test_what_data_says_cannot_steer_the_terminal() -> None:
    child = process("def main():\n    print('a\\udcff')\n    raise UserError('id \\x1b[2J\\udcff')")
    assert child.communicate(timeout=60) == (b"a\\udcff\n", b"error: id \\x1b[2J\\udcff\n")
    assert child.returncode == 2
