"""Scene cuts: what is one, what is none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from grounding.core.video import probe
from grounding.tracking import TrackingOptions
from grounding.tracking.cuts import difference, signature, with_cuts
from grounding.tracking.frames import forwards

THRESHOLD = TrackingOptions().cut_difference


def flat(value: int) -> np.ndarray:
    return np.full((48, 80, 3), value, np.uint8)


def cuts(pictures: list[np.ndarray], threshold: float = THRESHOLD) -> list[int]:
    found = list(with_cuts(enumerate(pictures), threshold))
    assert [frame for frame, _, _ in found] == list(range(len(pictures)))  # nothing lost, nothing twice, in order
    assert all(picture is pictures[frame] for frame, picture, _ in found)
    return [frame for frame, _, cut in found if cut]


def test_black_to_white_is_the_greatest_difference() -> None:
    assert difference(signature(flat(0)), signature(flat(255))) == 1.0


@given(st.integers(0, 31), st.integers(0, 31))
def test_difference_is_the_shift_of_colours(a: int, b: int) -> None:
    """Values of one bin moved by k of 31 bins: k / 31."""
    assert difference(signature(flat(8 * a)), signature(flat(8 * b))) == pytest.approx(abs(a - b) / 31)


def test_one_cell_of_sixteen() -> None:
    """A quarter by a quarter of the picture from black to white: 1/16."""
    picture = flat(0)
    picture[:12, :20] = 255
    assert difference(signature(flat(0)), signature(picture)) == pytest.approx(1 / 16)


def test_where_colours_are_counts() -> None:
    """The same colours in other places: no histogram of the whole picture could tell."""
    left, right = flat(0), flat(0)
    left[:, :40], right[:, 40:] = 255, 255
    assert difference(signature(left), signature(right)) == 1.0


def test_a_new_scene_is_a_cut() -> None:
    assert cuts([flat(50)] * 5 + [flat(150)] * 5 + [flat(50)] * 5) == [5, 10]


def test_a_flash_is_none() -> None:
    assert cuts([flat(50)] * 5 + [flat(250)] + [flat(50)] * 5) == []


def test_fading_is_none() -> None:
    assert cuts([flat(value) for value in range(0, 250, 8)]) == []


def test_a_cut_to_the_last_frame() -> None:
    assert cuts([flat(50), flat(50), flat(200)]) == [2]


@pytest.mark.parametrize("count", [0, 1, 2])
def test_short_videos(count: int) -> None:
    assert cuts([flat(50)] * count) == []


def test_threshold() -> None:
    pictures = [flat(0)] * 3 + [flat(64)] * 3  # 8 of 31 bins: 0.258
    assert cuts(pictures, 0.25) == [3] and cuts(pictures, 0.27) == []


def test_noise_is_none() -> None:
    random = np.random.default_rng(0)
    assert cuts([random.integers(0, 255, (48, 80, 3)).astype(np.uint8) for _ in range(10)]) == []


@pytest.mark.shared_data
def test_real_videos(shared_data: Path) -> None:
    """Three videos without cuts, one after the other: the joins are cuts, and nothing else."""
    pictures: list[np.ndarray] = []
    joins: list[int] = []
    for name in ("bedroom.mp4", "juggle.mp4", "video.mp4"):
        joins.append(len(pictures))
        info = probe(next(shared_data.rglob(name)))
        pictures += [p[::8, ::8] for (t, p), _ in zip(forwards(info), range(40), strict=False)]
    assert cuts(pictures) == joins[1:]
