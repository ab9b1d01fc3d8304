"""Tests of grounding.curriculum.backends."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from grounding.core import UserError, UserTurn
from grounding.curriculum.backends import LocalBackend, ScriptedBackend
from grounding.curriculum.replies import Request
from grounding.datasets.toy import toy_source
from grounding.policies.policy import Policy, load_policy, save_policy
from grounding.policies.shared_prefix import Sampling, generate
from grounding.policies.tiny import build_tiny

FREELY = Sampling(8)
GREEDILY = Sampling(8, temperature=0.0)


@pytest.fixture(scope="module")
def policy(tmp_path_factory: pytest.TempPathFactory) -> Policy:
    """As built; no test may change it."""
    folder = tmp_path_factory.mktemp("tiny") / "model"
    build_tiny(folder, ["from 1.0 to 2.0 the square in blue"] * 4, seed=0)
    return load_policy(str(folder))


@pytest.fixture(scope="module")
def requests() -> list[Request]:
    source = toy_source(7_770_000_000, 5, fps=1.0)

    def turn(number: int) -> UserTurn:
        sample = source.samples[number]
        return sample.query, source.load(sample).clip

    return [Request(f"key {number}", lambda number=number: turn(number)) for number in range(5)]  # type: ignore[misc]


def ask(policy: Policy, requests: Sequence[Request], count: int = 2, how: Sampling = FREELY, **more: Any) -> list[Any]:
    said = dict(LocalBackend(policy, how, **more).ask(requests, count))
    return [said[place] for place in range(len(requests))]


def test_replies_depend_on_the_request_alone(policy: Policy, requests: list[Request]) -> None:
    said = ask(policy, requests, batch=5)
    assert len({text for texts in said for text in texts}) == 10
    assert ask(policy, requests, batch=2) == said
    assert ask(policy, requests[::-1], batch=3) == said[::-1]
    assert ask(policy, requests[3:4]) == said[3:4]
    assert [texts[:2] for texts in ask(policy, requests, 3)] == said  # nor on how often others are asked


def test_another_seed_says_something_else(policy: Policy, requests: list[Request]) -> None:
    assert ask(policy, requests[:1], seed=1) != ask(policy, requests[:1], seed=2)


def test_the_generators_of_all_are_left_alone(policy: Policy, requests: list[Request]) -> None:
    torch.manual_seed(3)
    before = torch.get_rng_state()
    first = ask(policy, requests[:1])
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(4)
    assert ask(policy, requests[:1]) == first


def test_without_temperature_the_likeliest_text_is_said_each_time(policy: Policy, requests: list[Request]) -> None:
    likeliest = generate(policy, policy.encode([request.turn() for request in requests]), 8)
    assert ask(policy, requests, 3, GREEDILY) == [[text] * 3 for text in likeliest]


def test_a_policy_in_training_goes_on_so(policy: Policy, requests: list[Request]) -> None:
    policy.model.train()
    ask(policy, requests[:1])
    assert policy.model.training
    policy.model.eval()
    ask(policy, requests[:1])
    assert not policy.model.training


def test_a_copy_is_the_same_and_another_policy_is_not(policy: Policy, tmp_path: Path) -> None:
    known = LocalBackend(policy, FREELY).identity
    save_policy(policy, tmp_path / "copy")
    copy = load_policy(str(tmp_path / "copy"))
    assert LocalBackend(copy, FREELY, batch=3).identity == known
    others = [
        LocalBackend(policy, GREEDILY),
        LocalBackend(policy, replace(FREELY, top_p=0.9)),
        LocalBackend(policy, replace(FREELY, max_new_tokens=9)),
        LocalBackend(policy, FREELY, seed=1),
    ]
    assert len({known, *(other.identity for other in others)}) == 5
    copy.processor.video_processor.size["longest_edge"] -= 1
    assert LocalBackend(copy, FREELY).identity != known
    copy = load_policy(str(tmp_path / "copy"))
    with torch.no_grad():
        copy.model.lm_head.weight[-1, -1] += 1e-3
    assert LocalBackend(copy, FREELY).identity != known


@pytest.mark.parametrize(
    "how", [Sampling(0), Sampling(8, temperature=-1.0), Sampling(8, top_p=0.0), Sampling(8, temperature=float("nan"))]
)
def test_values_that_cannot_be_used_are_refused(policy: Policy, how: Sampling) -> None:
    with pytest.raises(UserError, match="a policy is asked with temperature >= 0"):
        LocalBackend(policy, how)


def test_a_prompt_that_cannot_be_encoded_says_whose_it_is(policy: Policy, requests: list[Request]) -> None:
    _, clip = requests[0].turn()
    bad = Request("bad", lambda: ("the <|im_end|>", clip), "sample 7")
    with pytest.raises(UserError, match=r"^sample 7: a query must not hold the model's own tokens"):
        ask(policy, [*requests, bad])


def scripted(known: Any, count: int) -> list[Any]:
    some = [Request(key, tuple) for key in ("a", "b")]
    return [list(texts) for _, texts in ScriptedBackend(known).ask(some, count)]


def test_a_script_says_what_is_written() -> None:
    assert scripted({"a": ["1", "2"], "b": ("3", "4", "5")}, 2) == [["1", "2"], ["3", "4"]]
    assert scripted(lambda request: [request.key.upper()], 1) == [["A"], ["B"]]


@pytest.mark.parametrize(("known", "has"), [({"a": ["1"]}, 0), ({"a": ["1"], "b": []}, 0)])
def test_a_script_that_lacks_replies_says_for_what(known: dict[str, list[str]], has: int) -> None:
    with pytest.raises(UserError, match=f"the script has {has} replies to request 'b', asked for 1"):
        scripted(known, 1)
