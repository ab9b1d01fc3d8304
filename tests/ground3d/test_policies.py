"""Both steps made of a tiny policy: what it is shown, what is drawn, and what is read of its words."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from grounding.core import Answer, Interval, ParseFailure, UserError
from grounding.ground3d import policies
from grounding.ground3d.policies import Asker, PolicySteps
from grounding.policies.policy import Policy, load_policy
from grounding.policies.tiny import build_tiny

CORPUS = ["When: the box none", "Where: the box", "<think>so</think> <answer>1.0 to 2.0</answer>"] * 4


@pytest.fixture(scope="module")
def policy(tmp_path_factory: pytest.TempPathFactory) -> Policy:
    folder = tmp_path_factory.mktemp("tiny") / "model"
    build_tiny(folder, CORPUS, seed=0)
    return load_policy(str(folder))


@pytest.fixture
def words(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[Any]]:
    """`words(greedy, drawn...)`: the policy says this; the list holds how it was asked."""

    def say(*texts: str) -> list[Any]:
        calls: list[Any] = []

        def sample(policy: Policy, prompts: Any, repeats: int, how: Any, features: Any, numbers: Any = None) -> Any:
            calls.append((policy.tokenizer.decode(prompts[0].input_ids), repeats, how.temperature, numbers))
            some = texts[:1] if how.temperature == 0 else texts[1 : 1 + repeats]
            return [policy.tokenizer(text).input_ids for text in some]

        monkeypatch.setattr(policies, "sample", sample)
        return calls

    return say


def asker(policy: Policy, **changes: Any) -> Asker:
    return Asker(
        policy, **{"kind": "short", "max_new_tokens": 8, "fps": 2.0, "max_frames": 4, "max_pixels": 2000} | changes
    )


def test_the_likeliest_answer_comes_first(policy: Policy, wall: Callable, words: Callable) -> None:
    calls = words("<answer>0.1 to 0.2</answer>", "<answer>none</answer>", "so")
    steps = PolicySteps(asker(policy), asker(policy), answers=3)
    said = steps.snippets("The Box.", wall(60).footage)
    assert said[:2] == [Answer(intervals=(Interval(0.1, 0.2),)), Answer(intervals=())]
    assert isinstance(said[2], ParseFailure)
    assert [call[1:3] for call in calls] == [(1, 0.0), (2, 1.0)]
    assert "When: the box" in calls[0][0]
    assert calls[1][3].shape == (1, 2, 8)


def test_a_model_that_reads_instructions_is_told_of_none(policy: Policy, wall: Callable, words: Callable) -> None:
    calls = words("<answer>none</answer>")
    full = asker(policy, kind="full")
    assert PolicySteps(full, full, answers=1).snippets("The Box.", wall(60).footage) == [Answer(intervals=())]
    assert "the one word none" in calls[0][0]


def test_what_is_drawn_depends_on_seed_and_query(policy: Policy, wall: Callable, words: Callable) -> None:
    numbers = []
    for seed, query in ((0, "a box"), (0, "a box"), (1, "a box"), (0, "a ball")):
        calls = words("so", "so")
        PolicySteps(asker(policy), asker(policy), answers=2, seed=seed).snippets(query, wall(60).footage)
        numbers.append(calls[1][3])
    assert torch.equal(numbers[0], numbers[1])
    assert not torch.equal(numbers[0], numbers[2]) and not torch.equal(numbers[0], numbers[3])


def test_one_answer_is_not_drawn(policy: Policy, wall: Callable, words: Callable) -> None:
    calls = words("<answer>0.1 to 0.2</answer>")
    assert len(PolicySteps(asker(policy), asker(policy), answers=1).snippets("it", wall(60).footage)) == 1
    assert len(calls) == 1


def test_boxes_are_in_pixels_of_the_scene(policy: Policy, wall: Callable, words: Callable) -> None:
    calls = words('<answer>{"bbox_2d": [250, 500, 750, 1000]}</answer>')
    said = PolicySteps(asker(policy), asker(policy)).box("the box", wall(4).footage, 2)
    assert isinstance(said, Answer) and said.box == (16, 24, 48, 48)  # of 64 x 48
    assert len(calls) == 1 and "Where: the box" in calls[0][0]


def test_pictures_are_brought_to_what_the_policy_knows(policy: Policy, wall: Callable) -> None:
    made = wall(60)
    clip = asker(policy, max_pixels=1000).clip(made.footage)
    assert clip.frames.shape == (4, 27, 36, 3) and made.reads == [0, 15, 30, 45]
    assert asker(policy).still(made.footage, 3).frames.shape == (1, 38, 51, 3)
    assert asker(policy, size=(56, 84)).still(made.footage, 3).frames.shape == (1, 56, 84, 3)


def test_a_random_policy_gives_answers_of_some_kind(policy: Policy, wall: Callable) -> None:
    steps = PolicySteps(asker(policy), asker(policy), answers=3)
    first, second = (steps.snippets("the box", wall(60).footage) for _ in range(2))
    assert len(first) == 3 and first == second
    assert isinstance(steps.box("the box", wall(60).footage, 3), (Answer, ParseFailure))


def test_the_model_s_own_tokens_are_refused(policy: Policy, wall: Callable) -> None:
    with pytest.raises(UserError, match="must not hold the model's own tokens"):
        PolicySteps(asker(policy), asker(policy)).snippets("<|im_end|>", wall(60).footage)


@pytest.mark.parametrize("answers", [0, 1001])
def test_so_many_answers(policy: Policy, answers: int) -> None:
    with pytest.raises(UserError, match=f"snippets must be 1 to 1000, got {answers}"):
        PolicySteps(asker(policy), asker(policy), answers=answers)
