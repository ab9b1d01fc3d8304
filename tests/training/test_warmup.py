"""Supervised warm-up: whose token is whose, what is scored, and that it learns."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from grounding.core import Interval
from grounding.datasets.toy import toy_source
from grounding.policies.policy import Policy
from grounding.training.warmup import (
    PARTIAL,
    STAGES,
    Stage,
    Turn,
    WarmupPlan,
    completion_tokens,
    make_batch,
    partial,
    supervised_loss,
    turns_of,
    two_frames,
    unscored_seconds,
    warm_up,
)
from prompting import IdMarker

MARKER = IdMarker("badge", 15.0)
FIRST = 5_000_000
STILL, WHOLE = Stage(2, True, 0.9), Stage(2, False, 0.9)
PLAN = WarmupPlan([STILL], batch=2, lr=1e-3, max_steps=2, first_clip=FIRST, prompt_kind="short")


def loaded_clip(objects: int = 2, number: int = FIRST, fps: float = 2.0) -> Any:
    source = toy_source(number, 1, objects=objects, fps=fps)
    return source.load(source.samples[0])


def whole_text(turn: Turn) -> str:
    return "".join(piece for piece, _ in turn.answer)


def scored(text: str) -> Turn:
    return Turn("q", [(text, True)], ends=True)


def test_turns_ask_for_every_object_its_own_id_and_times(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("grounding.training.warmup.PARTIAL", 0.0)
    loaded = loaded_clip()
    turns = turns_of(loaded, "short", still=False)
    truth, other = loaded.sample.truth, loaded.sample.meta["others"][0]
    query = loaded.sample.query
    assert [turn.prompt for turn in turns] == [f"Query: {query}", f"Query: {other['query']}"]
    words = query.removeprefix("the ")
    start, end = truth.interval.start, truth.interval.end
    said = (
        f"<think>{words} {truth.object_id}</think> "
        f"<answer>Target ID: {truth.object_id}, Time range: {start} to {end}</answer>"
    )
    assert turns[0].answer == [(said, True)]
    assert f"Target ID: {other['object_id']}, Time range: {other['interval'].start} to" in whole_text(turns[1])
    assert all(turn.ends for turn in turns)


@pytest.mark.parametrize(
    ("late", "early", "whole", "part"),
    [
        (True, True, (0.0, 4.0), (1.0, 3.0)),
        (True, False, (0.0, 4.0), (1.0, 4.0)),
        (False, True, (1.0, 3.0), (1.0, 2.0)),
        (True, True, (1.0, 3.0), (2.0, 3.0)),  # a second is left, so the end stays
        (True, True, (1.0, 2.0), (1.0, 2.0)),
        (False, False, (0.0, 3.0), (0.0, 3.0)),
    ],
)
def test_partial_annotations_by_hand(
    late: bool, early: bool, whole: tuple[float, float], part: tuple[float, float]
) -> None:
    rng: Any = SimpleNamespace(random=lambda _: np.array([not late, not early], float))
    assert partial(Interval(*whole), rng) == Interval(*part)


def test_partial_annotations_come_as_often_as_said() -> None:
    rng = np.random.default_rng(0)
    parts = [partial(Interval(0.0, 4.0), rng) for _ in range(2000)]
    # 2000 draws at 0.7: standard deviation 0.01
    assert np.mean([part.start == 1.0 for part in parts]) == pytest.approx(PARTIAL, abs=0.05)
    assert np.mean([part.end == 3.0 for part in parts]) == pytest.approx(PARTIAL, abs=0.05)


def test_still_frames_score_who_but_never_when() -> None:
    loaded = loaded_clip()
    still, whole = turns_of(loaded, "short", still=True), turns_of(loaded, "short", still=False)
    assert [turn.prompt for turn in still] == [turn.prompt for turn in whole]
    assert whole_text(still[0]) == whole_text(whole[0])
    assert [piece for piece, is_scored in still[0].answer if not is_scored]
    assert whole_text(still[1]) == whole_text(whole[1]).partition(" <answer>")[0]
    assert [turn.ends for turn in still] == [True, False]


def test_unscored_seconds_by_hand() -> None:
    text = "<think>square in red 3</think> <answer>Target ID: 3, Time range: 1.0 to 12.5</answer>"
    assert unscored_seconds(text) == [
        ("<think>square in red 3</think> <answer>Target ID: 3, Time range:", True),
        (" 1", False),
        (".", True),
        ("0", False),
        (" to", True),
        (" 1", False),
        ("2", False),
        (".", True),
        ("5", False),
        ("</answer>", True),
    ]


def test_pieces_make_the_same_tokens_as_the_whole_answer(policy: Policy) -> None:
    loaded = loaded_clip()
    for still, whole in zip(turns_of(loaded, "short", True)[:1], turns_of(loaded, "short", False)[:1], strict=True):
        assert completion_tokens(policy, [still])[0].tolist() == completion_tokens(policy, [whole])[0].tolist()


def test_owners_by_hand(policy: Policy) -> None:
    turns = [
        Turn("q", [("12", True)], ends=True),
        Turn("7", [("5", True)], ends=False),
        Turn("x", [("3", True), ("4", False), ("5", True)], ends=True),
    ]
    tokens, owner = completion_tokens(policy, turns)
    pieces: dict[int, list[str]] = {}
    for token, who in zip(tokens.tolist(), owner.tolist(), strict=True):
        pieces.setdefault(who, []).append(policy.tokenizer.decode([token]))
    assert pieces[1] == ["1", "2", "<|im_end|>"]
    assert pieces[2] == ["5"]
    assert pieces[3] == ["3", "5", "<|im_end|>"]
    asked = "\n<|im_start|>user\n{}<|im_end|>\n<|im_start|>assistant\n"
    assert "".join(pieces[0]) == asked.format("7") + "<|im_end|>" + asked.format("x") + "4"
    changes = [who for k, who in enumerate(owner.tolist()) if k == 0 or who != owner[k - 1]]
    assert changes == [1, 0, 2, 0, 3, 0, 3]


def test_prompt_and_turns_are_one_chat_as_the_template_writes_it(policy: Policy) -> None:
    turns = [replace(scored("one 1"), prompt="first?"), replace(scored("two 2"), prompt="second?")]
    tokens, _ = completion_tokens(policy, turns)
    said = policy.render("first?") + policy.tokenizer.decode(tokens)
    chat = [
        {"role": "user", "content": [{"type": "text", "text": "first?"}, {"type": "video"}]},
        {"role": "assistant", "content": "one 1"},
        {"role": "user", "content": "second?"},
        {"role": "assistant", "content": "two 2"},
    ]
    assert said + "\n" == policy.processor.apply_chat_template(chat, tokenize=False)


@pytest.mark.parametrize("number", range(FIRST, FIRST + 12))
def test_two_frames_show_the_object_and_drop_those_they_miss(number: int) -> None:
    loaded = loaded_clip(3, number)
    still = two_frames(loaded)
    truth = loaded.sample.truth
    assert len(still.clip) == 2
    at = [int(np.flatnonzero(loaded.clip.pts == time)[0]) for time in still.clip.pts]
    assert at[1] == at[0] + 1
    assert np.array_equal(still.clip.frames, loaded.clip.frames[at])
    assert all(truth.interval.start <= time < truth.interval.end for time in still.clip.pts)
    shown = {
        other["object_id"]
        for other in loaded.sample.meta["others"]
        if all(other["interval"].start <= time < other["interval"].end for time in still.clip.pts)
    }
    assert {other["object_id"] for other in still.sample.meta["others"]} == shown
    assert two_frames(loaded).clip.pts.tolist() == still.clip.pts.tolist()  # the sample decides, nothing else


@pytest.mark.parametrize("stage", [STILL, WHOLE])
def test_a_batch_marks_the_answers_and_nothing_else(policy: Policy, stage: Stage) -> None:
    plan = PLAN if stage.still else replace(PLAN, batch=4)  # whole clips come half as many at a time
    inputs, answers = make_batch(policy, MARKER, plan, stage, FIRST)
    assert len(answers) == 2
    source = toy_source(FIRST, 2, objects=2)
    assert answers.shape == inputs["input_ids"].shape
    assert not answers[inputs["attention_mask"] == 0].any()
    for row, sample in enumerate(source.samples):
        said = policy.tokenizer.decode(inputs["input_ids"][row][answers[row] == 1])
        assert said.startswith("<think>")
        assert said.endswith("Time range:. to.</answer><|im_end|>" if stage.still else "</answer><|im_end|>")
        assert f" {sample.truth.object_id}</think>" in said


@pytest.fixture(scope="module")
def batch(policy: Policy) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
    inputs, answers = make_batch(policy, MARKER, replace(PLAN, batch=4), WHOLE, FIRST)
    assert int(answers.max()) == 2
    return inputs, answers


def changed(inputs: dict[str, torch.Tensor], where: torch.Tensor) -> dict[str, torch.Tensor]:
    return {**inputs, "input_ids": inputs["input_ids"].masked_fill(where, 50)}


@torch.no_grad()
def test_the_loss_is_the_mean_over_answer_tokens(policy: Policy, batch: Any) -> None:
    inputs, answers = batch
    loss, _ = supervised_loss(policy, inputs, answers)
    logp = torch.log_softmax(policy.model(**inputs).logits, -1)
    terms = [-float(logp[row, at - 1, inputs["input_ids"][row, at]]) for row, at in torch.nonzero(answers > 0).tolist()]
    assert float(loss) == pytest.approx(sum(terms) / len(terms), abs=1e-4)


@torch.no_grad()
def test_what_belongs_to_nobody_is_not_scored(policy: Policy, batch: Any) -> None:
    inputs, answers = batch
    first = answers.masked_fill(answers == 2, 0)  # only the first answers are scored
    loss, _ = supervised_loss(policy, inputs, first)
    columns = torch.arange(first.shape[1])
    last = torch.stack([columns[row == 1].max() for row in first])
    later = (columns > last[:, None]) & (inputs["attention_mask"] == 1)
    assert later.any()
    same, _ = supervised_loss(policy, changed(inputs, later), first)
    assert float(same) == pytest.approx(float(loss), abs=1e-5)
    other, _ = supervised_loss(policy, changed(inputs, first == 1), first)
    assert abs(float(other) - float(loss)) > 0.01


def oracle(policy: Policy, tokens: torch.Tensor) -> Any:
    """A stand-in whose likeliest next token is always the one that follows in `tokens`."""
    following = torch.nn.functional.one_hot(tokens.roll(-1, dims=1), len(policy.tokenizer)).float() * 50
    return SimpleNamespace(core=lambda **_: SimpleNamespace(last_hidden_state=following), head=lambda hidden: hidden)


def test_exact_counts_answers_that_are_right_in_every_token(policy: Policy, batch: Any) -> None:
    inputs, answers = batch
    tokens = inputs["input_ids"]
    loss, right = supervised_loss(oracle(policy, tokens), inputs, answers)
    assert right == 1.0
    assert float(loss) < 1e-6
    spoilt = tokens.clone()
    spoilt[0, torch.nonzero(answers[0] == 2)[3]] += 1  # one token of one of the four answers
    count = sum(len(row[row > 0].unique()) for row in answers)
    assert supervised_loss(oracle(policy, spoilt), inputs, answers)[1] == pytest.approx(1 - 1 / count)
    spoilt[0, torch.nonzero(answers[0] == 2)[4]] += 1  # another token of the same answer
    assert supervised_loss(oracle(policy, spoilt), inputs, answers)[1] == pytest.approx(1 - 1 / count)
    spoilt[1, torch.nonzero(answers[1] == 1)[0]] += 1
    assert supervised_loss(oracle(policy, spoilt), inputs, answers)[1] == pytest.approx(1 - 2 / count)


def test_questions_may_be_mispredicted(policy: Policy, batch: Any) -> None:
    inputs, answers = batch
    spoilt = inputs["input_ids"].masked_fill(answers == 0, 50)
    assert supervised_loss(oracle(policy, spoilt), inputs, answers)[1] == 1.0


def test_it_trains_and_logs_every_step(fresh: Callable[[], Policy]) -> None:
    policy = fresh()
    before = {name: value.clone() for name, value in policy.model.state_dict().items()}
    logged: list[dict[str, float]] = []
    assert warm_up(policy, MARKER, PLAN, logged.append) == 2
    assert len(logged) == 2
    assert [row["stage"] for row in logged] == [1, 1]
    assert all(np.isfinite(row["loss"]) and 0 <= row["exact"] <= 1 for row in logged)
    after = policy.model.state_dict()
    assert any(not torch.equal(before[name], after[name]) for name in before)


def test_a_goal_that_is_reached_ends_a_stage_and_the_last_one_the_warmup(
    fresh: Callable[[], Policy], monkeypatch: pytest.MonkeyPatch
) -> None:
    module = "grounding.training.warmup"
    policy = fresh()
    parameter = next(policy.model.parameters())
    monkeypatch.setattr(f"{module}.make_batch", lambda *_: ())
    monkeypatch.setattr(f"{module}.supervised_loss", lambda *_: (parameter.sum() * 0, 0.8))
    monkeypatch.setattr(f"{module}.WINDOW", 3)
    logged: list[dict[str, float]] = []
    two = [Stage(1, True, 0.7), Stage(2, True, 0.8)]
    assert warm_up(policy, MARKER, replace(PLAN, stages=two, max_steps=50), logged.append) == 6
    assert [row["stage"] for row in logged] == [1, 1, 1, 2, 2, 2]
    never = [Stage(1, True, 0.9)]
    assert warm_up(policy, MARKER, replace(PLAN, stages=never, max_steps=5), logged.append) == 5


def test_the_default_stages_raise_the_number_of_objects_and_end_with_whole_clips() -> None:
    assert [(stage.objects, stage.still) for stage in STAGES] == [(1, True), (2, True), (3, False)]
    assert [stage.goal is None for stage in STAGES] == [False, False, True]


def test_a_stage_without_a_goal_goes_on_to_the_end(
    fresh: Callable[[], Policy], monkeypatch: pytest.MonkeyPatch
) -> None:
    module = "grounding.training.warmup"
    policy = fresh()
    parameter = next(policy.model.parameters())
    monkeypatch.setattr(f"{module}.make_batch", lambda *_: ())
    monkeypatch.setattr(f"{module}.supervised_loss", lambda *_: (parameter.sum() * 0, 1.0))
    monkeypatch.setattr(f"{module}.WINDOW", 3)
    plan = replace(PLAN, stages=[Stage(1, True, 0.5), Stage(3, False)], max_steps=9)
    logged: list[dict[str, float]] = []
    assert warm_up(policy, MARKER, plan, logged.append) == 9
    assert [row["stage"] for row in logged] == [1, 1, 1, 2, 2, 2, 2, 2, 2]


def test_the_rate_rises_at_the_beginning_of_every_stage_and_falls_at_the_end(
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
    monkeypatch.setattr(f"{module}.make_batch", lambda *_: ())
    monkeypatch.setattr(f"{module}.supervised_loss", lambda *_: (parameter.sum() * 0, 1.0))
    monkeypatch.setattr(f"{module}.WINDOW", 3)
    monkeypatch.setattr(f"{module}.RAMP", 2)
    monkeypatch.setattr(f"{module}.FALL", 2)
    plan = replace(PLAN, stages=[Stage(1, True, 0.5), Stage(2, True, 0.5, pace=0.5)], max_steps=6)
    warm_up(policy, MARKER, plan, lambda _: None)
    # Half at first and half in the last step; the second stage at half the pace.
    assert rates == [2.0, 4.0, 4.0, 1.0, 2.0, 1.0]


@pytest.mark.slow
def test_a_few_steps_lower_the_loss(fresh: Callable[[], Policy], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("grounding.training.warmup.FALL", 5)
    logged: list[dict[str, float]] = []
    warm_up(fresh(), MARKER, replace(PLAN, stages=[Stage(1, True, 1.0)], batch=4, max_steps=25), logged.append)
    losses = [row["loss"] for row in logged]
    assert np.mean(losses[-5:]) < 0.5 * np.mean(losses[:3])
