"""Tests of grounding.datasets.nextgqa."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from grounding.core import Interval
from grounding.datasets.catalog import open_dataset

HEAD = "video_id,frame_count,width,height,question,answer,qid,type,a0,a1,a2,a3,a4\n"
OPTIONS = "share,sit down,unwrap it,play,gesture"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rows = [f"488,900,640,480,why did he,unwrap it,1,CW,{OPTIONS}", f"488,900,640,480,what next,0,2,TN,{OPTIONS}"]
    (tmp_path / "val.csv").write_text(HEAD + "\n".join(rows) + "\n")
    location = {"1": [[1.2, 5.8]], "2": [[7, 9.5], [20, 31]]}
    (tmp_path / "gsub_val.json").write_text(json.dumps({"488": {"duration": 30, "location": location, "fps": 30}}))
    (tmp_path / "map_vid_vidorID.json").write_text(json.dumps({"488": "1104/488"}))
    return tmp_path


def test_answers_by_text_or_number_spans_and_folders(folder: Path) -> None:
    made = open_dataset("nextgqa", folder, split="val")
    first, second = made.samples
    assert (first.id, first.video, first.truth.choices) == ("488_1", "1104/488.mp4", frozenset("C"))
    assert first.truth.intervals == (Interval(1.2, 5.8),)
    assert first.meta["options"] == OPTIONS.split(",") and first.meta["duration"] == 30
    assert second.truth.choices == frozenset("A")  # 0 counts from 0
    assert second.truth.intervals == (Interval(7, 9.5), Interval(20, 30))  # cut off at 30 s
    assert [(one.kind, one.amount) for one in made.findings] == [("beyond", 1.0)]


def test_training_has_no_spans(folder: Path) -> None:
    (folder / "gsub_val.json").unlink()
    (folder / "map_vid_vidorID.json").unlink()
    first = open_dataset("nextgqa", folder, split="val").samples[0]
    assert first.truth.segments is None and first.truth.choices == frozenset("C") and first.video == "488.mp4"


def test_the_text_of_an_option_goes_before_its_number(tmp_path: Path) -> None:
    (tmp_path / "train.csv").write_text(HEAD + "1,9,6,4,how many,2,0,CH,zero,2,three,four,five\n")
    assert open_dataset("nextgqa", tmp_path / "train.csv").samples[0].truth.choices == frozenset("B")


@pytest.mark.parametrize("answer", ["nobody", "5", "-1", "", "²"])
def test_an_answer_that_is_no_option_is_told(folder: Path, answer: str) -> None:
    good = f"1,9,6,4,q,play,7,CH,{OPTIONS}\n"
    (folder / "val.csv").write_text(HEAD + f"1,9,6,4,q,{answer},0,CH,{OPTIONS}\n" + good)
    made = open_dataset("nextgqa", folder / "val.csv")
    assert [sample.id for sample in made.samples] == ["1_7"]
    assert made.findings[0].row == 2 and "is none of the options" in made.findings[0].message


def test_the_form_of_videochat_r1(tmp_path: Path) -> None:
    row = {"id": "488_1", "video": "1104/488.mp4", "question": "why?", "options": ["(A) share", "(B) sit", "(C) a b"]}
    row |= {"duration": 30, "glue": [[1, 2]], "type": "CW", "answer": "(C)"}  # type: ignore[dict-item]
    (tmp_path / "val.json").write_text(json.dumps([row]))
    (sample,) = open_dataset("nextgqa", tmp_path / "val.json").samples
    assert (sample.id, sample.truth.choices, sample.truth.intervals) == ("488_1", frozenset("C"), (Interval(1, 2),))
    assert sample.meta["options"] == ["share", "sit", "a b"]


@pytest.mark.shared_data
def test_the_official_validation_split(shared_data: Path) -> None:
    made = open_dataset("nextgqa", shared_data / "vtg" / "nextgqa", split="val")
    assert len(made.samples) == 3358 and len({sample.video for sample in made.samples}) == 567
    assert all(sample.truth.intervals for sample in made.samples)
    several = sum(len(sample.truth.intervals or ()) > 1 for sample in made.samples)
    assert several / 3358 == pytest.approx(0.101, abs=0.0005)
    assert [(one.kind, one.action) for one in made.findings] == [("beyond", "clamped")] * 3
