"""A disk that takes no more is one line."""

from __future__ import annotations

import errno
import os
import threading
from pathlib import Path

import pytest

from grounding.core import UserError
from grounding.training.disk import naming_a_full_disk


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
