"""A task that shows two stills around the video goes the whole way: warm-up, a step of GRPO, evaluation."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from grounding.core import Clip, Interval, LoadedSample, UserTurn
from grounding.datasets.toy import toy_source
from grounding.evaluation.evaluate import evaluate
from grounding.policies.policy import Policy
from grounding.tasks.asking import Asking, Moment
from grounding.tasks.stvg import STVG
from grounding.tasks.task import Task
from grounding.tasks.teaching import LESSONS
from grounding.tasks.vtg import VTG
from grounding.training.config import Config
from grounding.training.examples import Collator, make_examples, without_weights
from grounding.training.grpo import run_grpo
from grounding.training.learning import Place, Work
from grounding.training.lessons import naming_loss, objects_shown, targets_of
from grounding.training.warmup import WarmupPlan, make_batch, supervised_loss, warm_up
from prompting import IdMarker
from rewards import REWARDS

FIRST = 5_000_000
MARKER = IdMarker("badge", 15.0)
SAYS = STVG.teaching.says
PLAN = WarmupPlan(LESSONS, batch=2, lr=1e-3, max_steps=6, first_clip=FIRST)


def around(text: str, shown: Clip, loaded: LoadedSample) -> UserTurn:
    """The first frame, the question, the video, and the last frame."""
    return picked(shown, 0), text, shown, "in the end:", picked(shown, -1)


def picked(clip: Clip, index: int) -> Clip:
    return replace(clip, frames=clip.frames[[index]], pts=clip.pts[[index]])


def composite(text: str, shown: Clip, loaded: LoadedSample) -> UserTurn:
    """One picture: the first frame beside the last."""
    return text, replace(shown, frames=np.concatenate([shown.frames[:1], shown.frames[-1:]], axis=2), pts=shown.pts[:1])


def asks(task: Task, turn: Any) -> Asking:
    return Asking(replace(task, turn=turn), "short", MARKER)


def test_a_step_of_grpo_learns_from_it(
    fresh: Callable[[], Policy], config: Callable[..., Config], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def by_letters(answer: Any, truth: Any, meta: Any) -> float:
        return sum(map(ord, meta.text)) % 11 / 10

    monkeypatch.setitem(REWARDS, "stvg_format", by_letters)  # an untrained policy answers nothing
    policy, source = fresh(), toy_source(FIRST, 8, fps=1.0, toy=VTG.toy)
    before = {name: value.clone() for name, value in policy.model.state_dict().items()}
    shown: list[list[list[int]]] = []
    encode = Policy.encode

    def watched(self: Policy, turns: Any) -> Any:
        made = encode(self, turns)
        shown.extend(prompt.grid.tolist() for prompt in made)
        return made

    monkeypatch.setattr(Policy, "encode", watched)
    small = config(objective={"lr": 1e-2}, task={"name": "vtg", "weights": {"stvg_format": 1.0}})
    figures: list[Any] = []
    trained = run_grpo(
        policy, Work(small, asks(VTG, around), source), Place(tmp_path, tmp_path / "model"), figures.append
    )
    # 84 x 84 pixels in patches of 7; 8 seconds at a frame a second, two frames a patch; each still fills one patch.
    assert shown == [[[1, 12, 12], [2, 12, 12], [1, 12, 12]]] * 4
    after = trained.model.state_dict()
    assert max(float((after[name] - value).abs().max()) for name, value in before.items()) > 1e-4
    assert [math.isfinite(row["loss"]) for row in figures if "loss" in row] == [True]


def test_it_is_evaluated(policy: Policy) -> None:
    source = toy_source(0, 3, level=1, objects=2, fps=1.0)
    evaluation = evaluate(policy, source, asks(STVG, around), max_new_tokens=6, batch=2)
    assert len(evaluation.predictions) == 3
    for one, prediction in zip(evaluation.shown, evaluation.predictions, strict=True):
        assert one.marked.frames.shape == one.loaded.clip.frames.shape  # the video as it was shown, not a still
        assert not np.array_equal(one.marked.frames, one.loaded.clip.frames)
        assert prediction.sample.id == one.loaded.sample.id


def test_frames_of_the_samples_own_clip_are_named(policy: Policy) -> None:
    source = toy_source(FIRST, 1)
    asked = asks(STVG, around)(source.load(source.samples[0]))
    prompt = policy.encode([asked.turn])[0]
    targets = targets_of(policy, prompt, asked, SAYS)
    alone = Asking(STVG, "short", MARKER)(asked.loaded)
    usual = targets_of(policy, policy.encode([alone.turn])[0], alone, SAYS)
    still, video = 36, 36 * 4  # tokens of 14 pixels
    assert targets.shape[0] == still + video + still
    for frame, part in ((0, targets[:still]), (-1, targets[-still:])):
        seen = objects_shown(replace(asked.loaded, clip=picked(asked.loaded.clip, frame)), (1, 6, 6))
        assert seen.any()
        assert part.any(1).tolist() == (seen.ravel() > 0).tolist()
    torch.testing.assert_close(targets[still:-still], usual, rtol=0, atol=0)
    assert objects_shown(asked.loaded, (4, 6, 6)).any()


@torch.no_grad()
def test_the_warm_up_loss_is_that_of_prompts_encoded_one_by_one(policy: Policy) -> None:
    batch = make_batch(policy, asks(STVG, around), PLAN, LESSONS[-1], FIRST)
    loss, _ = supervised_loss(policy, batch, asks=False, says=SAYS)
    named = naming_loss(policy, policy.encode_videos(batch.prompts), batch.prompts, batch.asked, SAYS)
    assert float(loss) == pytest.approx(float(named), abs=1e-5)


@pytest.mark.parametrize("turn", [around, composite])
def test_it_is_warmed_up(fresh: Callable[[], Policy], turn: Any) -> None:
    policy, figures = fresh(), list[dict[str, float]]()
    before = policy.model.lm_head.weight.detach().clone()
    warm_up(policy, asks(STVG, turn), PLAN, figures.append)
    assert len(figures) == PLAN.max_steps
    assert all(math.isfinite(one["loss"]) for one in figures)
    assert not torch.equal(before, policy.model.lm_head.weight)
    named = [one["loss"] for one in figures if "exact" not in one]
    assert all(loss == 0 for loss in named) is (turn is composite)  # nobody names what masks do not show


def test_workers_make_the_same_prompts(policy: Policy) -> None:
    source = toy_source(FIRST, 3, fps=1.0)
    rows: list[dict[str, object]] = [{"index": number} for number in range(3)]
    found = []
    for workers in (0, 1):
        collator = Collator(source, policy, asks(STVG, around), keep=4, workers=workers)
        found.append([row["example"].prompt for row in collator(rows)])  # type: ignore[attr-defined]
        collator.close()
    for ours, theirs in zip(*found, strict=True):
        assert torch.equal(ours.input_ids, theirs.input_ids)
        assert torch.equal(ours.pixel_values, theirs.pixel_values)
        assert torch.equal(ours.grid, theirs.grid)
        assert tuple(ours.seconds_per_grid) == tuple(theirs.seconds_per_grid)


def first_seconds(loaded: LoadedSample, now: Moment) -> LoadedSample:
    """Two frames and the truth within them; which sample was cut is written into its query."""
    clip = replace(loaded.clip, frames=loaded.clip.frames[:2], pts=loaded.clip.pts[:2])
    truth = replace(loaded.sample.truth, interval=Interval(0.0, 1.0))
    return replace(loaded, clip=clip, sample=replace(loaded.sample, truth=truth, query=f"draw {now.draw}"))


def test_examples_are_made_of_changed_samples(policy: Policy) -> None:
    source = toy_source(FIRST, 2, fps=1.0)
    loaded = [source.load(sample) for sample in source.samples]
    asking = Asking(VTG, "short", MARKER, (first_seconds,))
    for one in make_examples(loaded, without_weights(policy), asking, Moment(0, 7, 0.5)):
        assert one.loaded.sample.truth.interval == Interval(0.0, 1.0)  # what rewards hold an answer against
        assert len(one.loaded.clip) == one.prompt.frames == 2
        assert "When: draw 7" in policy.tokenizer.decode(one.prompt.input_ids)
    assert [one.loaded for one in make_examples(loaded, policy, asking)] == loaded
