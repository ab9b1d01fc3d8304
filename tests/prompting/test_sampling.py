from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from grounding.core import UserError, rle
from prompting.sampling import CELLS, Sampled, sample_dense, sample_runs


def of_runs(*masks: np.ndarray) -> list[Sampled]:
    return list(sample_runs({(1, t): rle.encode(mask) for t, mask in enumerate(masks)}, masks[0].shape).values())


def same(a: Sampled, b: Sampled) -> bool:
    return (a.origin, a.step, a.area, a.box) == (b.origin, b.step, b.area, b.box) and np.array_equal(a.cells, b.cells)


def test_a_small_object_has_a_cell_a_pixel() -> None:
    mask = np.zeros((7, 9), bool)
    mask[2:4, 5:8] = [[1, 1, 0], [0, 1, 1]]
    (found,) = of_runs(mask)
    assert found.cells.tolist() == [[0, 0, 0, 0, 0], [0, 1, 1, 0, 0], [0, 0, 1, 1, 0], [0, 0, 0, 0, 0]]
    assert (found.box, found.area, found.step) == ((5, 2, 8, 4), 4, 1)
    assert found.origin == (4.5, 1.5)  # the middle of the pixel left of and above the box


def test_a_large_object_is_sampled_in_the_middles_of_its_cells() -> None:
    mask = np.zeros((300, 300), bool)
    mask[10:250, 20:164] = True  # 240 high: every 5th pixel; 144 wide
    (found,) = of_runs(mask)
    assert found.step == 240 // CELLS == 5
    # Rows 12, 17, ..., 247 and columns 22, 27, ..., 162, and an empty edge.
    assert found.cells.shape == (48 + 2, 29 + 2)
    assert found.cells[1:-1, 1:-1].all() and found.cells.sum() == 48 * 29
    assert found.origin == (22 - 5 + 0.5, 12 - 5 + 0.5)
    assert found.area == 240 * 144


def test_a_line_thinner_than_the_grid_keeps_a_cell_on_itself() -> None:
    mask = np.eye(400, dtype=bool)
    mask[np.arange(400) % 9 == 4] = False  # away from where the samples lie
    for found in (*of_runs(mask), sample_dense(mask)):
        assert found.cells.sum() >= 1
        y, x = np.argwhere(found.cells)[0]
        assert mask[int(found.origin[1] + y * found.step), int(found.origin[0] + x * found.step)]


def test_nothing_has_no_cells() -> None:
    for found in (
        *of_runs(np.zeros((4, 5), bool)),
        sample_dense(np.zeros((4, 5), bool)),
        sample_dense(np.zeros((0, 3), bool)),
    ):
        assert found.area == 0 and found.cells.size == 0
    assert sample_runs({}, (4, 5)) == {}


@settings(max_examples=150, deadline=None)
@given(
    st.lists(arrays(bool, (9, 13), elements=st.booleans(), fill=st.booleans()), min_size=1, max_size=4),
    st.integers(1, 14),
    st.integers(1, 14),
)
def test_runs_and_pixels_say_the_same(masks: list[np.ndarray], down: int, across: int) -> None:
    large = [np.repeat(np.repeat(mask, down, axis=0), across, axis=1) for mask in masks]
    for mask, found in zip(large, of_runs(*large), strict=True):
        assert same(found, sample_dense(mask))
        assert found.area == mask.sum()
        for y, x in np.argwhere(found.cells):
            assert mask[int(found.origin[1] + y * found.step), int(found.origin[0] + x * found.step)]


@settings(max_examples=200, deadline=None)
@given(st.binary(min_size=0, max_size=40).map(lambda raw: bytes(48 + byte % 64 for byte in raw)))
def test_runs_that_do_not_fill_the_picture_are_refused(counts: bytes) -> None:
    # Only runs that add up to 1,000,003 pixels (a prime, so 1 x 1,000,003) would pass; short random text does not.
    good = rle.encode(np.ones((7, 11), bool))
    with pytest.raises(UserError, match="object 5 in source frame 8 must fill 1000003 x 1 "):
        sample_runs({(5, 8): counts}, (1000003, 1))
    with pytest.raises(UserError, match=r"source frame (3|8) must fill"):
        sample_runs({(5, 3): good, (5, 8): counts}, (1000003, 1))


def test_a_mask_of_another_size_is_refused_with_both_figures() -> None:
    with pytest.raises(UserError, match=r"must fill 7 x 10 = 70 pixels, its runs make 77; is it of another size"):
        sample_runs({(1, 0): rle.encode(np.ones((7, 11), bool))}, (7, 10))
