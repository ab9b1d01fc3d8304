"""Tests of grounding.curriculum.replies."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from grounding.core import UserError
from grounding.curriculum.replies import Request, replies


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
