from __future__ import annotations

import cv2
import numpy as np
import pytest

from prompting.strokes import number_mask


def holes(mask: np.ndarray) -> int:
    background = np.pad(~mask, 1, constant_values=True).astype(np.uint8)
    return cv2.connectedComponents(background, connectivity=4)[0] - 2  # less the ink and the surroundings


@pytest.mark.parametrize("thickness", [4, 24])
@pytest.mark.parametrize(
    ("digit", "expected"), [(0, 1), (1, 0), (2, 0), (3, 0), (4, 1), (5, 0), (6, 1), (7, 0), (8, 2), (9, 1)]
)
def test_digits_have_the_holes_of_digits(digit: int, expected: int, thickness: int) -> None:
    assert holes(number_mask(digit, 100, thickness)) == expected


@pytest.mark.parametrize("digit", range(10))
def test_a_digit_is_one_piece_of_the_asked_height(digit: int) -> None:
    mask = number_mask(digit, 84, 8)
    assert cv2.connectedComponents(mask.astype(np.uint8))[0] - 1 == 1
    # Half a stroke stands out above and below the 84 pixels; a pixel for the rounding of OpenCV's lines.
    assert abs(mask.shape[0] - (84 + 8)) <= 1
    assert mask.shape[1] <= 84 * 14 / 21 + 8 + 1


def test_the_mask_is_cropped_to_its_ink() -> None:
    mask = number_mask(7, 30, 3)
    assert all(edge.any() for edge in (mask[0], mask[-1], mask[:, 0], mask[:, -1]))


def test_nine_is_six_turned() -> None:
    six, nine = number_mask(6, 100, 10), number_mask(9, 100, 10)
    turned = cv2.resize(np.rot90(six, 2).astype(np.uint8), nine.shape[::-1], interpolation=cv2.INTER_NEAREST) > 0
    assert (turned & nine).sum() / (turned | nine).sum() > 0.9


def test_digits_differ_from_one_another() -> None:
    masks = [cv2.resize(number_mask(d, 60, 8).astype(np.uint8), (40, 60)) > 0 for d in range(10)]
    for a in range(10):
        for b in range(a):
            assert (masks[a] & masks[b]).sum() / (masks[a] | masks[b]).sum() < 0.85, (a, b)


@pytest.mark.parametrize("number", [11, 23, 88, 99, 100])
@pytest.mark.parametrize("thickness", [8, 26])
def test_neighbouring_digits_do_not_touch(number: int, thickness: int) -> None:
    mask = number_mask(number, 96, thickness)
    assert cv2.connectedComponents(mask.astype(np.uint8))[0] - 1 == len(str(number))


def test_a_second_digit_stands_one_advance_further() -> None:
    # Thin strokes of 42 pixels height: 2 pixels a unit, 20 units a digit.
    one, eleven = number_mask(1, 42, 2), number_mask(11, 42, 2)
    assert eleven.shape[1] - one.shape[1] == 40


@pytest.mark.parametrize("height", [0.05, 0.5, 1, 2.5])
def test_the_smallest_numbers_still_leave_ink(height: float) -> None:
    assert number_mask(8, height, 0.01).any()
