"""The gold check: a sample answered with its own truth must get the most of every reward that it takes part in.

Where it does not, the truth is broken (an empty span, a box without an area), the reader is, or the reward is.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from grounding.core.samples import Answer, Sample
from rewards import REWARDS, Meta

_JUDGING = ("rewards.temporal", "rewards.segments", "rewards.spatial", "rewards.answer")  # the rest judges the text
_SLACK = 1e-9


def gold_failures(sample: Sample) -> list[str]:
    """The rewards that a sample's own truth does not get in full, each with what it gets.

    A truth of several spans is tried with all of them and with its first alone, for some rewards take one answer.
    """
    meta = Meta(duration=sample.meta.get("duration") or 1.0, progress=1.0, previous=0.0)
    failures = []
    for name, reward in REWARDS.items():
        if reward.function.__module__ in _JUDGING:
            values = [reward(answer, sample.truth, meta) for answer in gold_answers(sample.truth)]
            scored = [value for value in values if value is not None]
            if scored and max(scored) < reward.high - _SLACK:
                failures.append(f"{name} gives {max(scored):.3f} of {reward.high:.3f}")
    return failures


def gold_answers(truth: Answer) -> Iterator[Answer]:
    """The truth as an answer; of several spans also the first alone; of a mask a point on it."""
    said = replace(truth, mask=None)
    yield said
    if truth.intervals and len(truth.intervals) > 1:
        yield replace(said, intervals=truth.intervals[:1])
