"""Tests of grounding.curriculum.replies."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from grounding.core import LoadedSample, Sample, UserError
from grounding.curriculum.replies import Request, replies, request_key
from grounding.datasets.toy import ToySource, toy_source
from grounding.tasks.asking import Asking
from grounding.tasks.stvg import STVG
from grounding.tasks.vtg import VTG
from prompting import IdMarker

ASKING = Asking(VTG, "short", IdMarker())


@dataclass
class Echo:
    """Says the key, its own name and a number; the last request first."""

    identity: str = "echo"
    asked: list[str] = field(default_factory=list)

    def ask(self, requests: Sequence[Request], count: int) -> Iterator[tuple[int, Sequence[str]]]:
        for place in reversed(range(len(requests))):
            key = requests[place].key
            self.asked.append(key)
            yield place, [f"{key} {self.identity} {number}" for number in range(count)]


def request(key: str) -> Request:
    def turn() -> tuple[str]:
        raise AssertionError("no video is to be read")

    return Request(key, turn)


def ask(file: Path, backend: Echo, *keys: str, count: int = 1) -> list[tuple[str, ...]]:
    return list(replies([request(key) for key in keys], count, backend, file))


def test_replies_come_in_the_order_of_the_requests(tmp_path: Path) -> None:
    assert ask(tmp_path / "deep" / "r.jsonl", Echo(), "a", "b", count=2) == [
        ("a echo 0", "a echo 1"),
        ("b echo 0", "b echo 1"),
    ]


def test_what_is_known_is_not_asked_again(tmp_path: Path) -> None:
    file, again = tmp_path / "r.jsonl", Echo()
    first = ask(file, Echo(), "a", "b")
    assert ask(file, again, "b", "c", "a") == [first[1], ("c echo 0",), first[0]]
    assert again.asked == ["c"]


def test_equal_keys_are_asked_once(tmp_path: Path) -> None:
    backend = Echo()
    assert ask(tmp_path / "r.jsonl", backend, "a", "b", "a") == [("a echo 0",), ("b echo 0",), ("a echo 0",)]
    assert sorted(backend.asked) == ["a", "b"]


@pytest.mark.parametrize(("identity", "count"), [("other", 1), ("echo", 2)])
def test_another_model_and_another_count_are_asked_anew(tmp_path: Path, identity: str, count: int) -> None:
    file, other = tmp_path / "r.jsonl", Echo(identity)
    ask(file, Echo(), "a")
    assert ask(file, other, "a", count=count) == [tuple(f"a {identity} {number}" for number in range(count))]
    assert other.asked == ["a"]


def test_progress_tells_what_is_known_and_how_much_there_is(tmp_path: Path) -> None:
    file, told = tmp_path / "r.jsonl", list[tuple[int, int]]()
    ask(file, Echo(), "a")
    some = [request(key) for key in ("a", "b", "c", "b")]
    list(replies(some, 1, Echo(), file, lambda known, total: told.append((known, total))))
    assert told == [(1, 3), (2, 3), (3, 3)]


def test_what_has_come_is_kept_when_a_backend_gives_up(tmp_path: Path) -> None:
    class Tired(Echo):
        def ask(self, requests: Sequence[Request], count: int) -> Iterator[tuple[int, Sequence[str]]]:
            yield from list(super().ask(requests, count))[:1]
            raise UserError("enough")

    file, again = tmp_path / "r.jsonl", Echo()
    with pytest.raises(UserError, match="enough"):
        ask(file, Tired(), "a", "b", "c")
    ask(file, again, "a", "b", "c")
    assert again.asked == ["b", "a"]


def test_a_backend_is_left_in_peace_when_all_is_known(tmp_path: Path) -> None:
    class Down(Echo):
        def ask(self, requests: Sequence[Request], count: int) -> Iterator[tuple[int, Sequence[str]]]:
            raise UserError("down")

    file = tmp_path / "r.jsonl"
    first = ask(file, Echo(), "a", "b")
    assert ask(file, Down(), "a", "b") == first
    assert ask(file, Down()) == []


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ([(0, ["x"])], "reply to all 2 requests, 1 are left"),
        ([(0, ["x", "y"])], "give 1 texts for each request, got 2"),
    ],
)
def test_a_backend_that_breaks_its_word_is_named(tmp_path: Path, given: Any, told: str) -> None:
    class Wrong(Echo):
        def ask(self, requests: Sequence[Request], count: int) -> Iterator[tuple[int, Sequence[str]]]:
            return iter(given)

    with pytest.raises(UserError, match=told):
        ask(tmp_path / "r.jsonl", Wrong(), "a", "b")


def test_asking_never_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="each request must be asked 1 time or more, got 0"):
        ask(tmp_path / "r.jsonl", Echo(), "a", count=0)


@dataclass(frozen=True)
class Unread:
    """A source that is never to be read."""

    inner: ToySource

    @property
    def samples(self) -> Sequence[Sample]:
        return self.inner.samples

    def load(self, sample: Sample) -> LoadedSample:
        raise AssertionError("no video is to be read")

    def version(self, sample: Sample) -> str:
        return self.inner.version(sample)


def key(asking: Asking = ASKING, done: Any = None, number: int = 0, query: str = "", **toy: Any) -> str:
    source = Unread(toy_source(7_770_000_000, 9, **toy))
    sample = source.samples[number]
    return request_key(source, replace(sample, query=query or sample.query), asking, done)


def test_the_key_is_the_same_for_the_same_question() -> None:
    assert key() == key()
    code = (
        "from grounding.curriculum.replies import request_key; from grounding.datasets.toy import toy_source; "
        "from grounding.tasks.asking import Asking; from grounding.tasks.vtg import VTG; "
        "from prompting import IdMarker; "
        "s = toy_source(7_770_000_000, 9); print(request_key(s, s.samples[0], Asking(VTG, 'short', IdMarker())))"
    )
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert other.stdout.strip() == key()  # nor does it differ between processes


def test_the_key_differs_with_whatever_the_replies_depend_on() -> None:
    masked, wider = ["mask", [[1.0, 2.0]]], ["mask", [[0.5, 2.0]]]
    others = [
        key(done=masked),
        key(done=wider),
        key(replace(ASKING, kind="full")),
        key(replace(ASKING, task=STVG)),
        key(number=1),
        key(query="something else"),
        key(fps=1.0),
    ]
    assert len({key(), *others}) == len(others) + 1


def test_the_marker_counts_where_it_draws() -> None:
    badge = IdMarker("badge")
    assert key(replace(ASKING, marker=badge)) == key()
    assert key(Asking(STVG, "short", badge)) != key(Asking(STVG, "short", IdMarker()))


def test_a_torn_last_line_is_asked_again(tmp_path: Path) -> None:
    file, again = tmp_path / "r.jsonl", Echo()
    ask(file, Echo(), "a", "b")  # b stands first
    whole = file.read_bytes()
    file.write_bytes(whole[:-9])
    assert ask(file, again, "a", "b") == [("a echo 0",), ("b echo 0",)]
    assert again.asked == ["a"]
    assert file.read_bytes() == whole


def test_a_damaged_line_is_named(tmp_path: Path) -> None:
    file = tmp_path / "r.jsonl"
    ask(file, Echo(), "a", "b")
    lines = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(lines[0] + lines[1][:20] + b"\n")
    with pytest.raises(UserError, match=rf"^{file}, row 2: the line is not JSON.*; remove the line"):
        ask(file, Echo(), "a", "b")
