"""Tests of grounding.curriculum.store: what kills, full disks and other processes leave of a file."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from grounding.core import UserError
from grounding.curriculum.store import open_store

KEYS = ["a", "b", "c"]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Replies to a and b."""
    path = tmp_path / "deep" / "r.jsonl"
    with open_store(path, KEYS) as store:
        store.add("a", ("1", "2"))
        store.add("b", ("\ud800é\n",))
    return path


def known(path: Path, *keys: str) -> dict[str, tuple[str, ...]]:
    with open_store(path, keys or KEYS) as store:
        return {key: store[key] for key in KEYS if key in store}


def test_what_was_added_is_read_again(file: Path) -> None:
    assert known(file) == {"a": ("1", "2"), "b": ("\ud800é\n",)}
    assert file.read_bytes().count(b"\n") == 2


def test_only_what_is_wanted_is_held(file: Path) -> None:
    assert known(file, "b") == {"b": ("\ud800é\n",)}


def test_the_first_replies_stand(file: Path) -> None:
    with open_store(file, KEYS) as one, open_store(file, KEYS) as other:
        one.add("c", ("first",))
        other.add("c", ("second",))
        assert one["c"] == other["c"] == ("first",)
    assert known(file)["c"] == ("first",)
    file.write_text('{"key": "c", "texts": ["later"]}\n' + file.read_text())  # by whatever means
    assert known(file)["c"] == ("later",)


@pytest.mark.parametrize("left", range(0, 40, 3))
def test_a_torn_end_is_cut_off(file: Path, left: int) -> None:
    whole = file.read_bytes()
    first = whole.index(b"\n") + 1
    file.write_bytes(whole[: first + left] if first + left < len(whole) else whole[:-1])
    with open_store(file, KEYS) as store:
        assert "b" not in store
        store.add("b", ("\ud800é\n",))
    assert file.read_bytes() == whole


def test_a_torn_end_that_another_process_left_meanwhile_is_cut_off(file: Path) -> None:
    with open_store(file, KEYS) as store:
        whole = file.read_bytes()
        with file.open("ab") as other:
            other.write(b'{"key": "c", "te')
        store.add("c", ("3",))
        store.add("a", ("never",))
    assert file.read_bytes() == whole + b'{"key": "c", "texts": ["3"]}\n'


@pytest.mark.parametrize(
    ("line", "told"),
    [
        (b"", "the line is not JSON"),
        (b'{"key": "b", "tex', "the line is not JSON"),
        (b"\xff", "the line is not UTF-8"),
        (b"[]", "the line must be {"),
        (b'{"key": "b"}', "the line must be {"),
        (b'{"key": 1, "texts": ["x"]}', "the line must be {"),
        (b'{"key": "b", "texts": "x"}', '"texts" must be a list of texts'),
        (b'{"key": "b", "texts": []}', '"texts" must be a list of texts'),
        (b'{"key": "b", "texts": [1]}', '"texts" must be a list of texts'),
        (b'{"key": "b", "key": "c", "texts": ["x"]}', "the key 'key' stands twice"),
    ],
)
def test_a_damaged_line_is_named(file: Path, line: bytes, told: str) -> None:
    first, second = file.read_bytes().splitlines(keepends=True)
    damaged = first + line + b"\n" + second
    file.write_bytes(damaged)
    with pytest.raises(UserError) as error:
        known(file)
    assert str(error.value).startswith(f"{file}, row 2: ")
    assert told in str(error.value)
    assert str(error.value).endswith("; remove the line, and its request is asked again")
    assert file.read_bytes() == damaged


def test_another_file_is_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("my notes, without a line end")
    with pytest.raises(UserError, match="row 1: the line is not JSON"):
        known(path)
    assert path.read_text() == "my notes, without a line end"


def test_a_line_without_end_is_not_held_in_memory(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("grounding.curriculum.store.LONGEST", 20)
    whole = file.read_bytes()
    with pytest.raises(UserError, match="row 1: the line is not JSON"):
        known(file)
    assert file.read_bytes() == whole


@pytest.mark.parametrize(("make", "told"), [(Path.mkdir, "a folder"), (os.mkfifo, "a named pipe")])
def test_what_is_no_file_is_refused(tmp_path: Path, make: object, told: str) -> None:
    path = tmp_path / "x"
    make(path)  # type: ignore[operator]
    with pytest.raises(UserError, match=f"cannot read the replies {path}: it is {told}; give the path of a file"):
        known(path)


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=f"cannot write {tmp_path}/file/r.jsonl: File exists; free some space"):
        known(tmp_path / "file" / "r.jsonl")


@contextmanager
def room_for(size: int) -> Iterator[None]:
    """No file may grow beyond so many bytes, as if the disk were full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_is_one_line_and_costs_one_reply(file: Path) -> None:
    whole = file.read_bytes()
    told = f"cannot write {file}: File too large; free some space"
    with pytest.raises(UserError, match=told), room_for(len(whole) + 10), open_store(file, KEYS) as store:
        store.add("c", ("3",))
    assert len(file.read_bytes()) == len(whole) + 10
    with open_store(file, KEYS) as store:
        store.add("c", ("3",))
    assert file.read_bytes() == whole + b'{"key": "c", "texts": ["3"]}\n'


def test_where_there_are_no_locks_it_is_said_once(
    file: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def none(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", none)
    with open_store(file, KEYS) as store:
        store.add("c", ("3",))
        assert store["c"] == ("3",)
    assert [record.getMessage() for record in caplog.records] == [
        f"{file} is on a file system without locks; let one run at a time write there"
    ]


MANY = """
import sys
from pathlib import Path
from grounding.curriculum.store import open_store
who, file = sys.argv[1], Path(sys.argv[2])
keys = [f"both {n}" for n in range(300)] + [f"{who} {n}" for n in range(300)]
with open_store(file, keys) as store:
    for key in keys:
        store.add(key, (who * 500,))
    for key in keys:
        print(store[key][0][0], end="")
"""


def test_processes_that_share_a_file_neither_garble_it_nor_disagree(tmp_path: Path) -> None:
    file = tmp_path / "r.jsonl"
    runs = [subprocess.Popen([sys.executable, "-c", MANY, who, file], stdout=subprocess.PIPE) for who in "xy"]
    first, second = (run.communicate(timeout=60)[0].decode() for run in runs)
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    assert len({row["key"] for row in rows}) == len(rows) == 900
    assert first[:300] == second[:300]  # of what both asked, one reply stands for both
    assert first[300:] == "x" * 300
    assert second[300:] == "y" * 300
