"""`task=gqa` trains on files as the datasets' authors write them; a row that cannot be asked about: one line."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from omegaconf import OmegaConf

from grounding.commands.options import composed
from grounding.commands.train import train
from grounding.core import UserErrors, write_video
from grounding.training.config import register

SMALL = [
    *("task=gqa", "warmup.max_steps=0", "model.max_new_tokens=8", "objective.generations=2"),
    *("trainer.max_steps=1", "trainer.prompts=2", "trainer.groups_per_pass=2", "trainer.report_to=[]"),
    *("data.max_frames=4", "data.eval_samples=2"),
]
FIGURES = {"Acc@GQA", "accuracy", "mIoP", "mIoU", "union_IoU", "parse_rate", "count"}
NAMES = ("video_id", "frame_count", "width", "height", "question", "answer", "qid", "type")
ASKED = {"video_id": "17", "frame_count": 30, "width": 84, "height": 56, "question": "why does he sit", "type": "CW"}
ASKED |= {f"a{place}": text for place, text in enumerate(("rest", "eat", "see", "hear", "sleep"))}
SPANS = {"1": [[0, 1.2]], "2": [[0.0, 1.0], [2.0, 3.0]], "3": [[0, 1]]}
OPTIONS = ["rest", "eat", "see", "hear"]
REXTIME = {"qid": "1", "vid": "17", "duration": 3, "question": "Why?", "options": OPTIONS, "span": [0, 1], "ans": "B"}
WITHOUT = {"qid": "2", "vid": "17", "duration": 3, "query": "Why?", "relevant_windows": [[0, 1]], "ans": "B"}
GLUED: dict[str, Any] = {"id": "1", "video": "17.mp4", "question": "Why?", "options": ["(A) rest", "(B) eat"]}
GLUED |= {"duration": 3, "glue": [[0, 1], [2, 3]], "answer": "(B)"}
OWN: dict[str, Any] = {"id": "1", "video": "part/17.mp4", "query": "Why?", "options": ["rest", "eat"], "choices": "B"}
OWN |= {"intervals": [[0, 1], [2, 3]]}
SAID: dict[str, Any] = {"id": "2", "video": "part/17.mp4", "query": "Why?", "text": "to eat", "interval": [1, 3]}


def nextgqa(folder: Path, answers: tuple[str, ...], spans: dict[str, Any]) -> Path:
    """A table of questions 1, 2, ... about one video, with the spans beside it."""
    with (folder / "val.csv").open("w", newline="") as file:
        rows = csv.DictWriter(file, [*NAMES, *(f"a{place}" for place in range(5))])
        rows.writeheader()
        rows.writerows({**ASKED, "answer": answer, "qid": qid} for qid, answer in enumerate(answers, start=1))
    known = {"17": {"duration": 3, "location": spans, "fps": 10.0}}
    (folder / "gsub_val.json").write_text(json.dumps(known))
    return folder / "val.csv"


def lines(folder: Path, name: str, *rows: Any) -> Path:
    (folder / name).write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder / name


FILES: dict[str, tuple[str, Callable[[Path], Path]]] = {
    "nextgqa": ("nextgqa", lambda folder: nextgqa(folder, ("eat", "0", "sleep"), SPANS)),
    "videochat-r1": ("nextgqa", lambda folder: lines(folder, "val.json", [GLUED])),
    "rextime": ("rextime", lambda folder: lines(folder, "rextime_train.json", [REXTIME, {**REXTIME, "qid": "2"}])),
    "jsonl": ("jsonl", lambda folder: lines(folder, "own.jsonl", OWN, SAID)),
}
WRONG: dict[str, tuple[str, Callable[[Path], Path], str]] = {
    "no spans": (
        "nextgqa",
        lambda folder: nextgqa(folder, ("eat", "rest"), {"1": [[0, 1]]}),
        "row 3 (17_2): the row does not say its interval or intervals; take a split whose truth is public",
    ),
    "no such answer": (
        "nextgqa",
        lambda folder: nextgqa(folder, ("eat", "drink"), SPANS),
        "row 3: the answer 'drink' is none of the options",
    ),
    "no options": (
        "rextime",
        lambda folder: lines(folder, "rextime_val.jsonl", REXTIME, WITHOUT),
        "row 2 (2): the answer is a letter, but the row has no options; take a file that has them",
    ),
    "no answer": (
        "rextime",
        lambda folder: lines(folder, "a.jsonl", REXTIME, {**REXTIME, "qid": "2", "ans": None}),
        "row 2 (2): the row does not say its choices or text; take a split whose truth is public",
    ),
    "a letter that no option has": (
        "jsonl",
        lambda folder: lines(folder, "own.jsonl", OWN, {**OWN, "id": "2", "choices": "C"}),
        "row 2 (2): ",
    ),
    "no evidence": (
        "jsonl",
        lambda folder: lines(folder, "own.jsonl", OWN, {**SAID, "interval": None}),
        'row 2 (2): the truth must be either "interval" or "intervals", got none of them',
    ),
    "evidence after the end": (
        "jsonl",
        lambda folder: lines(folder, "own.jsonl", OWN, {**SAID, "interval": [1, 30]}),
        "row 2 (2): interval [1, 30] s ends after the video",
    ),
    "letters without options": (
        "jsonl",
        lambda folder: lines(folder, "own.jsonl", OWN, {**OWN, "id": "2", "options": None}),
        'row 2 (2): "options" is missing, without which "choices" says nothing; add it',
    ),
}


@pytest.fixture
def videos(tmp_path: Path) -> Path:
    """A folder with the one video that all rows are about, 3 s long."""
    write_video(tmp_path / "videos" / "part" / "17.mp4", [np.zeros((56, 84, 3), np.uint8)] * 30, 10.0)
    return tmp_path / "videos"


def run_with(*overrides: str) -> dict[str, Any]:
    """The summary of a run, which has the figures of before and after its steps."""
    register()
    out = train(OmegaConf.to_object(composed([*SMALL, *overrides], "")))  # type: ignore[arg-type]
    summary: dict[str, Any] = json.loads((out / "summary.json").read_text())
    assert summary["before"].keys() == summary["after"].keys()
    return summary


@pytest.mark.slow
@pytest.mark.parametrize("name", FILES)
def test_a_run_on_files_in_the_official_form(name: str, videos: Path, tmp_path: Path) -> None:
    dataset, write = FILES[name]
    data = [f"data={dataset}", f"data.root={videos}", f"data.annotations={write(tmp_path)}"]
    summary = run_with(*data, f"out={tmp_path / 'run'}")
    assert summary["after"].keys() == FIGURES
    assert summary["skipped"] == 0


@pytest.mark.parametrize("name", WRONG)
def test_a_mistaken_row_is_one_line(name: str, videos: Path, tmp_path: Path) -> None:
    dataset, write, message = WRONG[name]
    data = [f"data={dataset}", f"data.root={videos}", f"data.annotations={write(tmp_path)}"]
    with pytest.raises(UserErrors) as caught:
        run_with(*data, f"out={tmp_path / 'run'}")
    assert [line for line in caught.value.errors if message in line] == caught.value.errors[:1]


@pytest.mark.slow
@pytest.mark.shared_data
def test_a_run_on_the_official_file_with_a_real_video_in_place_of_one_of_its_own(
    shared_data: Path, tmp_path: Path
) -> None:
    (tmp_path / "videos").mkdir()
    shutil.copy(shared_data / "video" / "juggle.mp4", tmp_path / "videos" / "6592821115.mp4")
    data = [f"data.annotations={shared_data / 'vtg' / 'nextgqa'}", "data.train_split=val", "data.eval_split=val"]
    more = ["data.on_error=skip", "trainer.max_steps=5", f"data.root={tmp_path / 'videos'}"]
    summary = run_with("data=nextgqa", *data, *more, f"out={tmp_path / 'run'}")
    assert (summary["after"]["count"], summary["skipped"]) == (2, 3345)  # 13 questions are about that video
