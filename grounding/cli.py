"""How every command ends: well (0), with one line about a mistake (2), stopped (130, 143), or with a traceback (1)."""

from __future__ import annotations

import atexit
import contextlib
import os
import signal
import sys
from collections.abc import Callable, Iterator
from io import TextIOWrapper
from types import TracebackType


def _uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Let Ctrl-C end a command with one line also while its modules are imported, which takes a second or more."""
    if issubclass(kind, KeyboardInterrupt):
        sys.stderr.write("stopped\n")
        raise SystemExit(130)
    sys.__excepthook__(kind, error, trace)


sys.excepthook = _uncaught  # before the imports that take long

from grounding.core import UserError  # noqa: E402
from grounding.core.checks import printable  # noqa: E402
from grounding.core.extras import needs  # noqa: E402


def run(main: Callable[[], None]) -> None:
    """Run a command and turn what people cause into an exit status; anything else stays a traceback (status 1).

    SIGTERM unwinds the command like Ctrl-C, so that half-written outputs are removed.

    Args:
        main: Parses its arguments, works and prints.

    Raises:
        SystemExit: 2 for a `UserError`, after its lines on stderr; 130 for Ctrl-C, 143 for SIGTERM; 141 if who reads
            the output went away, as in `command | head`. Nothing if `main` returns.
    """
    _write_any_name()
    atexit.register(_end_at_once)  # as the last, so that it comes before all else that is done at the end
    if signal.getsignal(signal.SIGTERM) == signal.SIG_DFL:
        signal.signal(signal.SIGTERM, _stop)
    try:
        main()
        sys.stdout.flush()  # while a broken pipe can still be dealt with
    except UserError as error:
        raise _refused(error) from None
    except KeyboardInterrupt:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # what is left to do takes a moment
        sys.stderr.write("stopped\n")
        raise SystemExit(130) from None
    except BrokenPipeError:
        # Python flushes stdout once more when it exits; that must not fail again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(141) from None


@contextlib.contextmanager
def imports(extra: str) -> Iterator[None]:
    """As `core.extras.needs`, for a script's first lines, which come before `run`.

    Raises:
        SystemExit: 2, after a line on stderr, if a package is not installed.
    """
    try:
        with needs(extra):
            yield
    except UserError as error:
        raise _refused(error) from None


def _refused(error: UserError) -> SystemExit:
    for line in str(error).splitlines():
        sys.stderr.write(f"error: {printable(line)}\n")
    return SystemExit(2)


def _stop(number: int, frame: object) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # a second one must not stop the cleaning up
    sys.stderr.write("stopped\n")
    raise SystemExit(128 + number)


def _end_at_once() -> None:
    """Let a signal end the process without a word while Python and libraries clear up, for all work is done by then."""
    for number in (signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)


def _write_any_name() -> None:
    """Bytes of a file name that are not UTF-8 are written as `\\udcff` instead of ending the command."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
