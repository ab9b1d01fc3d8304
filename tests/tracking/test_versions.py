"""Results of older versions of transformers become those of the newest."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import torch
import transformers
from transformers.models.qwen2_5_vl.modeling_qwen2_5_vl import Qwen2_5_VLRotaryEmbedding

from grounding.tracking.versions import by_video, composer, with_mask_decoder


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


def test_turns_of_the_installed_version_are_of_whole_heads() -> None:
    rope = {"rope_type": "default", "rope_theta": 16.0, "mrope_section": [1, 1, 2]}
    config = transformers.Qwen2_5_VLTextConfig(hidden_size=8, num_attention_heads=1, rope_parameters=rope)
    model = SimpleNamespace(rotary_emb=Qwen2_5_VLRotaryEmbedding(config), config=config)
    places = torch.tensor([[0, 1], [0, 3], [0, 8]])[:, None]  # time, height, width of two tokens
    cosines, sines = composer(model, adjacent=False)(model.rotary_emb(torch.zeros(1, 2, 8), places))
    # Pairs turn by place / 16^(pair / 4) = place / 2^pair: 1 / 1, 3 / 2, 8 / 4 and 8 / 8.
    angles = torch.tensor([[0.0] * 4, [1.0, 1.5, 2.0, 1.0]]).repeat(1, 2)[None]
    torch.testing.assert_close(cosines, angles.cos())
    torch.testing.assert_close(sines, angles.sin())


def test_a_level_of_all_videos_is_cut_where_videos_end() -> None:
    videos = torch.zeros(2, 4), torch.zeros(3, 4)
    level = torch.arange(10.0).view(5, 2)
    assert [part.tolist() for part in by_video(level, videos)] == [level[:2].tolist(), level[2:].tolist()]
    parts = level[:2], level[2:]
    assert by_video(parts, videos) is parts


def test_the_mask_decoder_of_a_sam_2_has_its_own_options() -> None:
    options = {"mask_decoder_config": {"mlp_dim": 32}}
    config = with_mask_decoder(transformers.Sam2VideoConfig(**options), options)
    assert config.mask_decoder_config.mlp_dim == 32  # as the file says
    assert config.mask_decoder_config.num_hidden_layers == 2  # its default, which a prompt encoder has not
    other = transformers.Qwen3Config()
    assert with_mask_decoder(other, {}) is other
