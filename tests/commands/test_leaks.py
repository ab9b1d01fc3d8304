"""What a run that masks says of its leak probe."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from grounding.commands import leaks
from grounding.core import Sample
from grounding.curriculum.masking import Masking, MaskingConfig
from grounding.datasets.toy import toy_source
from grounding.evaluation.bootstrap import Estimate
from grounding.evaluation.leak import Leak
from grounding.tasks.asking import Asking, Change
from grounding.tasks.vtg import VTG
from grounding.training.config import Config, ModelConfig, TrainerConfig
from prompting import IdMarker

FOUND = Leak(
    {"mIoU": 0.3, "parse_rate": 1.0, "count": 3.0},
    {"mIoU": 0.35, "parse_rate": 1.0, "count": 3.0},
    {"mIoU": Estimate(0.05, 0.01, 0.09), "parse_rate": Estimate(0.0, 0.0, 0.0)},
)


class Log:
    def __init__(self) -> None:
        self.lines: list[str] = []
        self.rows: list[list[str]] = []

    def say(self, line: str) -> None:
        self.lines.append(line)

    def table(self, title: str, header: Sequence[str], rows: list[list[str]]) -> None:
        self.rows = rows


def tools(folder: Path, *changes: Change) -> Any:
    return SimpleNamespace(
        config=Config(model=ModelConfig(), trainer=TrainerConfig()),
        folder=folder,
        asking=Asking(VTG, "short", IdMarker(), changes),
        sources=SimpleNamespace(held_out=toy_source(5, 300)),
        skipped=SimpleNamespace(on_broken=lambda source: None),
        log=Log(),
    )


def test_a_run_that_masks_writes_it_once_and_tells_what_is_high(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Sequence[Sample]] = []

    def leak(policy: Any, source: Any, samples: Sequence[Sample], *rest: Any, **how: Any) -> Leak:
        asked.append(samples)
        return FOUND

    monkeypatch.setattr(leaks, "leak", leak)
    run = tools(tmp_path, Masking(MaskingConfig(shape="linear")))
    for _ in range(2):
        leaks.probe_leak(None, run, "before")  # type: ignore[arg-type]
    assert [len(samples) for samples in asked] == [256]
    written = json.loads((tmp_path / "leak_before.json").read_text())
    assert written["masked"]["mIoU"] == 0.35 and written["more"]["mIoU"]["low"] == 0.01
    assert run.log.rows[0] == ["mIoU", "0.300", "0.350", "+0.050 [0.01, 0.09]"]
    [line] = run.log.lines
    assert line.startswith("the mask tells more than 0.03 of mIoU; ")


def test_a_run_that_masks_nothing_asks_nothing(tmp_path: Path) -> None:
    leaks.probe_leak(None, tools(tmp_path), "before")  # type: ignore[arg-type]
    assert not list(tmp_path.iterdir())


def test_samples_that_ask_the_same_are_not_probed(tmp_path: Path) -> None:
    made = tools(tmp_path, Masking(MaskingConfig("linear")))
    made.sources.held_out = toy_source(5, 1)
    leaks.probe_leak(None, made, "before")  # type: ignore[arg-type]
    assert made.log.lines == ["no leak probe before training: all held-out samples ask the same"]
    assert not (tmp_path / "leak_before.json").exists()
