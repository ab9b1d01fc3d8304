"""What a run wrote of its first evaluation, read again at its end."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from grounding.core import UserError
from grounding.evaluation.metrics import summarise
from grounding.training.outcome import BEFORE, read_before

SCORES = [
    {"m_tIoU": 0.5, "m_vIoU": 0.25, "id_accuracy": 1.0, "parse_rate": 1.0},
    {"m_tIoU": 0.0, "m_vIoU": 0.0, "id_accuracy": 0.0, "parse_rate": 0.0},
]


def written(folder: Path, **changes: Any) -> Path:
    (folder / BEFORE).write_text(json.dumps({"metrics": summarise(SCORES), "scores": SCORES} | changes))
    return folder / BEFORE


def test_figures_and_scores_come_back(tmp_path: Path) -> None:
    before = read_before(written(tmp_path, left_out=["gone"]))
    metrics = before.metrics
    assert (before.scores, before.left_out) == (SCORES, ["gone"])
    assert (metrics["m_tIoU"], metrics["m_vIoU"], metrics["id_accuracy"], metrics["count"]) == (0.25, 0.125, 0.5, 2.0)


@pytest.mark.parametrize(
    "changes",
    [
        {"metrics": {}},
        {"metrics": None},
        {"metrics": summarise(SCORES) | {"m_vIoU": "high"}},
        {"metrics": summarise(SCORES) | {"m_vIoU": float("nan")}},
        {"scores": 5},
        {"scores": [5]},
        {"scores": [{}]},
        {"scores": [SCORES[0] | {"m_tIoU": None}]},
        {"scores": [SCORES[0] | {"more": 1}]},
        {"scores": [SCORES[0] | {"parse_rate": "yes"}]},
        {"left_out": 3},
    ],
)
def test_what_is_damaged_is_one_line(tmp_path: Path, changes: dict[str, Any]) -> None:
    with pytest.raises(UserError, match=r"is damaged: .*; remove it, and the model is evaluated again") as caught:
        read_before(written(tmp_path, **changes))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "[" * 100_000, '{"metrics": {}, "metrics": {}}'])
def test_what_is_no_object_is_one_line(tmp_path: Path, text: str) -> None:
    (tmp_path / BEFORE).write_text(text)
    with pytest.raises(UserError, match="is damaged"):
        read_before(tmp_path / BEFORE)
