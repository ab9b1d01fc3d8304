"""The shapes of published models have the published numbers of parameters."""

from __future__ import annotations

import pytest
import torch

from grounding.core import UserError
from grounding.policies.published import PUBLISHED, meta_model, published_config

# As the hub counts them in the models' safetensors files; half of the index's total_size, in bfloat16.
PARAMETERS = {
    "Qwen/Qwen2.5-VL-3B-Instruct": 3_754_622_976,
    "Qwen/Qwen2.5-VL-7B-Instruct": 8_292_166_656,
    "Qwen/Qwen3-VL-4B-Instruct": 4_437_815_808,
    "Qwen/Qwen3-VL-8B-Instruct": 8_767_123_696,
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_parameters_are_those_published(name: str) -> None:
    model = meta_model(published_config(name))
    assert {parameter.device.type for parameter in model.parameters()} == {"meta"}
    assert sum(parameter.numel() for parameter in model.parameters()) == PARAMETERS[name]


def test_a_cut_shape_keeps_the_rest() -> None:
    name = "Qwen/Qwen2.5-VL-7B-Instruct"
    small = published_config(name, text={"num_hidden_layers": 1, "vocab_size": 64}, tokens={"video_token_id": 3})
    assert (small.text_config.num_hidden_layers, small.text_config.vocab_size, small.video_token_id) == (1, 64, 3)
    assert (small.text_config.hidden_size, small.image_token_id) == (3584, 151655)
    assert published_config(name).text_config.num_hidden_layers == 28  # the table itself is as it was


def test_a_build_leaves_the_configuration_as_it_was() -> None:
    config = published_config("Qwen/Qwen2.5-VL-7B-Instruct")
    config.vision_config._attn_implementation = "eager"
    assert meta_model(config, "bfloat16").dtype == torch.bfloat16
    assert config.vision_config._attn_implementation == "eager"
    assert config.dtype != torch.bfloat16


def test_rotary_positions_are_those_published() -> None:
    # head size 128, so 64 pairs: each is turned by one of time, height and width.
    for name in PUBLISHED:
        text = published_config(name).text_config
        assert sum(text.rope_parameters["mrope_section"]) == 64
        assert text.rope_parameters["rope_theta"] == (1e6 if "2.5" in name else 5e6)
        assert meta_model(published_config(name)).model.language_model.rotary_emb.inv_freq.shape == (64,)


def test_an_unknown_name_is_told() -> None:
    with pytest.raises(UserError, match=r"no shape of 'Qwen/Other' is known; give one of Qwen/Qwen2\.5-VL-3B"):
        published_config("Qwen/Other")
