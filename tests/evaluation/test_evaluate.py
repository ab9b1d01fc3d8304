"""Evaluation: what is asked and scored, and how little of it stays in memory."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from grounding.core import Answer, Clip, LoadedSample, Masklets, ParseFailure, Sample, UserError
from grounding.datasets.toy import ToySource, toy_source
from grounding.evaluation import controls as controls_module
from grounding.evaluation import evaluate as module
from grounding.evaluation.evaluate import Evaluation, evaluate
from grounding.evaluation.metrics import intervals, summarise
from grounding.evaluation.report import contact_sheet
from grounding.policies.policy import Policy, load_policy
from grounding.policies.tiny import build_tiny
from grounding.tasks import stvg
from grounding.tasks.asking import Asking
from grounding.tasks.task import Said
from prompting import IdMarker

CORPUS = ["Query: the blue square", "<think>blue square 8</think> <answer>Target ID: 8, Time range: 1.0 to 2.0"]
MARKER = IdMarker("badge", 15.0)
FAILED = "<answer>none</answer>"


@pytest.fixture(scope="session")
def policy(tmp_path_factory: pytest.TempPathFactory) -> Policy:
    folder = tmp_path_factory.mktemp("tiny") / "model"
    build_tiny(folder, CORPUS * 4, seed=0)
    return load_policy(str(folder))


@dataclass
class Watched:
    """A toy source, and a marker's clips, that know which of their arrays are still alive."""

    toy: ToySource
    arrays: list[Any] = field(default_factory=list)
    most: int = 0

    @property
    def samples(self) -> Sequence[Sample]:
        return self.toy.samples

    def load(self, sample: Sample) -> LoadedSample:
        loaded = self.toy.load(sample)
        self.watch(loaded.clip.frames, loaded.masklets)
        return loaded

    def version(self, sample: Sample) -> str:
        return self.toy.version(sample)

    def watch(self, *values: Any) -> None:
        self.arrays += [weakref.ref(value) for value in values]
        self.most = max(self.most, self.alive(np.ndarray))

    def alive(self, kind: type | tuple[type, ...]) -> int:
        return sum(isinstance(array(), kind) for array in self.arrays)


@dataclass
class WatchedMarker:
    """Tells a source which clips it drew."""

    source: Watched

    def annotate_clip(self, clip: Clip, masklets: Masklets) -> tuple[Clip, Any]:
        drawn = MARKER.annotate_clip(clip, masklets)
        self.source.watch(drawn[0].frames)
        return drawn


def ask(policy: Policy, source: Any, batch: int = 2, **options: Any) -> Evaluation:
    marker = options.pop("marker", MARKER)
    return evaluate(policy, source, Asking(stvg.STVG, "short", marker), max_new_tokens=6, batch=batch, **options)


def toy(count: int = 4) -> ToySource:
    return toy_source(0, count, level=1, objects=2, fps=1.0)


@pytest.fixture
def answering(monkeypatch: pytest.MonkeyPatch) -> Callable[[list[str]], None]:
    """Make the policy say these texts, one a sample."""

    def say(texts: list[str]) -> None:
        left = iter(texts)
        monkeypatch.setattr(module, "generate", lambda policy, prompts, tokens: [next(left) for _ in prompts])

    return say


@pytest.mark.parametrize(("batch", "keep"), [(2, 3), (3, 0), (1, 1), (8, 2)])
def test_only_the_shown_frames_and_masks_outlive_their_batch(policy: Policy, batch: int, keep: int) -> None:
    source = Watched(toy(10))
    result = ask(policy, source, batch, marker=WatchedMarker(source), keep=keep)
    assert len(result.predictions) == 10
    assert len(source.arrays) == 30  # frames, masks and drawn frames of every sample were watched
    assert source.alive(np.ndarray) == 2 * keep  # frames as loaded and as drawn
    assert source.alive(Masklets) == keep
    # At no time more than a batch and what is kept, two arrays each; the kept may be of the batch itself.
    assert 2 * batch <= source.most <= 2 * (batch + keep)
    del result
    assert source.alive((np.ndarray, Masklets)) == 0


