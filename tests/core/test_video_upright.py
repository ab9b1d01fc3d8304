"""Turned and mirrored videos are shown as a player shows them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from grounding.core import UserError, read_clip
from grounding.core.video import probe
from grounding.core.video_upright import Upright, upright

Film = Callable[..., Path]
Turn = Callable[[Path, tuple[int, int, int, int]], None]

# x' = a x + c y, y' = b x + d y with y downwards. The mark is in the upper left corner of the stored frame.
SHOWN = {
    (1, 0, 0, 1): ("upper left", False),
    (0, 1, -1, 0): ("upper right", True),
    (-1, 0, 0, -1): ("lower right", False),
    (0, -1, 1, 0): ("lower left", True),
    (-1, 0, 0, 1): ("upper right", False),  # mirrored, as front cameras write it
    (1, 0, 0, -1): ("lower left", False),  # upside down in a mirror
    (0, 1, 1, 0): ("upper left", True),  # rows and columns exchanged
    (0, -1, -1, 0): ("lower right", True),
}
CORNERS = {
    "upper left": np.s_[:8, :8],
    "upper right": np.s_[:8, -8:],
    "lower left": np.s_[-8:, :8],
    "lower right": np.s_[-8:, -8:],
}


@pytest.mark.parametrize("matrix", SHOWN)
def test_the_mark_is_where_a_player_shows_it(film: Film, turned: Turn, matrix: tuple[int, int, int, int]) -> None:
    corner, on_its_side = SHOWN[matrix]
    path = film(count=2)
    turned(path, matrix)
    clip = read_clip(path, fps=10)
    assert clip.size == ((64, 48) if on_its_side else (48, 64)) == clip.frames.shape[1:3]
    bright = {name for name, where in CORNERS.items() if clip.frames[0][where].min() > 200}
    assert bright == {corner}


@pytest.mark.parametrize("backend", ["torchcodec", "decord"])
def test_other_backends_are_not_trusted_with_mirrors(film: Film, turned: Turn, backend: str) -> None:
    path = film()
    turned(path, (-1, 0, 0, 1))
    with pytest.raises(UserError, match=r"mirrored|install"):
        read_clip(path, backend=backend)


def test_quarters_by_hand() -> None:
    pixels = np.arange(6).reshape(1, 2, 3)  # two pixels side by side
    assert Upright(1).shown(pixels).tolist() == [[[3, 4, 5]], [[0, 1, 2]]]
    assert Upright(0, mirrored=True).shown(pixels).tolist() == [[[3, 4, 5], [0, 1, 2]]]
    assert Upright(1, mirrored=True).shown(pixels).tolist() == [[[0, 1, 2]], [[3, 4, 5]]]
    assert Upright(3).size(1, 2) == (2, 1) and Upright(2).size(1, 2) == (1, 2)


def test_data_beside_a_frame_that_pyav_does_not_know() -> None:
    class Unknown:
        def get(self, name: str) -> None:
            raise ValueError("99 is not a valid Type")

    assert upright(SimpleNamespace(side_data=Unknown(), rotation=-90)) == (3, False)


def test_angles_between_quarters_go_to_the_nearest(film: Film, turned: Turn) -> None:
    path = film(count=1)
    turned(path, (5, 1, -1, 5))  # 11 degrees
    assert probe(path).upright == (0, False)
