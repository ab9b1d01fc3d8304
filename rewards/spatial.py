"""Rewards for answering which object, and where it is."""

from __future__ import annotations

import math

from grounding.core import Answer, ParseFailure, Tube
from rewards.base import Meta, compare, reward

Box = tuple[float, float, float, float]


def which(answer: Answer) -> int | None:
    """The one object's id."""
    return answer.object_id


def where(answer: Answer) -> Box | None:
    """The box in an image."""
    return answer.box


@reward(range=(0.0, 1.0))
def id_match(answer: Answer | ParseFailure, truth: Answer, meta: Meta) -> float | None:
    """1 if the right object was named, else 0 (STVG-R1's r_s), whatever the interval.

    Returns:
        0 or 1; 0 for a parse failure or no id; None where the truth has no id.
    """
    return compare(answer, truth, which, lambda said, true: float(said == true))


@reward(range=(0.0, 1.0))
def id_set_f1(answer: Answer | ParseFailure, truth: Answer, meta: Meta) -> float | None:
    """F1 of the set of named objects, 2 |P & G| / (|P| + |G|); 1 where rightly none is named. Ours.

    Naming all N objects where k are meant gets 2 k / (N + k).

    Returns:
        [0, 1], None where the truth has no ids.
    """

    def score(said: frozenset[int], true: frozenset[int]) -> float:
        return 2 * len(said & true) / (len(said) + len(true)) if said or true else 1.0

    return compare(answer, truth, lambda one: one.ids, score)


@reward(range=(0.0, 1.0))
def tube_viou(answer: Answer | ParseFailure, truth: Answer, meta: Meta) -> float | None:
    """Volume IoU of the decoded tube and the true one: the metric itself (HC-STVG's vIoU), which STVG-R1 leaves out.

    Returns:
        [0, 1]; 0 for a parse failure or an answer that was not decoded to a tube; None where the truth has no tube.
    """
    return compare(answer, truth, _tube, Tube.viou)


@reward(range=(0.0, 1.0))
def box_iou(answer: Answer | ParseFailure, truth: Answer, meta: Meta) -> float | None:
    """Intersection over union of two boxes in an image (Scene-R1's second stage).

    Returns:
        [0, 1], None where the truth has no box.
    """
    return compare(answer, truth, where, lambda said, true: overlap(said, true)[0])


@reward(range=(0.0, 1.0))
def box_giou(answer: Answer | ParseFailure, truth: Answer, meta: Meta) -> float | None:
    """(1 + GIoU) / 2 of two boxes: falls on with their distance where the IoU is 0 (Rezatofighi et al., CVPR 2019).

    GIoU = IoU - (hull - union) / hull. Ours: scaled into [0, 1], so that a failure, which gets 0, gains nothing over
    a box at the wrong place.

    Returns:
        [0, 1], None where the truth has no box.
    """

    def score(said: Box, true: Box) -> float:
        iou, union = overlap(said, true)
        left, top, right, bottom = (sorted(pair) for pair in zip(said, true, strict=True))
        hull = _area(left[0], top[0], right[1], bottom[1])
        return min(1.0, (iou + union / hull) / 2) if 0 < hull < math.inf else 0.0

    return compare(answer, truth, where, score)


@reward(range=(0.0, 1.0))
def point_in_mask(answer: Answer | ParseFailure, truth: Answer, meta: Meta) -> float | None:
    """1 if the point lies on a pixel of the true mask, else 0 (pointing accuracy).

    Returns:
        0 or 1; 0 for a parse failure or no point; None where the truth has no mask.
    """
    if truth.mask is None:
        return None
    return float(isinstance(answer, Answer) and answer.point is not None and truth.mask.covers(*answer.point))


def _tube(answer: Answer) -> Tube | None:
    return answer.tube


def _area(x1: float, y1: float, x2: float, y2: float) -> float:
    return max(0.0, x2 - x1) * max(0.0, y2 - y1)


def overlap(a: Box, b: Box) -> tuple[float, float]:
    """IoU and area of the union."""
    both = _area(max(a[0], b[0]), max(a[1], b[1]), min(a[2], b[2]), min(a[3], b[3]))
    union = _area(*a) + _area(*b) - both
    return (min(1.0, both / union) if 0 < union < math.inf else 0.0), union
