"""Clips check what they are given."""

from __future__ import annotations

import numpy as np
import pytest

from grounding.core import Clip, UserError


def frames(count: int = 3) -> np.ndarray:
    return np.zeros((count, 4, 6, 3), np.uint8)


def clip(**changes: object) -> Clip:
    given = {"frames": frames(), "pts": np.array([0, 0.5, 1.5]), "source_fps": 24.0, "size": (8, 12), "duration": 2.0}
    return Clip(**{**given, **changes})  # type: ignore[arg-type]


def test_a_clip() -> None:
    assert len(clip()) == 3
    assert clip().pts.tolist() == [0, 0.5, 1.5]
    assert clip().sampled_fps == pytest.approx(2 / 1.5)  # two steps in 1.5 s


def test_a_single_frame_has_the_rate_of_its_source() -> None:
    assert clip(frames=frames(1), pts=np.array([0.7])).sampled_fps == 24


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"frames": np.zeros((3, 4, 6, 3))}, "uint8 RGB .* got float64"),
        ({"frames": np.zeros((3, 4, 6), np.uint8)}, r"got uint8 \(3, 4, 6\)"),
        ({"frames": np.zeros((3, 3, 4, 6), np.uint8)}, r"\(T, H, W, 3\), got uint8 \(3, 3, 4, 6\)"),
        ({"frames": frames(0), "pts": np.array([])}, "at least one frame"),
        ({"pts": np.array([0, 1.0])}, r"shape \(3,\), got \(2,\)"),
        ({"pts": np.array([0, 1.0, 1.0])}, "strictly ascending"),
        ({"pts": np.array([0, 2.0, 1.0])}, "strictly ascending"),
        ({"pts": np.array([-1, 0, 1.0])}, ">= 0"),
        ({"pts": np.array([0, 1, np.nan])}, "finite"),
        ({"source_fps": 0}, "source_fps must be a finite number > 0, got 0"),
        ({"source_fps": float("nan")}, "source_fps"),
        ({"duration": -1.0}, "duration must be a finite number > 0, got -1"),
    ],
)
def test_bad_clips(changes: dict, message: str) -> None:
    with pytest.raises(UserError, match=message):
        clip(**changes)


def test_times_cannot_be_changed_and_the_given_array_is_left_alone() -> None:
    pts = np.array([0, 0.5, 1.5])
    made = clip(pts=pts)
    pts[0] = 0.25  # still the caller's own
    assert made.pts[0] == 0
    with pytest.raises(ValueError, match="read-only"):
        made.pts[0] = 1


def test_with_frames_keeps_the_rest() -> None:
    drawn = clip().with_frames(frames() + 9)
    assert drawn.frames.max() == 9
    assert (drawn.pts.tolist(), drawn.size, drawn.duration) == ([0, 0.5, 1.5], (8, 12), 2.0)
    with pytest.raises(UserError, match="one time a frame"):
        clip().with_frames(frames(2))
