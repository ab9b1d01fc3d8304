"""`scripts/score.py` as a command."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

Command = Callable[..., "subprocess.CompletedProcess[str]"]

TRUTH = {"a": [0.0, 10.0], "b": [0.0, 10.0]}


def put(path: Path, value: object) -> Path:
    path.write_text(value if isinstance(value, str) else json.dumps(value))
    return path


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    return put(tmp_path / "truth.json", TRUTH), put(tmp_path / "preds.json", {"a": [0.0, 5.0], "b": [0.0, 10.0]})


def arguments(truth: Path, *predictions: Path) -> list[str]:
    return ["--benchmark", "vtg", "--truth", str(truth), "--predictions", *map(str, predictions)]


def test_a_table_and_two_files(command: Command, files: tuple[Path, Path], tmp_path: Path) -> None:
    done = command("score.py", *arguments(*files), "--out", "scores.json")
    assert done.returncode == 0, done.stderr
    assert "0.7500 [" in done.stdout and "mIoU" in done.stdout
    assert "2 rows for 2 samples: 2 answers" in done.stdout
    assert "wrote scores.json, scores.csv" in done.stdout
    assert json.loads((tmp_path / "scores.json").read_text())["mIoU"] == 0.75
    assert (tmp_path / "scores.csv").read_text().splitlines()[1].startswith("a,answered,1,1,0,0.5")


def test_two_files_are_compared(command: Command, files: tuple[Path, Path], tmp_path: Path) -> None:
    better = put(tmp_path / "better.json", TRUTH)
    done = command("score.py", *arguments(*files, better), "--out", "scores.json")
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "scores.json").read_text())["difference"]["mIoU"]["value"] == 0.25


def test_what_is_wrong_is_told_and_the_rest_is_scored(command: Command, files: tuple[Path, Path]) -> None:
    put(files[1], '{"a": [5.0, 3.0], "b": [0.0, 10.0], "c": [0.0, 1.0]}')
    done = command("score.py", *arguments(*files))
    assert done.returncode == 0
    assert "preds.json, row 1 (a): the interval is reversed" in done.stderr
    assert "preds.json, row 3 (c): the truth has no sample with this id" in done.stderr
    assert "3 rows for 2 samples: 1 answers, 1 invalid, 1 unknown" in done.stdout


def test_many_wrong_rows_are_counted(command: Command, files: tuple[Path, Path]) -> None:
    put(files[1], {"a": [0.0, 1.0]} | {f"x{number}": [0.0, 1.0] for number in range(30)})
    done = command("score.py", *arguments(*files))
    assert "not scored: 10 more rows" in done.stderr and done.stderr.count("\n") == 21


@pytest.mark.parametrize(
    ("changed", "more", "named"),
    [
        ('{"a": [5.0, 3.0], "b": [0.0, 10.0]}', ["--strict"], "preds.json, row 1 (a): the interval is reversed"),
        ('{"a": [0.0, 3.0]}', ["--strict"], "preds.json: no prediction for b"),
        ('{"a": [0.0, 3.0', [], "preds.json, line 1, column 16: not JSON"),
        ('{"x": [0.0, 3.0]}', [], "none of its 1 rows can be used"),
        (TRUTH, ["--compat", "tubedetr"], "vtg has no --compat 'tubedetr'"),
        (TRUTH, ["--benchmark", "vtgg"], "did you mean vtg?"),
        (TRUTH, ["--truth", "none.json"], "cannot read none.json"),
        (TRUTH, ["--resamples", "0"], "--resamples must be 1 to 1000000"),
        (TRUTH, ["--predictions", "a", "b", "c"], "give one prediction file, or two to compare, got 3"),
        (TRUTH, ["--out", "truth.json"], "the output truth.json is also an input ("),
        (TRUTH, ["--out", "truth.json", "--overwrite"], "the output truth.json is also an input"),
        (TRUTH, ["--out", "./preds.json", "--overwrite"], "the output preds.json is also an input"),
        (TRUTH, ["--out", "other.json"], "other.json exists already"),
        (TRUTH, ["--out", "link.json", "--overwrite"], "the output link.json is also an input"),
        (TRUTH, ["--out", "hard.json", "--overwrite"], "the output hard.json is also an input"),
        (TRUTH, ["--truth", "pipe.json"], "cannot read pipe.json: it is a named pipe"),
        (TRUTH, ["--predictions", "pipe.json"], "cannot read pipe.json: it is a named pipe"),
        (TRUTH, ["--out", "."], "cannot write .: it is a folder"),
        (TRUTH, ["--out", "a" * 300 + ".json"], "File name too long"),
    ],
)
def test_a_mistake_is_one_line_and_status_2(
    command: Command, files: tuple[Path, Path], changed: object, more: list[str], named: str
) -> None:
    put(files[1], changed)
    put(files[0].with_name("other.json"), "mine")
    os.mkfifo(files[0].with_name("pipe.json"))
    files[0].with_name("link.json").symlink_to(files[0])
    files[0].with_name("hard.json").hardlink_to(files[1])
    before = files[0].read_text(), files[1].read_text()
    done = command("score.py", *arguments(*files), *more)
    assert done.returncode == 2
    assert (files[0].read_text(), files[1].read_text()) == before
    assert done.stderr.startswith("error: ") and done.stderr.count("\n") == 1
    assert named in done.stderr and done.stdout == ""


def test_data_cannot_write_to_the_terminal_or_make_formulas(command: Command, tmp_path: Path) -> None:
    rows = [{"id": "=1+1", "answer": "A", "group": "\x1b[2J\ud800"}, {"id": "-5", "answer": "B"}]
    truth = put(tmp_path / "truth.json", rows)
    said = put(tmp_path / "preds.json", {"=1+1": "A", "-5": "B", "\x1b[31mred": "C", "z": "\x1b[2J"})
    done = command(
        "score.py", "--benchmark", "mcq", "--truth", str(truth), "--predictions", str(said), "--out", "s.json"
    )
    assert done.returncode == 0, done.stderr
    assert "\x1b" not in done.stdout + done.stderr
    assert [line.split(",")[0] for line in (tmp_path / "s.csv").read_text().splitlines()] == ["id", "'=1+1", "'-5"]


def test_help_names_every_benchmark(command: Command) -> None:
    done = command("score.py", "--help")
    assert done.returncode == 0
    for word in ("hcstvg", "qvhighlights", "nextgqa", "scannet_agnostic", "--compat", "--strict", "--skip-missing"):
        assert word in done.stdout


@pytest.mark.shared_data
def test_published_figures_stand_at_the_top_of_the_file(command: Command, tmp_path: Path, shared_data: Path) -> None:
    folder = shared_data / "vtg" / "qvhighlights"
    files = [
        "--predictions",
        str(folder / "sample_val_preds.jsonl"),
        "--truth",
        str(folder / "highlight_val_release.jsonl"),
    ]
    done = command("score.py", "--benchmark", "qvhighlights", *files, "--out", "scores.json", "--strict")
    assert done.returncode == 0, done.stderr
    value = json.loads((tmp_path / "scores.json").read_text())
    published = json.loads((folder / "sample_val_preds_metrics_raw.json").read_text())["brief"]
    assert {name: value[name] for name in published} == published
