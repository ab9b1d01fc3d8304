"""Results of older versions of transformers become those of the newest."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import torch

from grounding.policies.policy import Policy
from grounding.policies.versions import by_video, composer


class Older:
    """A rotary embedding that leaves the rest to attention."""


def text(**rope: Any) -> Any:
    return SimpleNamespace(rotary_emb=Older(), config=SimpleNamespace(rope_parameters=rope))


def test_each_pair_turns_with_the_axis_of_its_section() -> None:
    # Numbers tell axis (tens) and place in the head (ones): one pair of four turns with time, one with height, two
    # with width; the second half of the head is laid out as the first.
    axes = torch.arange(8.0) + torch.tensor([10.0, 20.0, 30.0]).view(3, 1, 1, 1)
    cosines, sines = composer(text(mrope_section=[1, 1, 2]), adjacent=False)((axes, -axes))
    assert cosines.tolist() == [[[10, 21, 32, 33, 14, 25, 36, 37]]]
    assert torch.equal(sines, -cosines)


def test_pairs_half_a_head_apart_become_neighbours() -> None:
    turn = torch.tensor([[[1.0, 2, 3, 1, 2, 3]]])
    cosines, sines = composer(text(mrope_section=[1, 1, 1]), adjacent=True)((turn, -turn))
    assert cosines.tolist() == [[[1, 1, 2, 2, 3, 3]]]
    assert torch.equal(sines, -cosines)


def test_what_is_whole_stays() -> None:
    turns = torch.rand(1, 5, 8), torch.rand(1, 5, 8)
    got = composer(text(), adjacent=False)(turns)  # an older Qwen3-VL
    assert all(torch.equal(one, turn) for one, turn in zip(got, turns, strict=True))
    newest = SimpleNamespace(rotary_emb=SimpleNamespace(recomposition_frequencies=None))
    assert composer(newest, adjacent=True)(turns) is turns


def test_turns_of_the_installed_version_are_of_whole_heads(sharp: Policy) -> None:
    model = sharp.core.language_model
    places = torch.tensor([[0, 1], [0, 3], [0, 5]])[:, None]  # time, height, width of two tokens
    cosines, sines = composer(model, adjacent=False)(model.rotary_emb(torch.zeros(1, 2, 4), places))
    size = model.layers[0].self_attn.head_dim
    assert cosines.shape == sines.shape == (1, 2, size)
    assert cosines[0, 0].tolist() == [1.0] * size
    sections = model.config.rope_parameters["mrope_section"]
    turned = places[:, 0, 1].repeat_interleave(torch.tensor(sections))
    angles = turned / model.config.rope_parameters["rope_theta"] ** (torch.arange(size // 2) * 2 / size)
    torch.testing.assert_close(cosines[0, 1], angles.cos().repeat(2))
    torch.testing.assert_close(sines[0, 1], angles.sin().repeat(2))


def test_a_level_of_all_videos_is_cut_where_videos_end() -> None:
    videos = torch.zeros(2, 4), torch.zeros(3, 4)
    level = torch.arange(10.0).view(5, 2)
    assert [part.tolist() for part in by_video(level, videos)] == [level[:2].tolist(), level[2:].tolist()]
    parts = level[:2], level[2:]
    assert by_video(parts, videos) is parts
