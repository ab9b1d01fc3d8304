"""The run folder of a resumed run: what it may be, and what is cut back."""

from __future__ import annotations

import errno
import json
import math
import os
from pathlib import Path
from typing import Any

import pytest

from grounding.commands.folder import forget
from grounding.commands.folder import open_folder as held_folder
from grounding.core import UserError
from grounding.jobs.checkpoints import Checkpoints
from grounding.jobs.runlog import cut_metrics
from grounding.training.config import (
    Config,
    MarkerConfig,
    ModelConfig,
    ObjectiveConfig,
    TaskConfig,
    TrainerConfig,
    WarmupConfig,
)
from grounding.training.data import ToyConfig
from grounding.training.stages import chosen


def config(out: Path, resume: str | None = "latest", **trainer: Any) -> Config:
    parts = (TaskConfig(), ToyConfig(), ModelConfig(), ObjectiveConfig(), TrainerConfig(**trainer), WarmupConfig())
    return Config(**dict(zip(("task", "data", "model", "objective", "trainer", "warmup"), parts, strict=True)),
                  marker=MarkerConfig(), out=str(out), resume=resume)  # fmt: skip


def open_folder(config: Config) -> Path:
    """The folder as a run that ends at once leaves it."""
    with held_folder(config, chosen(config)) as folder:
        return folder


def test_resume_begins_a_run_that_was_not_begun(tmp_path: Path) -> None:
    (tmp_path / ".config.abc.yaml").write_text("")  # killed while the first file was written
    assert open_folder(config(tmp_path)) == tmp_path
    assert (tmp_path / "config.yaml").is_file()


