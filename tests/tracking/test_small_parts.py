"""Options, detections, frames in both directions, and names of models."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from grounding.core import UserError
from grounding.core.video import probe
from grounding.tracking import Detections, TrackingOptions, frames
from grounding.tracking.models import ModelNames


@pytest.mark.parametrize("name", ["match_iou", "duplicate_iou", "containment", "similarity", "cut_difference"])
@pytest.mark.parametrize("value", [0.0, 1.01, float("nan")])
def test_shares(name: str, value: float) -> None:
    with pytest.raises(UserError, match=f"{name} must be more than 0 and at most 1"):
        TrackingOptions(**{name: value})
    assert getattr(TrackingOptions(**{name: 1.0}), name) == 1.0


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("every", 0.0),
        ("every", float("inf")),
        ("backward", -1.0),
        ("patience", float("nan")),
        ("smallest", 0),
        ("max_objects", 0),
    ],
)
def test_numbers(name: str, value: float) -> None:
    with pytest.raises(UserError, match=f"{name} must be"):
        TrackingOptions(**{name: value})


def test_detections_fit_together() -> None:
    with pytest.raises(UserError, match="one score and one label a box"):
        Detections(np.zeros((2, 4)), np.zeros(1), ("a", "b"))
    with pytest.raises(UserError, match="one score and one label a box"):
        Detections(np.zeros((2, 5)), np.zeros(2), ("a", "b"))
    with pytest.raises(UserError, match=r"one mask a box \(2\), got 1"):
        Detections(np.zeros((2, 4)), np.zeros(2), ("a", "b"), np.zeros((1, 3, 3), bool))


def test_taking_some() -> None:
    masks = np.arange(3)[:, None, None] == np.ones((1, 2, 2))
    found = Detections(np.arange(12.0).reshape(3, 4), np.array([0.1, 0.2, 0.3]), ("a", "b", "c"), masks).take([2, 1])
    assert found.boxes[:, 0].tolist() == [8, 4] and found.scores.tolist() == [0.3, 0.2] and found.labels == ("c", "b")
    assert found.masks is not None and found.masks.all(axis=(1, 2)).tolist() == [False, True]
    assert len(found.take([])) == 0


def test_backwards_is_forwards_turned_round(film, monkeypatch: pytest.MonkeyPatch) -> None:
    info = probe(film([{"red": (t, 4, t + 20, 24)} for t in range(30)]))
    there = list(frames.forwards(info))
    assert [t for t, _ in there] == list(range(30))
    wanted = [*range(3, 12), *range(20, 29)]
    for piece in (64, 4, 1):
        monkeypatch.setattr(frames, "HELD_FRAMES", piece)
        back = list(frames.backwards(info, wanted))
        assert [t for t, _ in back] == wanted[::-1]
        assert all(np.array_equal(picture, there[t][1]) for t, picture in back)
    assert list(frames.backwards(info, [])) == []


def test_large_pictures_are_held_in_small_numbers(film, monkeypatch: pytest.MonkeyPatch) -> None:
    info = probe(film([{}] * 10))
    asked: list[int] = []
    read = frames.read_pyav
    monkeypatch.setattr(frames, "read_pyav", lambda info, wanted: asked.append(len(wanted)) or read(info, wanted))
    monkeypatch.setattr(frames, "HELD_BYTES", 3 * 64 * 96 * 3 + 5)
    assert len(list(frames.backwards(info, range(10)))) == 10
    assert asked == [3, 3, 3, 1]


def test_boxes_or_prompt() -> None:
    with pytest.raises(UserError, match="not both"):
        ModelNames(prompt="person", boxes=Path("boxes.json"))


@pytest.mark.parametrize("threshold", [-0.1, 1.1, float("nan")])
def test_threshold(threshold: float) -> None:
    with pytest.raises(UserError, match=r"threshold must be in \[0, 1\]"):
        ModelNames(threshold=threshold)


def test_names_and_algorithm_load_no_torch() -> None:
    code = "import sys, grounding.tracking.models, grounding.tracking.folder; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == "False\n"
