"""Rewards for answering when."""

from __future__ import annotations

from grounding.core import Answer, ParseFailure
from rewards.base import reward


@reward(range=(0.0, 1.0))
def temporal_iou(answer: Answer | ParseFailure, truth: Answer, text: str) -> float | None:
    """Intersection over union of the two intervals in seconds (Time-R1, STVG-R1's r_t).

    The interval is taken as it was said: what lies beyond the end of the video counts against it.

    Returns:
        [0, 1]; 0 for a parse failure or no interval; None where the truth has no interval.
    """
    if truth.interval is None:
        return None
    if isinstance(answer, ParseFailure) or answer.interval is None:
        return 0.0
    return answer.interval.iou(truth.interval)
