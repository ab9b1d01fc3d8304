"""Reading a metrics file, and its curves."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from grounding.core import UserError
from grounding.evaluation.curves import PANELS, Panel, curves, read_metrics

GOOD = [
    {"step": 0, "phase": "warmup", "loss": 2.5, "exact": None},
    {"step": 5, "phase": "warmup", "loss": float("nan"), "exact": 0.5, "note": "text", "ok": True},
    {"step": 0, "phase": "grpo", "reward": 1, "rewards/tiou/mean": 0.25, "rewards/tiou/std": 0.1, "parse_rate": 1.0},
    {"step": 1, "phase": "grpo", "reward": 2.0, "rewards/id/mean": 0.75, "frac_reward_zero_std": float("inf")},
]


def write(tmp_path: Path, *rows: dict[str, Any] | str) -> Path:
    lines = [row if isinstance(row, str) else json.dumps(row) for row in rows]
    (tmp_path / "metrics.jsonl").write_text("\n".join(lines) + "\n")
    return tmp_path / "metrics.jsonl"


def picture_of(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        assert image.format == "PNG"
        return np.asarray(image.convert("RGB"))


def test_series_hold_finite_numbers_only(tmp_path: Path) -> None:
    assert read_metrics(write(tmp_path, *GOOD)) == {
        "warmup": {"loss": [(0, 2.5)], "exact": [(5, 0.5)]},
        "grpo": {
            "reward": [(0, 1.0), (1, 2.0)],
            "rewards/tiou/mean": [(0, 0.25)],
            "rewards/tiou/std": [(0, 0.1)],
            "parse_rate": [(0, 1.0)],
            "rewards/id/mean": [(1, 0.75)],
        },
    }


def test_panels_take_what_belongs_to_them(tmp_path: Path) -> None:
    series = read_metrics(write(tmp_path, *GOOD))
    assert [list(panel.among(series)) for panel in PANELS] == [
        ["loss"],
        ["exact"],
        ["reward"],
        ["tiou", "id"],
        [],
        ["parse_rate"],
    ]


@pytest.mark.parametrize("name", ["rewards//mean", "rewards/mean", "rewards/tiou/std", "my/rewards/tiou/mean", "mean"])
def test_what_is_no_mean_of_a_reward(name: str) -> None:
    assert Panel("", "grpo", "rewards/*/mean").label(name) is None


def test_a_panel_for_each_that_has_figures(tmp_path: Path) -> None:
    curves(write(tmp_path, GOOD[0]), tmp_path / "one.png")
    # A panel is 4.8 x 3.2 inches at 110 dots: 528 x 352. Five of six have figures: 3 columns, 2 rows.
    assert picture_of(tmp_path / "one.png").shape == (352, 528, 3)
    curves(write(tmp_path, *GOOD), tmp_path / "five.png")
    picture = picture_of(tmp_path / "five.png")
    assert picture.shape == (704, 1584, 3)
    cells = [picture[352 * row :][:352, 528 * column :][:, :528] for row in (0, 1) for column in (0, 1, 2)]
    assert [(cell < 128).any() for cell in cells] == [True] * 5 + [False]


def test_a_stage_without_panels_shows_its_loss(tmp_path: Path) -> None:
    curves(write(tmp_path, {"step": 1, "phase": "other", "loss": 1, "speed": 2}), tmp_path / "one.png")
    assert picture_of(tmp_path / "one.png").shape == (352, 528, 3)


def test_a_rising_line_rises(tmp_path: Path) -> None:
    rows = [{"step": step, "phase": "grpo", "reward": step / 100} for step in range(100)]
    curves(write(tmp_path, *rows), tmp_path / "rising.png")
    picture = picture_of(tmp_path / "rising.png").astype(int)
    blue = picture[..., 2] - picture[..., 0] > 80  # the line's colour is the only one
    rows_at, columns = np.nonzero(blue)
    left, right = rows_at[columns < np.quantile(columns, 0.2)], rows_at[columns > np.quantile(columns, 0.8)]
    assert left.min() > right.max() + 100  # rows count downwards


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (
            '{"step": 3, "phase": "gr',
            "row 3: expected a JSON object, but the line is not JSON: Unterminated string starting at (column 22)",
        ),
        ("[1, 2]", "row 3: expected a JSON object, got"),
        ("\x00", "row 3: expected a JSON object, but the line is not JSON"),
        (
            "[" * 100_000,
            "row 3: expected a JSON object, but the line is not JSON that can be read: numbers too long",
        ),
        ('{"phase": "grpo", "reward": 1}', 'row 3: expected a whole number "step"'),
        ('{"step": 1.5, "phase": "grpo", "reward": 1}', "got 1.5 and 'grpo'"),
        ('{"step": true, "phase": "grpo", "reward": 1}', "got True"),
        ('{"step": 1, "reward": 1}', "got 1 and None"),
    ],
)
def test_broken_lines_are_named(tmp_path: Path, line: str, message: str) -> None:
    file = write(tmp_path, GOOD[0], "", line)  # blank lines count as rows
    with pytest.raises(UserError) as caught:
        curves(file, tmp_path / "curves.png")
    assert message in str(caught.value) and str(file) in str(caught.value)
    assert len(str(caught.value)) < 400 + len(str(file))
    assert not (tmp_path / "curves.png").exists()


def test_bytes_that_are_no_text_are_named(tmp_path: Path) -> None:
    (tmp_path / "metrics.jsonl").write_bytes(b'{"step": 1, "phase": "\xff"}\n')
    with pytest.raises(UserError, match="row 1"):
        read_metrics(tmp_path / "metrics.jsonl")


def test_numbers_that_no_float_holds_are_left_out(tmp_path: Path) -> None:
    file = write(tmp_path, '{"step": 1, "phase": "grpo", "reward": 1' + "0" * 400 + ', "parse_rate": 1}')
    assert read_metrics(file) == {"grpo": {"parse_rate": [(1, 1.0)]}}


def test_refusals(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot read metrics"):
        curves(tmp_path / "none.jsonl", tmp_path / "curves.png")
    with pytest.raises(UserError, match="no figures to draw"):
        curves(write(tmp_path, {"step": 1, "phase": "other", "speed": 1}), tmp_path / "curves.png")
    (tmp_path / "curves.png").write_text("mine")
    with pytest.raises(UserError, match="exists already"):
        curves(write(tmp_path, *GOOD), tmp_path / "curves.png")
    assert (tmp_path / "curves.png").read_text() == "mine"
    curves(write(tmp_path, *GOOD), tmp_path / "curves.png", overwrite=True)
    assert picture_of(tmp_path / "curves.png").size