def test_the_first_samples_are_shown_as_they_were_loaded_and_marked(policy: Policy, tmp_path: Path) -> None:
    source = toy(5)
    result = ask(policy, source, keep=3)
    assert [one.loaded.sample.id for one in result.shown] == [sample.id for sample in source.samples[:3]]
    for one, prediction in zip(result.shown, result.predictions, strict=False):
        loaded = source.load(one.loaded.sample)
        np.testing.assert_array_equal(one.loaded.clip.frames, loaded.clip.frames)
        expected = MARKER.annotate_clip(loaded.clip, loaded.masklets)[0]
        np.testing.assert_array_equal(one.marked.frames, expected.frames)
        assert one.prediction is prediction.answer
    assert [p.shown is None for p in result.predictions] == [False, False, False, True, True]
    contact_sheet(result.shown, tmp_path / "sheet.png")  # what is kept suffices for a report


def test_of_truths_the_parts_are_shown_that_were_asked_for(policy: Policy) -> None:
    asking = Asking(replace(stvg.STVG, needs=(("interval",),)), "short", MARKER)
    (shown,) = evaluate(policy, toy(1), asking, max_new_tokens=6, batch=1).shown
    assert shown.loaded.sample.truth == Answer(toy(1).samples[0].truth.interval)


def test_scores_are_those_of_what_was_said(policy: Policy, answering: Callable[[list[str]], None]) -> None:
    source = toy(4)
    truths = [source.load(sample).sample.truth for sample in source.samples]
    answering([*(stvg.answer_text(truth, "so") for truth in truths[:3]), FAILED])
    result = ask(policy, source)
    assert [p.sample.id for p in result.predictions] == [sample.id for sample in source.samples]
    assert [isinstance(p.answer, Answer) for p in result.predictions] == [True, True, True, False]
    assert isinstance(result.predictions[3].answer, ParseFailure)
    # Three right answers of four; toy times are multiples of 0.5 s, which the text holds exactly.
    for name in ("m_tIoU", "id_accuracy", "parse_rate"):
        assert result.metrics[name] == pytest.approx(0.75)
    assert result.metrics["count"] == 4
    # Both oracles also mend the failure; with one oracle it stays one.
    parsed = {name: best["parse_rate"] for name, best in result.ceilings.items()}
    assert parsed == {"oracle_id_oracle_time": 1.0, "oracle_id_predicted_time": 0.75, "predicted_id_oracle_time": 0.75}
    # A right answer is decoded through the same masks as the oracle's: what remains is the failed sample's own tube.
    failed = result.predictions[3].ceilings["oracle_id_oracle_time"]["m_vIoU"]
    assert result.ceilings["oracle_id_oracle_time"]["m_vIoU"] == pytest.approx(result.metrics["m_vIoU"] + failed / 4)


def pairs_in_agreement(said: Sequence[tuple[Sample, Said]]) -> list[dict[str, float]]:
    """Of two samples after each other, given to the second: whether both were read, or neither."""
    read = [isinstance(one, Answer) for _, one in said]
    return [
        {"agree": float(read[at] == read[at - 1])} if at % 2 else {"read": float(read[at])} for at in range(len(said))
    ]


