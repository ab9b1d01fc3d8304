"""Greedy evaluation of a policy on a source: the same way as training, up to the decoded answer, then metrics."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial

from grounding.core import Answer, LoadedSample, ParseFailure, Sample, Source
from grounding.evaluation.metrics import Score, ceiling_scores, score, summarise, summarise_ceilings
from grounding.evaluation.report import Shown
from grounding.policies.policy import Policy
from grounding.policies.shared_prefix import generate
from grounding.tasks import stvg
from prompting import IdMarker


@dataclass(frozen=True, eq=False)
class Prediction:
    """What a policy said about one sample, scored; frames and masks are gone but for the few that are shown.

    Args:
        sample: The sample; its truth is complete.
        text: The completion.
        answer: Its decoded answer, or why there is none.
        score: How good the answer is.
        ceilings: What it would score with a right id or time, one for each name in `metrics.CEILINGS`.
        shown: Its frames and masks, if they were to be kept.
    """

    sample: Sample
    text: str
    answer: Answer | ParseFailure
    score: Score
    ceilings: tuple[Score, ...]
    shown: Shown | None


@dataclass(frozen=True)
class Evaluation:
    """Predictions in the source's order, their metrics and the three ceilings."""

    predictions: Sequence[Prediction]
    metrics: dict[str, float]
    ceilings: dict[str, dict[str, float]]

    @property
    def scores(self) -> list[Score]:
        """How good each answer is."""
        return [prediction.score for prediction in self.predictions]

    @property
    def shown(self) -> list[Shown]:
        """The predictions that can be shown, with frames and masks."""
        return [prediction.shown for prediction in self.predictions if prediction.shown is not None]


def evaluate(
    policy: Policy,
    source: Source,
    marker: IdMarker,
    *,
    prompt_kind: str,
    max_new_tokens: int,
    batch: int,
    keep: int = 6,
    progress: Callable[[Iterable[int]], Iterable[int]] = iter,
) -> Evaluation:
    """Ask the policy about every sample of a source and score the answers, with a batch in memory at a time.

    Args:
        policy: The policy, asked greedily.
        source: Where the samples come from.
        marker: Draws the IDs.
        prompt_kind: Kind of task prompt.
        max_new_tokens: Longest completion.
        batch: Samples a batch; does not change results beyond floating point.
        keep: How many of the first samples keep frames and masks, to be shown.
        progress: Wraps the iteration over batches, for a progress bar.

    Raises:
        UserError: If the source has no samples, or one of them cannot be loaded.
    """
    was_training = policy.model.training
    policy.model.eval()
    ask = partial(_ask, policy, marker, prompt_kind, max_new_tokens)
    predictions: list[Prediction] = []
    for start in progress(range(0, len(source.samples), batch)):
        predictions += ask([source.load(s) for s in source.samples[start : start + batch]], keep - start)
    policy.model.train(was_training)
    scores, best = [p.score for p in predictions], [p.ceilings for p in predictions]
    return Evaluation(predictions, summarise(scores), summarise_ceilings(best))


def _ask(
    policy: Policy, marker: IdMarker, prompt_kind: str, max_new_tokens: int, batch: Sequence[LoadedSample], keep: int
) -> list[Prediction]:
    """Predictions of one batch; a function of its own, so that all it loaded and made goes before the next batch."""
    marked = [marker.annotate_clip(one.clip, one.masklets)[0] for one in batch]
    prompts = policy.encode(marked, [stvg.prompt(one.sample.query, prompt_kind) for one in batch])
    predictions: list[Prediction] = []
    for one, clip, text in zip(batch, marked, generate(policy, prompts, max_new_tokens), strict=True):
        answer, truth = stvg.read(text, one.masklets), one.sample.truth
        shown = Shown(one, clip, answer) if len(predictions) < keep else None
        best = ceiling_scores(answer, truth, one.masklets)
        predictions.append(Prediction(one.sample, text, answer, score(answer, truth), best, shown))
    return predictions
