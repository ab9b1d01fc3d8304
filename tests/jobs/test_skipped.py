"""What is left out of a run is listed once, by all of its processes and after a resume."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from grounding.core import Sample, UserError
from grounding.datasets.problems import Problem
from grounding.datasets.toy import toy_source
from grounding.jobs.skipped import Skipped

SOURCE = toy_source(0, 1)
FOUND = Problem("train.json", 3, "c", "no masks")


def listing(path: Path) -> Skipped:
    return Skipped(path, "train.json", allowed=True)


def broken(name: str, row: int) -> Sample:
    sample = SOURCE.samples[0]
    return Sample(name, sample.video, sample.query, sample.truth, {"row": row})


def test_what_is_met_is_listed_once(tmp_path: Path) -> None:
    skipped = listing(tmp_path / "skipped.jsonl")
    skipped.begin([FOUND])
    take = skipped.on_broken(SOURCE)
    assert take is not None
    for name, row in (("a", 1), ("a", 1), ("b", 2)):
        take(broken(name, row), f"sample {name}: no frames")
    met = [Problem("train.json", 1, "a", "no frames"), Problem("train.json", 2, "b", "no frames")]
    assert skipped.listed() == [FOUND, *met]
    assert len((tmp_path / "skipped.jsonl").read_text().splitlines()) == 3


def test_a_resumed_run_keeps_what_was_met(tmp_path: Path) -> None:
    path = tmp_path / "skipped.jsonl"
    first = listing(path)
    first.begin([])
    assert not path.exists() and first.listed() == []
    first.on_broken(SOURCE)(broken("a", 1), "no frames")  # type: ignore[misc]
    with path.open("a") as file:
        file.write('{"file": "tra')  # killed
    second = listing(path)
    second.begin([FOUND])
    second.on_broken(SOURCE)(broken("a", 1), "no frames")  # type: ignore[misc]
    assert [problem.sample_id for problem in second.listed()] == ["c", "a"]


def test_two_processes_count_a_row_once(tmp_path: Path) -> None:
    one, other = (listing(tmp_path / "skipped.jsonl") for _ in range(2))
    for skipped in (one, other):
        skipped.on_broken(SOURCE)(broken("a", 1), "no frames")  # type: ignore[misc]
    assert len(one.listed()) == 1


def test_where_it_is_not_allowed_nothing_is_left_out(tmp_path: Path) -> None:
    assert Skipped(tmp_path / "skipped.jsonl", "train.json", allowed=False).on_broken(SOURCE) is None


@pytest.mark.parametrize("line", ["{", "7", "[]", json.dumps({"file": "a"}), "\udcff"])
def test_a_damaged_list_is_one_line(tmp_path: Path, line: str) -> None:
    path = tmp_path / "skipped.jsonl"
    path.write_text(line + "\n", errors="surrogateescape")
    with pytest.raises(UserError, match=r"skipped\.jsonl") as caught:
        listing(path).begin([])
    assert "\n" not in str(caught.value)