def test_figures_of_several_samples_are_means_over_those_that_have_them(
    policy: Policy, answering: Callable[[list[str]], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    source, task = toy(4), replace(stvg.STVG, gather=pairs_in_agreement)
    right = [stvg.answer_text(source.load(sample).sample.truth, "so") for sample in source.samples]
    answering([right[0], FAILED, right[2], right[3]])
    monkeypatch.setattr(controls_module, "generate", lambda policy, prompts, tokens: [FAILED] * len(prompts))
    asking = Asking(task, "short", MARKER)
    result = evaluate(policy, source, asking, max_new_tokens=6, batch=3, controls=True, constant=right[0])
    assert [one.get("agree") for one in result.scores] == [None, 0.0, None, 1.0]
    assert (result.metrics["agree"], result.metrics["read"]) == (0.5, 1.0)
    beside = {name: summarise(scores) for name, scores in result.controls.items()}
    assert {name: (of["agree"], of["read"]) for name, of in beside.items()} == {
        "blind": (1.0, 0.0),
        "other": (1.0, 0.0),
        "constant": (1.0, 1.0),
    }
    bounds = intervals(result.scores)["agree"]
    assert (bounds.value, bounds.low, bounds.high) == (0.5, 0.0, 1.0)


def test_a_prediction_keeps_its_sample_with_the_complete_truth(policy: Policy) -> None:
    source = toy(3)
    for prediction, sample in zip(ask(policy, source, keep=0).predictions, source.samples, strict=True):
        truth = source.load(sample).sample.truth
        assert (prediction.sample.id, prediction.sample.query) == (sample.id, sample.query)
        assert prediction.sample.truth.interval == truth.interval
        assert prediction.sample.truth.tube is not None and truth.tube is not None
        np.testing.assert_array_equal(prediction.sample.truth.tube.boxes, truth.tube.boxes)


def test_the_batch_changes_nothing(policy: Policy) -> None:
    single, whole = ask(policy, toy(5), batch=1), ask(policy, toy(5), batch=5)
    assert [p.text for p in single.predictions] == [p.text for p in whole.predictions]
    assert (single.metrics, single.ceilings) == (whole.metrics, whole.ceilings)


@pytest.mark.parametrize("training", [True, False])
def test_the_policy_is_left_as_it_was(policy: Policy, training: bool) -> None:
    policy.model.train(training)
    ask(policy, toy(1))
    assert policy.model.training is training
    policy.model.eval()


def test_progress_sees_every_batch(policy: Policy) -> None:
    seen: list[int] = []
    ask(policy, toy(5), batch=2, progress=lambda batches: (seen.append(b) or b for b in batches))  # type: ignore[func-returns-value]
    assert seen == [0, 2, 4]


def test_nothing_to_evaluate_is_a_user_error(policy: Policy) -> None:
    class Empty:
        samples: Sequence[Sample] = []

    with pytest.raises(UserError, match="no scores"):
        ask(policy, Empty())


def test_what_cannot_be_used_stops_or_is_left_out_and_told(policy: Policy) -> None:
    source = Broken(toy(5).samples, toy(5))
    gone, told = [source.samples[index].id for index in (1, 4)], list[tuple[str, str]]()
    with pytest.raises(UserError, match=f"{gone[0]} has no frames"):
        ask(policy, source)
    result = ask(policy, source, keep=2, on_broken=lambda sample, why: told.append((sample.id, why)))
    assert told == [(name, f"{name} has no frames") for name in gone]
    assert set(result.left_out) == set(gone)
    kept = [source.samples[index].id for index in (0, 2, 3)]
    assert [prediction.sample.id for prediction in result.predictions] == kept
    assert (result.metrics["count"], len(result.shown)) == (3.0, 2)
    again = ask(policy, source, leave_out=result.left_out)
    assert [prediction.text for prediction in again.predictions] == [one.text for one in result.predictions]


def test_a_prompt_that_cannot_be_encoded_names_its_sample(policy: Policy) -> None:
    sample = replace(toy(1).samples[0], query="the <|im_end|>")
    with pytest.raises(UserError, match=f"^sample {sample.id}: a query must not hold the model's own tokens"):
        ask(policy, Broken([sample], toy(1), number=-1))


@dataclass
class Broken:
    """A source in which every third sample after the second cannot be read."""

    samples: Sequence[Sample]
    inner: ToySource
    number: int = 1

    def load(self, sample: Sample) -> LoadedSample:
        if [one.id for one in self.samples].index(sample.id) % 3 == self.number:
            raise UserError(f"{sample.id} has no frames")
        return replace(self.inner.load(sample), sample=sample)

    def version(self, sample: Sample) -> str:
        return self.inner.version(sample)