def test_a_folder_of_something_else_is_not_resumed(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("")
    with pytest.raises(UserError, match="holds no run to resume"):
        open_folder(config(tmp_path))


def test_without_resume_a_run_is_not_touched_and_the_way_on_is_told(tmp_path: Path) -> None:
    open_folder(config(tmp_path, None))
    with pytest.raises(UserError, match="not empty; resume=latest goes on with it"):
        open_folder(config(tmp_path, None))


def test_other_options_are_refused_by_name(tmp_path: Path) -> None:
    open_folder(config(tmp_path, None, prompts=16))
    with pytest.raises(UserError, match=r"trainer\.prompts was 16 and is 32") as caught:
        open_folder(config(tmp_path, prompts=32, keep=7))
    assert "keep" not in str(caught.value)
    open_folder(config(tmp_path, prompts=16, keep=7, save_steps=3))  # these do not change what is learnt


def test_options_that_cannot_be_read_are_one_line(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("a: [")
    with pytest.raises(UserError, match=r"cannot read .*config\.yaml") as caught:
        open_folder(config(tmp_path))
    assert "\n" not in str(caught.value)


def checkpoint(folder: Path, step: int) -> None:
    with Checkpoints(folder / "grpo" / "checkpoints", 2).saving(step, 0.0) as path:
        (path / "trainer_state.json").write_text(json.dumps({"global_step": step}))
        (path / "scheduler.pt").write_text("")


def write(path: Path, *rows: tuple[str, int]) -> None:
    path.write_text("".join(json.dumps({"phase": phase, "step": step}) + "\n" for phase, step in rows))


def left(path: Path) -> list[tuple[str, int]]:
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    return [(row["phase"], row["step"]) for row in rows]


ROWS = [("warmup", 1), ("warmup", 2), ("grpo", 1), ("grpo", 2), ("grpo", 3)]


@pytest.mark.parametrize(
    ("done", "kept"),
    [
        ([], []),
        (["warmup/model"], ROWS[:2]),
        (["warmup/model", "checkpoint"], ROWS[:4]),
        (["warmup/model", "checkpoint", "model"], ROWS),
        (["checkpoint"], ROWS[2:4]),
    ],
)
def test_metrics_are_cut_back_to_what_is_done(tmp_path: Path, done: list[str], kept: list[tuple[str, int]]) -> None:
    open_folder(config(tmp_path, None))
    write(tmp_path / "metrics.jsonl", *ROWS)
    for name in done:
        checkpoint(tmp_path, 2) if name == "checkpoint" else (tmp_path / name).mkdir(parents=True)
    (tmp_path / "curves.png").write_text("of the run that was killed")
    open_folder(config(tmp_path))
    assert left(tmp_path / "metrics.jsonl") == kept
    assert not (tmp_path / "curves.png").exists()


def test_a_complete_run_is_left_alone(tmp_path: Path) -> None:
    open_folder(config(tmp_path, None))
    for name in ("metrics.jsonl", "curves.png", "summary.json"):
        (tmp_path / name).write_text("as it was")
    open_folder(config(tmp_path))
    assert all((tmp_path / name).read_text() == "as it was" for name in ("metrics.jsonl", "curves.png"))


@pytest.mark.parametrize(("rows", "lost"), [(ROWS, 0), (ROWS[:3], 1), ([], 2)])
def test_figures_that_were_lost_are_said(
    tmp_path: Path, rows: list[tuple[str, int]], lost: int, capsys: pytest.CaptureFixture[str]
) -> None:
    open_folder(config(tmp_path, None))
    write(tmp_path / "metrics.jsonl", *rows)
    checkpoint(tmp_path, 2)
    open_folder(config(tmp_path))
    said = f"{tmp_path}/metrics.jsonl lacks {lost} of the 2 steps of grpo that were done; so will the curves\n"
    assert capsys.readouterr().err == (said if lost else "")


def test_a_checkpoint_that_is_no_longer_whole_is_refused_before_anything_is_cut(tmp_path: Path) -> None:
    open_folder(config(tmp_path, None))
    write(tmp_path / "metrics.jsonl", *ROWS)
    checkpoint(tmp_path, 2)
    (tmp_path / "grpo" / "checkpoints" / "step-000002" / "scheduler.pt").unlink()
    with pytest.raises(UserError, match=r"step-000002 is no longer whole: scheduler\.pt"):
        open_folder(config(tmp_path))
    assert left(tmp_path / "metrics.jsonl") == ROWS
    (tmp_path / "model").mkdir()  # trained to the end: no checkpoint is needed any more
    open_folder(config(tmp_path))


@pytest.mark.parametrize(
    "line",
    [b"\xff", b"{", b"[]", b"7", b'{"step": 1}', b'{"phase": "grpo", "step": "1"}', b"[" * 100_000, b"\xff\xfe{"],
)
def test_a_damaged_row_of_the_metrics_is_named(tmp_path: Path, line: bytes) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_bytes(b'{"phase": "grpo", "step": 1}\n' + line + b"\n")
    before = path.read_bytes()
    with pytest.raises(UserError, match=r"metrics\.jsonl, row 2: expected a .*; remove the line") as caught:
        cut_metrics(path, {"grpo": math.inf})
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 300
    assert path.read_bytes() == before


@pytest.mark.parametrize("torn", ["", '{"phase": "gr', '{"phase": "grpo", "step": 2}', "\udcff"])
def test_a_torn_last_line_goes(tmp_path: Path, torn: str) -> None:
    path = tmp_path / "metrics.jsonl"
    write(path, ("grpo", 1))
    with path.open("a", errors="surrogateescape") as file:
        file.write(torn)
    cut_metrics(path, {"grpo": math.inf})
    assert left(path) == [("grpo", 1)]
    cut_metrics(tmp_path / "none.jsonl", {})  # nothing was written yet


def test_a_run_that_read_no_data_leaves_no_folder_behind(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    (folder / "initial").mkdir(parents=True)
    for name in ("config.yaml", "metrics.jsonl", "initial/weights"):
        (folder / name).write_text("")
    (folder / "warmup").mkdir()
    forget(folder)
    assert sorted(path.name for path in folder.iterdir()) == ["config.yaml", "initial", "metrics.jsonl", "warmup"]
    (folder / "warmup").rmdir()
    forget(folder)
    assert list(folder.iterdir()) == []


def test_a_folder_that_was_forgotten_is_gone_when_the_run_ends(tmp_path: Path) -> None:
    with held_folder(config(tmp_path / "run", None), []) as folder:
        forget(folder)
    assert list(tmp_path.iterdir()) == []


def test_a_run_at_work_keeps_others_out(tmp_path: Path) -> None:
    with held_folder(config(tmp_path / "run", None), []) as folder:
        write(folder / "metrics.jsonl", *ROWS)
        (folder / "grpo" / "checkpoints" / ".step-000002.partial").mkdir(parents=True)
        with pytest.raises(UserError, match=f"in use by process {os.getpid()} on "):
            open_folder(config(folder))
        with pytest.raises(UserError, match="not empty"):
            open_folder(config(folder, None))
        assert left(folder / "metrics.jsonl") == ROWS
        assert (folder / "grpo" / "checkpoints" / ".step-000002.partial").exists()
    open_folder(config(folder))
    assert left(folder / "metrics.jsonl") == []  # nothing of it was done


@pytest.mark.parametrize("resume", ["latest", None])
def test_a_file_in_the_place_of_the_folder_is_one_line(tmp_path: Path, resume: str | None) -> None:
    (tmp_path / "run").write_text("mine")
    (tmp_path / "link").symlink_to("nowhere")
    (tmp_path / "loop").symlink_to("loop")
    for name in ("run", "run/inside", "link", "loop", "x" * 300):
        with pytest.raises(UserError) as caught:
            open_folder(config(tmp_path / name, resume))
        assert "\n" not in str(caught.value)
    assert (tmp_path / "run").read_text() == "mine"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link", "loop", "run"]


def test_a_complete_run_is_found_where_nothing_can_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = open_folder(config(tmp_path / "run", None))
    (folder / "summary.json").write_text("{}")
    monkeypatch.setattr(os, "open", read_only)
    monkeypatch.setattr(Path, "mkdir", read_only)
    assert open_folder(config(folder)) == folder
    (folder / "summary.json").unlink()
    with pytest.raises(UserError, match="Read-only file system"):
        open_folder(config(folder))


def read_only(*_: Any, **__: Any) -> Any:
    raise OSError(errno.EROFS, os.strerror(errno.EROFS))
