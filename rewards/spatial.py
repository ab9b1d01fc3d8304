"""Rewards for answering which object, and where it is."""

from __future__ import annotations

from grounding.core import Answer, ParseFailure
from rewards.base import reward


@reward(range=(0.0, 1.0))
def id_match(answer: Answer | ParseFailure, truth: Answer, text: str) -> float | None:
    """1 if the right object was named, else 0 (STVG-R1's r_s), whatever the interval.

    Returns:
        0 or 1; 0 for a parse failure or no id; None where the truth has no id.
    """
    if truth.object_id is None:
        return None
    if isinstance(answer, ParseFailure):
        return 0.0
    return float(answer.object_id == truth.object_id)


@reward(range=(0.0, 1.0))
def tube_viou(answer: Answer | ParseFailure, truth: Answer, text: str) -> float | None:
    """Volume IoU of the decoded tube and the true one: the metric itself (HC-STVG's vIoU), which STVG-R1 leaves out.

    Returns:
        [0, 1]; 0 for a parse failure or an answer that was not decoded to a tube; None where the truth has no tube.
    """
    if truth.tube is None:
        return None
    if isinstance(answer, ParseFailure) or answer.tube is None:
        return 0.0
    return answer.tube.viou(truth.tube)
