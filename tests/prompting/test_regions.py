from __future__ import annotations

import numpy as np
import pytest

from grounding.core.colours import id_colour
from prompting.palette import contrast, text_colour_on
from prompting.regions import draw_box, draw_contour, draw_leader, draw_tint, fit

RED = (255, 0, 0)


def disc(side: int, radius: int) -> np.ndarray:
    y, x = np.mgrid[:side, :side] - side // 2
    return x**2 + y**2 <= radius**2


def test_a_tint_colours_the_mask_and_nothing_else() -> None:
    frame, mask = np.full((40, 40, 3), 100, np.uint8), disc(40, 9)
    draw_tint(frame, mask, (200, 100, 0))
    # 0.6 * 100 + 0.4 * (200, 100, 0)
    assert (frame[mask] == (140, 100, 60)).all() and (frame[~mask] == 100).all()


def test_a_contour_runs_along_the_edge_between_edges_of_its_own() -> None:
    frame, mask = np.full((60, 60, 3), 100, np.uint8), disc(60, 20)
    draw_contour(frame, mask, RED, 1.0)
    assert (frame[30, 50] == RED).all() and (frame[10, 30] == RED).all()  # the outermost pixels of the disc
    assert (frame[30, 51] == 0).all() and (frame[30, 49] == 0).all()  # black contrasts more with red than white
    assert (frame[~disc(60, 22)] == 100).all() and (frame[disc(60, 18)] == 100).all()


def test_holes_have_a_contour_too() -> None:
    frame, ring = np.full((60, 60, 3), 100, np.uint8), disc(60, 25) & ~disc(60, 10)
    draw_contour(frame, ring, RED, 1.0)
    assert (frame[30, 41] == RED).all() or (frame[30, 40] == RED).all()


def test_a_box_lies_on_its_outermost_pixels() -> None:
    frame = np.full((40, 50, 3), 100, np.uint8)
    draw_box(frame, (10, 5, 30, 25), RED, 1.0)
    assert (frame[5, 10:30] == RED).all() and (frame[24, 10:30] == RED).all()
    assert (frame[5:25, 10] == RED).all() and (frame[5:25, 29] == RED).all()
    assert (frame[8:22, 13:27] == 100).all() and (frame[:, 33:] == 100).all()


@pytest.mark.parametrize("scale", [1.0, 3.6])
def test_lines_are_as_thick_as_the_model_needs(scale: float) -> None:
    frame = np.full((200, 200, 3), 100, np.uint8)
    draw_box(frame, (50, 50, 150, 150), RED, scale)
    # At 1: one pixel of colour and one either side. At 3.6: 2 * round(1.3) + 1 = 3, and round(1.8) = 2 either side.
    column = frame[:100, 100]
    coloured, edged = (column == RED).all(axis=1).sum(), (column == 0).all(axis=1).sum()
    assert (coloured, edged) == {1.0: (1, 2), 3.6: (3, 4)}[scale]


def test_a_leader_goes_from_the_mark_to_just_before_the_object() -> None:
    frame = np.full((60, 60, 3), 100, np.uint8)
    draw_leader(frame, (10, 10, 21, 21), (40, 15), 5.0, 1.0)
    assert (frame[15, 20:36] == 255).all()
    assert (frame[14, 20:35] == 0).all() and (frame[16, 20:35] == 0).all()
    assert (frame[:, 38:] == 100).all()


def test_a_leader_that_is_already_there_is_a_dot() -> None:
    frame = np.full((30, 30, 3), 100, np.uint8)
    draw_leader(frame, (10, 10, 21, 21), (15, 15), 5.0, 1.0)
    assert (frame != 100).any() and (frame[:12] == 100).all()


def test_masks_are_brought_to_the_frame_and_never_vanish() -> None:
    mask = np.zeros((100, 100), bool)
    mask[73, 51] = True
    fitted = fit(mask, (10, 20))
    assert fitted.shape == (10, 20) and fitted.sum() == 1 and fitted[7, 10] == 1
    assert (fit(disc(9, 3), (9, 9)) == disc(9, 3)).all()
    assert fit(disc(10, 4), (20, 20)).sum() == 4 * disc(10, 4).sum()


@pytest.mark.parametrize("object_id", range(1, 100))
def test_lines_contrast_with_their_edges(object_id: int) -> None:
    colour = id_colour(object_id)
    assert contrast(colour, text_colour_on(colour)) >= 4.5
