"""Positions of Qwen2.5-VL's tokens as it was trained, against tables worked out by hand."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from grounding.core import Clip
from grounding.policies.families import IMAGE, TEXT, VIDEO, Qwen25VL
from grounding.policies.policy import Policy, load_policy
from grounding.policies.shared_prefix import Sampling, read_prompts, sample

Noise = Callable[..., Clip]
CONFIG = SimpleNamespace(vision_config=SimpleNamespace(spatial_merge_size=2, tokens_per_second=2))

# A picture of (times, height, width) patches has times x height / 2 x width / 2 tokens. A row of a table is one token:
# its position in time, height and width.
TABLES: dict[str, tuple[list[int], list[list[int]], list[list[int]], list[float], list[tuple[int, int, int]]]] = {
    "text alone": ([TEXT] * 3, [], [], [], [(0, 0, 0), (1, 1, 1), (2, 2, 2)]),
    # 2 frames a second: a patch of two frames lasts 1 s, which is 2 positions. Largest is 1 + 2 x 2 = 5.
    "a video of 3 s, then text": (
        [TEXT] + [VIDEO] * 3 + [TEXT] * 2,
        [],
        [[3, 2, 2]],
        [1.0],
        [(0, 0, 0), (1, 1, 1), (3, 1, 1), (5, 1, 1), (6, 6, 6), (7, 7, 7)],
    ),
    # A wide, short video: its width is the largest. (transformers agrees here.)
    "a wide video": (
        [TEXT] + [VIDEO] * 4 + [TEXT],
        [],
        [[1, 2, 8]],
        [1.0],
        [(0, 0, 0), (1, 1, 1), (1, 1, 2), (1, 1, 3), (1, 1, 4), (5, 5, 5)],
    ),
    # 3 frames a second: 2 / 3 s, 4 / 3 of a position a patch, cut down: 0, 1, 2, 4.
    "3 frames a second": (
        [VIDEO] * 4 + [TEXT],
        [],
        [[4, 2, 2]],
        [2 / 3],
        [(0, 0, 0), (1, 0, 0), (2, 0, 0), (4, 0, 0), (5, 5, 5)],
    ),
    # Half a frame a second: 4 s, 8 positions a patch.
    "half a frame a second": (
        [TEXT] * 2 + [VIDEO] * 2 + [TEXT],
        [],
        [[2, 2, 2]],
        [4.0],
        [(0, 0, 0), (1, 1, 1), (2, 2, 2), (10, 2, 2), (11, 11, 11)],
    ),
    # 8 frames a second: a quarter of a second, half a position: neighbours share one.
    "8 frames a second": (
        [VIDEO] * 3 + [TEXT],
        [],
        [[3, 2, 2]],
        [0.25],
        [(0, 0, 0), (0, 0, 0), (1, 0, 0), (2, 2, 2)],
    ),
    # An image has one time; two rows and one column of tokens.
    "an image": (
        [TEXT] + [IMAGE] * 2 + [TEXT],
        [[1, 4, 2]],
        [],
        [],
        [(0, 0, 0), (1, 1, 1), (1, 2, 1), (3, 3, 3)],
    ),
    # Two videos of different rates with text between, then an image.
    "two videos and an image": (
        [VIDEO] * 2 + [TEXT] + [VIDEO] * 2 + [TEXT] + [IMAGE] + [TEXT],
        [[1, 2, 2]],
        [[2, 2, 2], [2, 2, 2]],
        [2.0, 1.0],
        [
            *[(0, 0, 0), (4, 0, 0)],  # 2 s are 4 positions
            (5, 5, 5),
            *[(6, 6, 6), (8, 6, 6)],
            (9, 9, 9),
            (10, 10, 10),
            (11, 11, 11),
        ],
    ),
    # Without text between, each grid says how many tokens are its own.
    "two videos side by side": (
        [VIDEO] * 3 + [TEXT],
        [],
        [[2, 2, 2], [1, 2, 2]],
        [1.0, 1.0],
        [(0, 0, 0), (2, 0, 0), (3, 3, 3), (4, 4, 4)],
    ),
}


def index(kinds: list[int], images: list[list[int]], videos: list[list[int]], seconds: list[float]) -> Any:
    return Qwen25VL().rope_index(
        CONFIG,
        torch.zeros(1, len(kinds), dtype=torch.long),
        torch.tensor([kinds]),
        torch.tensor(images) if images else None,
        torch.tensor(videos) if videos else None,
        torch.tensor(seconds) if seconds else None,
    )


@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)
def test_positions_by_hand(table: Any) -> None:
    *given, expected = table
    positions, deltas = index(*given)
    assert list(map(tuple, positions[:, 0].T.tolist())) == expected
    assert deltas.tolist() == [[max(map(max, expected)) + 1 - len(expected)]]


def test_padding_is_passed_over_and_rows_do_not_mix() -> None:
    kinds = torch.tensor([[0, 0, VIDEO, VIDEO, 0], [VIDEO, VIDEO, VIDEO, 0, 0]])
    mask = torch.tensor([[0, 1, 1, 1, 1], [1, 1, 1, 1, 1]])
    grids, seconds = torch.tensor([[2, 2, 2], [3, 2, 2]]), torch.tensor([1.0, 2.0])
    positions, deltas = Qwen25VL().rope_index(CONFIG, kinds, kinds, None, grids, seconds, mask)
    assert positions[0].tolist() == [[0, 0, 1, 3, 4], [0, 4, 8, 9, 10]]
    assert deltas.tolist() == [[1], [6]]  # 5 after 4 tokens, 11 after 5


@pytest.mark.parametrize(
    ("seconds", "positions"),
    [
        (2, "trained"),
        (32, "trained"),
        (32, "transformers"),
    ],
)
def test_the_policy_continues_where_it_was_trained_to(
    tiny_folder: Any, noise: Noise, seconds: int, positions: str
) -> None:
    policy = load_policy(str(tiny_folder), positions=positions)
    prompt = policy.encode([("Query: the blue square", noise(2 * seconds, 2.0, 84, 84))])[0]
    kinds = policy.family.token_types(policy.model.config, prompt.input_ids).tolist()
    before = kinds.index(VIDEO)
    after = len(kinds) - kinds.index(VIDEO) - kinds.count(VIDEO)
    # One patch a second and 2 positions a second: the last is at 2 (seconds - 1); 6 tokens wide and high.
    reach = max(2 * (seconds - 1) + 1, 6) if positions == "trained" else 6
    assert policy.positions(prompt)[:, -1].tolist() == [before + reach + after - 1] * 3
    assert read_prompts(policy, [prompt], [1]).start.tolist() == [before + reach + after]


@pytest.mark.parametrize("positions", ["trained", "transformers"])
def test_transformers_own_generation_agrees_with_ours(trainable: Policy, noise: Noise, positions: str) -> None:
    policy = replace(trainable, placing=positions)
    prompts = policy.encode([("Query: the blue square", noise(64, 2.0))])
    batch = policy.pad(prompts)
    banned = [policy.model.config.image_token_id, policy.model.config.video_token_id]
    with torch.no_grad():
        theirs = policy.model.generate(**batch, do_sample=False, max_new_tokens=8, suppress_tokens=banned)
    ours = sample(policy, prompts, 1, Sampling(8, temperature=0.0))[0]
    assert theirs[0, batch["input_ids"].shape[1] :].tolist()[: len(ours)] == ours


def test_the_ways_differ_for_a_long_video_only_after_it(trainable: Policy, noise: Noise) -> None:
    prompt = trainable.encode([("Query: the blue square", noise(64, 2.0))])[0]
    trained = trainable.positions(prompt)
    theirs = replace(trainable, placing="transformers").positions(prompt)
    kinds = trainable.family.token_types(trainable.model.config, prompt.input_ids)
    end = len(kinds) - int((kinds.flip(0) == VIDEO).nonzero()[0, 0])
    assert torch.equal(trained[:, :end], theirs[:, :end])
    assert (trained[:, end:] > theirs[:, end:]).all()


def test_a_copy_of_the_model_places_tokens_alike(trainable: Policy, noise: Noise) -> None:
    prompt = trainable.encode([("Query: the blue square", noise(64, 2.0))])[0]
    copied = replace(trainable, model=copy.deepcopy(trainable.model))
    assert torch.equal(copied.positions(prompt), trainable.positions(prompt))


def test_other_families_continue_alike_both_ways(other: Policy, noise: Noise) -> None:
    prompt = other.encode([("Query: the blue square", noise(32, 2.0))])[0]
    theirs = replace(other, placing="transformers").positions(prompt)
    assert torch.equal(other.positions(prompt), theirs)
    # Every time is a picture of its own, so the last token is also the largest: nothing lies beyond the text.
    assert theirs[:, -1].tolist() == [int(theirs.max())] * 3
