"""How every command ends: well (0), with one line about a mistake (2), stopped (130), or with a traceback (1)."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

from grounding.core import UserError


def run(main: Callable[[], None]) -> None:
    """Run a command and turn what people cause into an exit status; anything else stays a traceback (status 1).

    Args:
        main: Parses its arguments, works and prints.

    Raises:
        SystemExit: 2 for a `UserError`, after its lines on stderr; 130 for Ctrl-C; 141 if who reads the output went
            away, as in `command | head`. Nothing if `main` returns.
    """
    try:
        main()
        sys.stdout.flush()  # while a broken pipe can still be dealt with
    except UserError as error:
        for line in str(error).splitlines():
            sys.stderr.write(f"error: {line}\n")
        raise SystemExit(2) from None
    except KeyboardInterrupt:
        sys.stderr.write("stopped\n")
        raise SystemExit(130) from None
    except BrokenPipeError:
        # Python flushes stdout once more when it exits; that must not fail again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(141) from None
