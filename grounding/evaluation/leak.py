"""The leak probe: does a masked video tell when something happens to somebody who asks for something else?

About each video the policy is asked what another sample asks; what it says is held against the video's own truth, once
with all frames shown and once with as many hidden as at the beginning of training. What it scores more where frames are
hidden, it has from the mask.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from grounding.core import LoadedSample, Sample, Source, UserError
from grounding.core.samples import normalise_query
from grounding.curriculum.masking import Masking
from grounding.evaluation.bootstrap import Estimate
from grounding.evaluation.evaluate import evaluate
from grounding.evaluation.metrics import gains
from grounding.policies.policy import Policy
from grounding.tasks.asking import Asking, Moment


@dataclass(frozen=True)
class Leak:
    """What the probe found; means by the task's figures.

    Args:
        shown: With all frames shown.
        masked: With frames hidden.
        more: The second minus the first, with 95 % intervals.
    """

    shown: Mapping[str, float]
    masked: Mapping[str, float]
    more: Mapping[str, Estimate]


@dataclass(frozen=True)
class Strange:
    """A `Source` of videos that are each asked about in another sample's words.

    Args:
        source: Whose videos.
        pairs: By id a sample of it, and the one whose words stand in for its own.
        masking: What hides frames, if anything does.
        now: The moment that it sees.
    """

    source: Source
    pairs: Mapping[str, tuple[Sample, Sample]]
    masking: Masking | None
    now: Moment

    @property
    def samples(self) -> list[Sample]:
        """The samples with the words of the others."""
        return [_reworded(one, other) for one, other in self.pairs.values()]

    def load(self, sample: Sample) -> LoadedSample:
        """The video, masked if it is to be, with its own truth."""
        own, other = self.pairs[sample.id]
        loaded = self.source.load(own)
        if self.masking:
            loaded = self.masking(loaded, self.now)
        return replace(loaded, sample=_reworded(loaded.sample, other))

    def version(self, sample: Sample) -> str:
        """The source's, with the other's words."""
        own, other = self.pairs[sample.id]
        return f"{self.source.version(own)}, asked {other.query!r}, masked: {self.masking}, seed {self.now.seed}"


def _reworded(sample: Sample, other: Sample) -> Sample:
    return replace(other, id=sample.id, video=sample.video, truth=sample.truth)


def paired(samples: Sequence[Sample]) -> dict[str, tuple[Sample, Sample]]:
    """Each sample with the next one, round and round, that asks something else.

    Raises:
        UserError: If all ask the same.
    """
    words = [normalise_query(one.query) for one in samples]
    pairs = {}
    for place, one in enumerate(samples):
        others = ((place + step) % len(samples) for step in range(1, len(samples)))
        other = next((other for other in others if words[other] != words[place]), None)
        if other is None:
            raise UserError("the leak probe needs samples that ask different things; all of these ask the same")
        pairs[one.id] = one, samples[other]
    return pairs


def leak(
    policy: Policy, source: Source, samples: Sequence[Sample], asking: Asking, masking: Masking, seed: int, **how: Any
) -> Leak:
    """Ask a policy strange questions about some videos, shown and masked as at the beginning of training.

    Args:
        policy: Asked greedily.
        source: Loads the samples.
        samples: Their truths have times.
        asking: What is asked; its changes take no part.
        masking: How frames are hidden; here it is done to samples of all buckets.
        seed: Of the masks.
        how: Further arguments of `evaluate`.

    Raises:
        UserError: If all samples ask the same, or one cannot be used, see `evaluate`.
    """
    pairs, now = paired(samples), Moment(seed, 0, 0.0)
    whole = replace(masking, config=replace(masking.config, buckets=None))
    shown = evaluate(policy, Strange(source, pairs, None, now), asking, **how)
    masked = evaluate(policy, Strange(source, pairs, whole, now), asking, leave_out=shown.left_out, **how)
    return Leak(shown.metrics, masked.metrics, gains(shown.scores, masked.scores))
