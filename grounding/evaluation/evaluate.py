"""Greedy evaluation of a policy on a source: the same way as training, up to the decoded answer, then metrics."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from grounding.core import Sample, Source, UserError
from grounding.evaluation.metrics import Score, score, summarise
from grounding.evaluation.report import Shown
from grounding.policies.policy import Policy, VideoPrompt
from grounding.policies.shared_prefix import generate
from grounding.tasks.asking import Asked, Asking
from grounding.tasks.task import Said, Task

Ready = tuple[Asked, VideoPrompt]  # a sample as it is asked about, and its prompt


@dataclass(frozen=True, eq=False)
class Prediction:
    """What a policy said about one sample, scored; frames and masks are gone but for the few that are shown.

    Args:
        sample: The sample; its truth is complete.
        text: The completion.
        answer: Its decoded answer, or why there is none.
        score: How good the answer is.
        ceilings: What it would score with parts of it right, by the names of `Task.oracles`.
        shown: Its frames and masks, if they were to be kept.
    """

    sample: Sample
    text: str
    answer: Said
    score: Score
    ceilings: Mapping[str, Score]
    shown: Shown | None


@dataclass(frozen=True)
class Evaluation:
    """Predictions in the source's order, their metrics and the ceilings of these, and the ids that were left out."""

    predictions: Sequence[Prediction]
    metrics: dict[str, float]
    ceilings: dict[str, dict[str, float]]
    left_out: Collection[str] = ()

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
    asking: Asking,
    *,
    max_new_tokens: int,
    batch: int,
    keep: int = 6,
    progress: Callable[[Iterable[int]], Iterable[int]] = iter,
    leave_out: Collection[str] = (),
    on_broken: Callable[[Sample, str], None] | None = None,
) -> Evaluation:
    """Ask the policy about every sample of a source and score the answers, with a batch in memory at a time.

    Args:
        policy: The policy, asked greedily.
        source: Where the samples come from.
        asking: What it is shown and asked.
        max_new_tokens: Longest completion.
        batch: Samples a batch; does not change results beyond floating point.
        keep: How many of the first samples keep frames and masks, to be shown.
        progress: Wraps the iteration over batches, for a progress bar.
        leave_out: Ids of samples that are not asked about.
        on_broken: Takes each sample that cannot be used and why, and it is left out; if None, the first one stops.

    Raises:
        UserError: If no sample is left, or one of them cannot be used and `on_broken` is None.
    """
    was_training = policy.model.training
    policy.model.eval()
    ready = partial(_ready, policy, asking, source)
    predictions: list[Prediction] = []
    left_out = set(leave_out)
    for start in progress(range(0, len(source.samples), batch)):
        wanted = [sample for sample in source.samples[start : start + batch] if sample.id not in left_out]
        usable = _usable(wanted, ready, on_broken, left_out)
        predictions += _ask(policy, asking.task, max_new_tokens, usable, keep - len(predictions))
        del usable  # frames and masks go before the next batch
    policy.model.train(was_training)
    metrics = summarise([one.score for one in predictions])
    best = {name: summarise([one.ceilings[name] for one in predictions]) for name in predictions[0].ceilings}
    return Evaluation(predictions, metrics, best, frozenset(left_out))


def _ready(policy: Policy, asking: Asking, source: Source, sample: Sample) -> Ready:
    """The sample as it is asked about, and its prompt."""
    loaded = source.load(sample)
    try:
        asked = asking(loaded)
        return asked, policy.encode([asked.turn])[0]
    except UserError as error:
        raise UserError(f"sample {sample.id}: {error}") from error


def _usable(
    samples: Sequence[Sample],
    ready: Callable[[Sample], Ready],
    on_broken: Callable[[Sample, str], None] | None,
    left_out: set[str],
) -> list[Ready]:
    """The samples that can be made ready; the ids of the others are added to `left_out`."""
    usable = []
    for sample in samples:
        try:
            usable.append(ready(sample))
        except UserError as error:
            if on_broken is None:
                raise
            on_broken(sample, str(error))
            left_out.add(sample.id)
    return usable


def _ask(policy: Policy, task: Task, max_new_tokens: int, batch: Sequence[Ready], keep: int) -> list[Prediction]:
    """Predictions of one batch; a function of its own, so that all it makes goes before the next batch."""
    texts = generate(policy, [prompt for _, prompt in batch], max_new_tokens) if batch else []
    predictions: list[Prediction] = []
    for (asked, _), text in zip(batch, texts, strict=True):
        one = asked.loaded
        answer, truth = task.read(text, one), one.sample.truth
        own = score(task, answer, truth)
        best = {name: score(task, said, truth) for name, said in task.oracles(answer, one).items()}
        shown = Shown(one, asked.shown, answer, own) if len(predictions) < keep else None
        predictions.append(Prediction(one.sample, text, answer, own, best, shown))
    return predictions
