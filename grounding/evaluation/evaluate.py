"""Greedy evaluation of a policy on a source: the same way as training, up to the decoded answer, then metrics."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial

from grounding.core import LoadedSample, Sample, Source, UserError
from grounding.evaluation.controls import NAMES, Controls, Partners, Reply
from grounding.evaluation.metrics import Score, score, summarise
from grounding.evaluation.question_only import QuestionRule
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
        controls: What was said about it without seeing its video, by name, if that was wanted.
    """

    sample: Sample
    text: str
    answer: Said
    score: Score
    ceilings: Mapping[str, Score]
    shown: Shown | None
    controls: Mapping[str, Reply] = field(default_factory=dict)


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
    def controls(self) -> dict[str, list[Score]]:
        """How good each answer of each control is, by name; one that nothing was said for is not there."""
        scores = {name: [p.controls[name].score for p in self.predictions if name in p.controls] for name in NAMES}
        return {name: of for name, of in scores.items() if of}

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
    controls: bool = False,
    constant: str | None = None,
    rule: QuestionRule | None = None,
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
        controls: Whether the samples are answered without seeing their videos, too; it takes three times as long.
        constant: With `controls`, the text that is said about every video, see `controls.best_constant`.
        rule: Likewise, what takes options without their video.

    Raises:
        UserError: If no sample is left, or one of them cannot be used and `on_broken` is None.
    """
    was_training = policy.model.training
    policy.model.eval()
    ready = partial(_ready, policy, asking, source)
    predictions: list[Prediction] = []
    left_out = set(leave_out)
    partners = Partners(partial(_first_of_another, source, ready, left_out))
    beside = Controls(policy, asking, max_new_tokens, partners, constant, rule) if controls else None
    for start in progress(range(0, len(source.samples), batch)):
        wanted = [sample for sample in source.samples[start : start + batch] if sample.id not in left_out]
        usable = _usable(wanted, ready, on_broken, left_out)
        replies = beside.replies([asked for asked, _ in usable]) if beside else [{}] * len(usable)
        predictions += _ask(policy, asking.task, max_new_tokens, usable, replies, keep - len(predictions))
        del usable  # frames and masks go before the next batch
    policy.model.train(was_training)
    predictions = _gathered(asking.task, predictions)
    metrics = summarise([one.score for one in predictions])
    best = {name: summarise([one.ceilings[name] for one in predictions]) for name in predictions[0].ceilings}
    return Evaluation(predictions, metrics, best, frozenset(left_out))


def _gathered(task: Task, predictions: Sequence[Prediction]) -> list[Prediction]:
    """The predictions, and what the controls said, with the figures that come from all of them together."""
    own = task.gather([(one.sample, one.answer) for one in predictions])
    said = {name: [(p.sample, p.controls[name].said) for p in predictions if name in p.controls] for name in NAMES}
    beside = {name: iter(task.gather(of)) for name, of in said.items()}

    def more(name: str, reply: Reply) -> Reply:
        return replace(reply, score={**reply.score, **next(beside[name])})

    return [
        replace(
            one,
            score={**one.score, **further},
            controls={name: more(name, reply) for name, reply in one.controls.items()},
        )
        for one, further in zip(predictions, own, strict=True)
    ]


def _ready(policy: Policy, asking: Asking, source: Source, sample: Sample) -> Ready:
    """The sample as it is asked about, and its prompt."""
    loaded = source.load(sample)
    try:
        asked = asking(loaded)
        return asked, policy.encode([asked.turn])[0]
    except UserError as error:
        raise UserError(f"sample {sample.id}: {error}") from error


def _first_of_another(
    source: Source, ready: Callable[[Sample], Ready], left_out: Collection[str], video: str
) -> LoadedSample | None:
    """The first sample that can be used and whose video is not this one."""
    for sample in source.samples:
        if sample.video != video and sample.id not in left_out:
            with suppress(UserError):  # it stops the evaluation, or is told of, when its turn comes
                return ready(sample)[0].loaded
    return None


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


def _ask(
    policy: Policy,
    task: Task,
    max_new_tokens: int,
    batch: Sequence[Ready],
    replies: Sequence[Mapping[str, Reply]],
    keep: int,
) -> list[Prediction]:
    """Predictions of one batch; a function of its own, so that all it makes goes before the next batch."""
    texts = generate(policy, [prompt for _, prompt in batch], max_new_tokens) if batch else []
    predictions: list[Prediction] = []
    for (asked, _), text, beside in zip(batch, texts, replies, strict=True):
        one = asked.loaded
        answer, truth = task.read(text, one), one.sample.truth
        own = score(task, answer, truth)
        best = {name: score(task, said, truth) for name, said in task.oracles(answer, one).items()}
        controls = {name: reply.said for name, reply in beside.items()}
        shown = None
        if len(predictions) < keep:
            told = replace(one, sample=replace(one.sample, truth=task.asked_of(truth)))
            shown = Shown(told, asked.shown, answer, own, controls)
        predictions.append(Prediction(one.sample, text, answer, own, best, shown, beside))
    return predictions
