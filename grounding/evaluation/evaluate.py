"""Greedy evaluation of a policy on a source: the same way as training, up to the decoded answer, then metrics."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from grounding.core import Answer, Clip, LoadedSample, ParseFailure, Source
from grounding.evaluation.metrics import ceilings, score, summarise
from grounding.policies.policy import Policy
from grounding.policies.shared_prefix import generate
from grounding.tasks import stvg
from prompting import IdMarker


@dataclass(frozen=True, eq=False)
class Prediction:
    """What a policy said about one sample.

    Args:
        loaded: The sample with its frames and masks; all of an evaluation's stay in memory.
        marked: The clip with IDs drawn.
        text: The completion.
        answer: Its decoded answer, or why there is none.
    """

    loaded: LoadedSample
    marked: Clip
    text: str
    answer: Answer | ParseFailure


@dataclass(frozen=True)
class Evaluation:
    """Predictions in the source's order, their metrics and the three ceilings."""

    predictions: Sequence[Prediction]
    metrics: dict[str, float]
    ceilings: dict[str, dict[str, float]]


def evaluate(
    policy: Policy,
    source: Source,
    marker: IdMarker,
    *,
    prompt_kind: str,
    max_new_tokens: int,
    batch: int,
    progress: Callable[[Iterable[int]], Iterable[int]] = iter,
) -> Evaluation:
    """Ask the policy about every sample of a source and score the answers.

    Args:
        policy: The policy, asked greedily.
        source: Where the samples come from.
        marker: Draws the IDs.
        prompt_kind: Kind of task prompt.
        max_new_tokens: Longest completion.
        batch: Samples a batch; does not change results beyond floating point.
        progress: Wraps the iteration over batches, for a progress bar.
    """
    was_training = policy.model.training
    policy.model.eval()
    predictions: list[Prediction] = []
    for start in progress(range(0, len(source.samples), batch)):
        loaded = [source.load(s) for s in source.samples[start : start + batch]]
        marked = [marker.annotate_clip(one.clip, one.masklets)[0] for one in loaded]
        prompts = policy.encode(marked, [stvg.prompt(one.sample.query, prompt_kind) for one in loaded])
        texts = generate(policy, prompts, max_new_tokens)
        answers = [stvg.read(text, one.masklets) for text, one in zip(texts, loaded, strict=True)]
        predictions += [Prediction(*row) for row in zip(loaded, marked, texts, answers, strict=True)]
    policy.model.train(was_training)
    return assess(predictions)


def assess(predictions: Sequence[Prediction]) -> Evaluation:
    """Metrics and ceilings of some predictions."""
    answers = [p.answer for p in predictions]
    truths = [p.loaded.sample.truth for p in predictions]
    scores = [score(answer, truth) for answer, truth in zip(answers, truths, strict=True)]
    best = ceilings(answers, truths, [p.loaded.masklets for p in predictions])
    return Evaluation(predictions, summarise(scores), best)
