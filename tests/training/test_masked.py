"""Masked examples in training: one for all members of a group, whoever makes it, and again after a resume."""

from __future__ import annotations

import pytest

from grounding.curriculum.masking import Masking, MaskingConfig
from grounding.curriculum.order import Draws
from grounding.datasets.toy import toy_source
from grounding.policies.policy import Policy
from grounding.tasks.asking import Asking
from grounding.tasks.stvg import STVG
from grounding.training.examples import Collator
from prompting import IdMarker

MASKING = Masking(MaskingConfig(shape="linear", r0=0.9, buckets=None))
ASKING = Asking(STVG, "short", IdMarker("badge", 15.0), (MASKING,))
SOURCE = toy_source(7_770_000_000, 6, fps=4.0, toy=STVG.toy)


def collator(policy: Policy, draws: Draws, workers: int = 0) -> Collator:
    return Collator(SOURCE, policy, ASKING, keep=12, workers=workers, moments=draws.moment)


@pytest.mark.parametrize("workers", [0, 1])
def test_members_workers_and_a_resumed_run_see_the_same(policy: Policy, workers: int) -> None:
    draws = Draws(6, 3, 8, seed=5)
    every: list[dict[str, object]] = [{**draws[number]} for number in range(12)]
    whole = collator(policy, draws)([row for row in every for _ in range(2)])
    resumed = collator(policy, Draws(6, 3, 8, seed=5), workers)  # goes on with the third generation
    later = resumed(every[6:])
    resumed.close()
    assert all(whole[2 * n]["example"] is whole[2 * n + 1]["example"] for n in range(12))
    changed = 0
    for one, other in zip(whole[12::2], later, strict=True):
        assert one["example"].prompt.pixel_values.equal(other["example"].prompt.pixel_values)  # type: ignore[attr-defined]
        sample = one["example"].loaded.sample  # type: ignore[attr-defined]
        plain = SOURCE.load(sample).clip.frames
        changed += (one["example"].loaded.clip.frames != plain).any()  # type: ignore[attr-defined]
    assert changed >= 2
