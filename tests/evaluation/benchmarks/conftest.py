"""Scoring files as people do, with the files written for the test."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from grounding.evaluation.scores_out import to_json
from grounding.evaluation.scoring import Options, score_files

Score = Callable[..., dict[str, Any]]


def write(path: Path, value: Any) -> Path:
    """A path as it is; a text as it is; a list as JSON lines if the name says so; anything else as JSON."""
    if isinstance(value, Path):
        return value
    if isinstance(value, list) and path.suffix == ".jsonl":
        value = "".join(json.dumps(row) + "\n" for row in value)
    path.write_text(value if isinstance(value, str) else json.dumps(value), encoding="utf-8")
    return path


@pytest.fixture
def score(tmp_path: Path) -> Score:
    """`score("vtg", truth, predictions, names=("truth.jsonl", "preds.jsonl"), strict=True)` gives the JSON report."""

    def call(
        name: str, truth: Any, predictions: Any, names: tuple[str, str] = ("truth.json", "preds.json"), **options: Any
    ) -> dict[str, Any]:
        files = write(tmp_path / names[0], truth), write(tmp_path / names[1], predictions)
        return to_json(score_files(name, [files[1]], files[0], Options(resamples=20, **options)))

    return call
