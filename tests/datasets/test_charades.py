"""Tests of grounding.datasets.charades."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from grounding.core import Interval, UserError
from grounding.datasets.catalog import open_dataset
from grounding.datasets.records import AS_IT_STANDS, Cleaning

# The four reversed rows of the official training split, among good ones.
LINES = """AO8RW 0.0 6.9##a person is putting a book on a shelf.
LEOL6 8.0 7.0##person closes the door.
AO8RW 30.0 35.2##person sits.
IOL8Q 20.9 12.0##person drinks.
AKKWU 38.0 13.0##person opens a book.
AKKWU 38.0 13.0##person opens a book.
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "charades_sta_train.txt").write_text(LINES)
    (tmp_path / "Charades_v1_train.csv").write_text("id,subject,length\nAO8RW,X1,33.75\nAKKWU,X2,12.27\n")
    return tmp_path


def test_official_lines_and_durations(folder: Path) -> None:
    made = open_dataset("charades", folder, split="train")
    assert [(s.id, s.video, s.truth.interval) for s in made.samples] == [
        ("AO8RW_0", "AO8RW.mp4", Interval(0, 6.9)),
        ("AO8RW_1", "AO8RW.mp4", Interval(30, 33.75)),  # its video lasts 33.75 s
    ]
    assert made.samples[0].query == "a person is putting a book on a shelf."
    assert [(one.kind, one.action, one.row, one.sample_id) for one in made.findings] == [
        ("reversed", "rejected", 2, "LEOL6_0"),
        ("beyond", "clamped", 3, "AO8RW_1"),
        ("reversed", "rejected", 4, "IOL8Q_0"),
        ("reversed", "rejected", 5, "AKKWU_0"),
        ("reversed", "rejected", 6, "AKKWU_1"),
    ]
    assert made.findings[1].amount == pytest.approx(35.2 - 33.75)


def test_what_other_policies_make_of_the_reversed_rows(folder: Path) -> None:
    swapped = open_dataset("charades", folder, split="train", cleaning=Cleaning(reversed="clamp"))
    intervals = {sample.id: sample.truth.interval for sample in swapped.samples}
    assert intervals["LEOL6_0"] == Interval(7, 8) and intervals["IOL8Q_0"] == Interval(12, 20.9)
    assert "AKKWU_0" not in intervals  # [13, 38] lies behind the end of its video of 12.27 s
    raw = open_dataset("charades", folder, split="train", cleaning=AS_IT_STANDS)
    assert len(raw.samples) == 6
    assert raw.samples[2].truth.interval == Interval(30, 35.2)


def test_without_the_table_no_duration_is_known(folder: Path) -> None:
    (folder / "Charades_v1_train.csv").unlink()
    made = open_dataset("charades", folder, split="train")
    assert made.samples[1].truth.interval == Interval(30, 35.2) and "duration" not in made.samples[0].meta


def test_both_forms_give_the_same_ids_and_truths(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("X 1 2##a\nY 0 3##b\nX 2 4##c\n")
    value = {
        "X": {"duration": 9, "timestamps": [[1, 2], [2, 4]], "sentences": ["a", "c"]},
        "Y": {"duration": 9, "timestamps": [[0, 3]], "sentences": ["b"]},
    }
    (tmp_path / "a.json").write_text(json.dumps(value))
    first, second = (open_dataset("charades", tmp_path / name).samples for name in ("a.txt", "a.json"))
    assert {s.id: (s.query, s.truth) for s in first} == {s.id: (s.query, s.truth) for s in second}


@pytest.mark.parametrize("line", ["X 1 2 no mark", "X 1##a", "X one 2##a", "X 1 2 3##a", "##a"])
def test_a_broken_line_is_told_and_the_next_is_read(tmp_path: Path, line: str) -> None:
    (tmp_path / "a.txt").write_text(f"{line}\nX 1 2##good\n")
    made = open_dataset("charades", tmp_path / "a.txt")
    assert [sample.query for sample in made.samples] == ["good"]
    assert [(one.row, one.action) for one in made.findings] == [(1, "rejected")]


def test_a_broken_length_names_its_table_and_row(folder: Path) -> None:
    (folder / "Charades_v1_train.csv").write_text("id,subject,length\nAO8RW,X1,33.75\nAKKWU,X2,long\n")
    with pytest.raises(UserError, match=r"Charades_v1_train\.csv, row 3: length must be a number, got 'long'"):
        open_dataset("charades", folder, split="train")


def test_charades_cd_calls_the_duration_otherwise(tmp_path: Path) -> None:
    value = {"timestamps": [[39.3, 45.0]], "sentences": ["a"], "video_duration": 47.625, "video_fps": -1.0}
    (tmp_path / "charades_test_ood.json").write_text(json.dumps({"N14BK": value}))
    (sample,) = open_dataset("charades", tmp_path / "charades_test_ood.json").samples
    assert (sample.id, sample.truth.interval, sample.meta["duration"]) == ("N14BK_0", Interval(39.3, 45), 47.625)


@pytest.mark.parametrize("name", ["charades", "activitynet", "qvhighlights"])
def test_the_form_of_qvhighlights_without_saliency(tmp_path: Path, name: str) -> None:
    row = {"query": "person turn a light on.", "duration": 30.96, "vid": "3MSZA"}
    windows = [[[24.3, 30.4]], [[0, 1], [2, 3]], [[None, None]]]
    lines = [{"qid": n, **row, "relevant_windows": said} for n, said in enumerate(windows)] + [{"qid": 3, **row}]
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, lines)))
    made = open_dataset(name, tmp_path / "a.jsonl")
    assert made.findings == [] and [s.id for s in made.samples] == ["0", "1", "2", "3"]
    one, several, nobody, test = (s.truth for s in made.samples)
    assert one.segments == (Interval(24.3, 30.4),) and (one.interval is None) == (name == "qvhighlights")
    assert several.intervals == (Interval(0, 1), Interval(2, 3))
    assert nobody.segments is None and test.segments is None
    assert made.samples[0].video == "3MSZA.mp4" and made.samples[0].meta["duration"] == 30.96


@pytest.mark.shared_data
def test_the_official_test_split(shared_data: Path) -> None:
    folder = shared_data / "vtg" / "charades"
    made = open_dataset("charades", folder, split="test", videos=folder / "videos")
    assert len(made.samples) == 3720 and len({sample.video for sample in made.samples}) == 1334
    assert [one.kind for one in made.findings] == ["beyond"] * 562
    assert sum(sample.video == "OHOFG.mp4" for sample in made.samples) == 6
