"""Supervised warm-up: its schedule, its loss by hand, that it learns, and that it goes on where it was stopped."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from dataclasses import replace
from math import log
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from grounding.core import UserError
from grounding.jobs.checkpoints import STATE, Checkpoints
from grounding.policies.policy import Policy
from grounding.tasks.asking import Asking
from grounding.tasks.qa import QA_ROOMS
from grounding.tasks.stvg import STVG
from grounding.tasks.teaching import LESSONS, Lesson
from grounding.training.lessons import naming_loss
from grounding.training.talks import completion_tokens
from grounding.training.warmup import (
    LEARNT,
    NAMING,
    WarmupPlan,
    exact,
    go_on,
    make_batch,
    make_optimizers,
    save,
    schedule,
    supervised_loss,
    warm_up,
)
from prompting import IdMarker

ASKING = Asking(STVG, "short", IdMarker("badge", 15.0))
FIRST = 5_000_000
SAYS = STVG.teaching.says
STILL, WHOLE = Lesson(1.0), Lesson(1.0, shows="whole")
PLAN = WarmupPlan([STILL], batch=2, lr=1e-3, max_steps=2, first_clip=FIRST)


def test_the_schedule_by_hand() -> None:
    first, second, third = Lesson(0.5, asks=False), Lesson(0.3), Lesson(0.2, shows="whole")
    steps = schedule(replace(PLAN, lessons=[first, second, third], max_steps=10))
    assert steps == [
        *[(1, first, since) for since in range(5)],
        *[(2, second, since) for since in range(3)],
        *[(3, third, since) for since in range(2)],
    ]


@pytest.mark.parametrize("steps", [1, 2, 3, 7, 420])
def test_every_step_has_a_lesson(steps: int) -> None:
    assert len(schedule(replace(PLAN, lessons=LESSONS, max_steps=steps))) == steps


@pytest.mark.parametrize(("lesson", "frames"), [(STILL, 2), (WHOLE, 8)])
def test_a_batch_has_all_objects_of_its_clips(policy: Policy, lesson: Lesson, frames: int) -> None:
    batch = make_batch(policy, ASKING, PLAN, lesson, FIRST)
    clips = [one.loaded for one in batch.asked]
    assert [clip.sample.id for clip in clips] == [f"toy-1-3-{FIRST}", f"toy-1-3-{FIRST + 1}"]
    assert [len(clip.clip) for clip in clips] == [frames] * 2
    for clip, talk, prompt in zip(clips, batch.talks, batch.prompts, strict=True):
        assert [turn.prompt for turn in talk] == [f"Query: {one.query}" for one in clip.sample.meta["questions"]]
        assert prompt.frames == frames
        assert policy.tokenizer.decode(prompt.input_ids).startswith(
            f"<|im_start|>user\n{talk[0].prompt}<|vision_start|>"
        )


def test_a_moment_is_asked_about_anew(policy: Policy) -> None:
    moment, still = Lesson(1.0, shows="moment"), Lesson(1.0)
    batches = [make_batch(policy, replace(ASKING, task=QA_ROOMS), PLAN, one, FIRST) for one in (moment, still)]
    shown, same = ([one.loaded.clip.pts.tolist() for one in batch.asked] for batch in batches)
    assert shown == same and {len(times) for times in shown} == {2}
    for one, talk in zip(batches[0].asked, batches[0].talks, strict=True):
        assert [turn.prompt for turn in talk] == [asked.query for asked in one.loaded.sample.meta["questions"]]
        assert all(turn.ends for turn in talk)


def test_the_ids_are_drawn(policy: Policy) -> None:
    plain, marked = (
        make_batch(policy, replace(ASKING, task=task), PLAN, STILL, FIRST).prompts[0].pixel_values
        for task in (replace(STVG, marks=False), STVG)
    )
    assert not torch.equal(plain, marked)


@torch.no_grad()
@pytest.mark.parametrize("lesson", [STILL, WHOLE])
def test_the_loss_is_that_of_the_plain_model(policy: Policy, lesson: Lesson) -> None:
    batch = make_batch(policy, ASKING, PLAN, lesson, FIRST)
    loss, figures = supervised_loss(policy, batch, asks=True, says=SAYS)
    rows = [completion_tokens(policy, talk) for talk in batch.talks]
    inputs = policy.pad(batch.prompts, [tokens for tokens, _ in rows])
    logp = torch.log_softmax(policy.model(**inputs).logits, -1)
    begin = inputs["input_ids"].shape[1] - max(len(tokens) for tokens, _ in rows)
    answers: dict[tuple[int, int], list[float]] = {}
    for row, (tokens, owner) in enumerate(rows):
        for at, (token, who) in enumerate(zip(tokens.tolist(), owner.tolist(), strict=True)):
            if who:
                answers.setdefault((row, who), []).append(float(logp[row, begin + at - 1, token]))
    terms = [term for answer in answers.values() for term in answer]
    features = policy.encode_videos(batch.prompts)
    named = float(naming_loss(policy, features, batch.prompts, batch.asked, SAYS))
    assert float(loss) == pytest.approx(NAMING * named - sum(terms) / len(terms), abs=1e-4)
    assert figures["exact"] == pytest.approx(np.mean([np.exp(sum(answer)) for answer in answers.values()]), rel=1e-3)


@torch.no_grad()
def test_without_questions_only_names_count(policy: Policy) -> None:
    batch = make_batch(policy, ASKING, PLAN, STILL, FIRST)
    loss, figures = supervised_loss(policy, batch, asks=False, says=SAYS)
    named = naming_loss(policy, policy.encode_videos(batch.prompts), batch.prompts, batch.asked, SAYS)
    assert float(loss) == pytest.approx(float(named), abs=1e-5)
    assert figures == {}


def test_exact_by_hand() -> None:
    owner = torch.tensor([[1, 1, 0, 2], [0, 1, 0, 0]])
    logp = torch.tensor([[log(0.5), log(0.4), -9.0, log(0.1)], [-9.0, log(0.6), -9.0, -9.0]])
    assert exact(logp, owner) == pytest.approx((0.2 + 0.1 + 0.6) / 3)


def test_it_trains_every_part_and_logs_every_step(fresh: Callable[[], Policy]) -> None:
    policy = fresh()
    before = {name: value.clone() for name, value in policy.model.state_dict().items()}
    logged: list[dict[str, float]] = []
    lessons = [Lesson(0.5, asks=False), Lesson(0.5)]
    warm_up(policy, ASKING, replace(PLAN, lessons=lessons), logged.append)
    assert [(row["lesson"], "exact" in row) for row in logged] == [(1, False), (2, True)]
    assert all(np.isfinite(row["loss"]) for row in logged)
    after = policy.model.state_dict()
    still = {name for name in before if torch.equal(before[name], after[name])}
    assert not {name for name in still if not name.endswith(("bias", "patch_embed.proj.weight"))}


def test_the_rate_rises_at_the_beginning_of_every_lesson_and_falls_at_the_end(
    fresh: Callable[[], Policy], monkeypatch: pytest.MonkeyPatch
) -> None:
    module = "grounding.training.warmup"
    policy = fresh()
    parameter = next(policy.model.parameters())
    rates: list[float] = []
    optimizer = torch.optim.SGD([parameter], lr=4.0)
    optimizer.param_groups[0]["initial_lr"] = 4.0
    optimizer.register_step_pre_hook(lambda *_: rates.append(optimizer.param_groups[0]["lr"]))
    monkeypatch.setattr(f"{module}.make_optimizers", lambda *_: [optimizer])
    monkeypatch.setattr(f"{module}.make_batch", lambda *_: None)
    monkeypatch.setattr(f"{module}.supervised_loss", lambda *_, **__: (parameter.sum() * 0, {}))
    monkeypatch.setattr(f"{module}.RAMP", 2)
    monkeypatch.setattr(f"{module}.FALL", 2)
    plan = replace(PLAN, lessons=[Lesson(0.5), Lesson(0.5, pace=0.5)], max_steps=6)
    warm_up(policy, ASKING, plan, lambda _: None)
    # Half at first and half in the last step; the second lesson at half the pace.
    assert rates == [2.0, 4.0, 4.0, 1.0, 2.0, 1.0]


def test_it_goes_on_from_the_newest_checkpoint_as_if_never_stopped(fresh: Callable[[], Policy], tmp_path: Path) -> None:
    lessons = [Lesson(0.5, asks=False), Lesson(0.5)]
    plan, checkpoints = replace(PLAN, lessons=lessons, max_steps=6, save_steps=2), Checkpoints(tmp_path, 2, alone=True)
    whole: list[dict[str, float]] = []
    expected = fresh()
    warm_up(expected, ASKING, plan, whole.append)

    def stop(figures: dict[str, float]) -> None:
        if figures["loss"] == whole[4]["loss"]:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        warm_up(fresh(), ASKING, plan, stop, checkpoints)
    assert [(one.step, one.processes) for one in checkpoints.found()] == [(2, 1), (4, 1)]
    rest: list[dict[str, float]] = []
    policy = fresh()
    warm_up(policy, ASKING, plan, rest.append, checkpoints)
    assert [(row["lesson"], row["loss"]) for row in rest] == [(row["lesson"], row["loss"]) for row in whole[4:]]
    weights = expected.model.state_dict()
    assert all(torch.equal(weights[name], value) for name, value in policy.model.state_dict().items())


def learners(width: int = 2) -> list[Any]:
    model = torch.nn.Linear(width, 2)
    return [model, *make_optimizers(model, 1e-3)]


def test_what_is_saved_is_everything(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path, 1, alone=True)
    model, *optimizers = learners()
    model(torch.ones(2)).sum().backward()
    for optimizer in optimizers:
        optimizer.step()
    save([model, *optimizers], checkpoints, 7)
    newest = checkpoints.latest()
    assert newest is not None
    newest.check(1)
    found = learners()
    assert go_on(found, checkpoints) == 7
    assert torch.equal(found[0].weight, model.weight)
    for mine, other, names in zip(found[1:], optimizers, [["momentum_buffer"], ["exp_avg", "exp_avg_sq"]], strict=True):
        [kept], [expected] = mine.state.values(), other.state.values()
        assert all(torch.equal(kept[name], expected[name]) and expected[name].any() for name in names)


FOREIGN = {"text": b"no weights", "nothing": b"", "code": pickle.dumps(print, protocol=2)}


@pytest.mark.parametrize("content", [*FOREIGN, "cut", "wider", 5, [5, 5, 5], [{}, {}, {}], {"model": 1}], ids=str)
def test_a_foreign_file_is_one_line(tmp_path: Path, content: Any) -> None:
    checkpoints = Checkpoints(tmp_path, 1, alone=True)
    save(learners(3 if content == "wider" else 2), checkpoints, 7)
    path = tmp_path / "step-000007" / LEARNT
    if content == "cut":
        path.write_bytes(path.read_bytes()[:1000])
    elif content in list(FOREIGN):
        path.write_bytes(FOREIGN[content])
    elif content != "wider":
        torch.save(content, path)
    with pytest.raises(UserError, match=r"cannot read the checkpoint .*step-000007: .+; remove it") as caught:
        go_on(learners(), checkpoints)
    assert "\n" not in str(caught.value)
    path.with_name(STATE).write_text("{")
    newest = checkpoints.latest()
    assert newest is not None
    with pytest.raises(UserError, match=f"no longer whole: .*{STATE}"):
        newest.check(1)


@pytest.mark.slow
@pytest.mark.parametrize("lesson", [Lesson(1.0, asks=False), STILL])
def test_a_few_steps_lower_the_loss(
    fresh: Callable[[], Policy], monkeypatch: pytest.MonkeyPatch, lesson: Lesson
) -> None:
    monkeypatch.setattr("grounding.training.warmup.FALL", 5)
    logged: list[dict[str, Any]] = []
    warm_up(fresh(), ASKING, replace(PLAN, lessons=[lesson], batch=4, max_steps=25), logged.append)
    losses = [row["loss"] for row in logged]
    assert np.mean(losses[-5:]) < 0.6 * np.mean(losses[:3])
