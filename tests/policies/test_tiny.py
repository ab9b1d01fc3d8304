"""The tiny policy: a real Qwen2.5-VL folder that plain transformers loads."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import AutoModelForImageTextToText, AutoProcessor, PreTrainedTokenizerFast

from grounding.policies.policy import Policy
from grounding.policies.tiny import FRAME_PIXELS, SPECIAL, build_tiny, build_tokenizer

TEXTS = ["the red circle", "Query: the red circle", "<think>circle</think> <answer>Target ID: 3, Time range: 1 to 2"]


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizerFast:
    return build_tokenizer(TEXTS * 3)


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return AutoModelForImageTextToText.from_pretrained(folder).state_dict()


def test_is_a_small_qwen_that_plain_transformers_loads(tiny_folder: Path) -> None:
    model = AutoModelForImageTextToText.from_pretrained(tiny_folder)
    processor = AutoProcessor.from_pretrained(tiny_folder)
    assert type(model).__name__ == "Qwen2_5_VLForConditionalGeneration"
    assert 1_000_000 <= sum(p.numel() for p in model.parameters()) <= 3_000_000
    assert processor.video_token == "<|video_pad|>"
    assert processor.tokenizer.padding_side == "left"
    assert "<|video_pad|>" in processor.apply_chat_template(
        [{"role": "user", "content": [{"type": "video"}]}], tokenize=False
    )


def test_config_names_the_tokens_that_the_tokenizer_has(tiny_folder: Path) -> None:
    config = json.loads((tiny_folder / "config.json").read_text())
    token = AutoProcessor.from_pretrained(tiny_folder).tokenizer.convert_tokens_to_ids
    for name in ("image", "video"):
        assert config[f"{name}_token_id"] == token(f"<|{name}_pad|>")
    assert config["vision_start_token_id"] == token("<|vision_start|>")
    assert config["vision_end_token_id"] == token("<|vision_end|>")


def test_answers_end_with_the_end_of_the_turn(policy: Policy) -> None:
    assert policy.end_tokens == [policy.tokenizer.convert_tokens_to_ids("<|im_end|>")]


def test_whole_toy_frames_are_seen(policy: Policy) -> None:
    assert policy.frame_pixels == FRAME_PIXELS == 84 * 84


@given(text=st.text(max_size=60))
@settings(max_examples=150, deadline=None)
def test_any_text_comes_back_byte_by_byte(tokenizer: PreTrainedTokenizerFast, text: str) -> None:
    if any(token in text for token in SPECIAL):
        return
    assert tokenizer.decode(tokenizer(text)["input_ids"]).encode() == text.encode()


@pytest.mark.parametrize("text", ["héllo — 日本 🎈", "a\r\n\t b  c ", "  x", "<think><|imend|>", "1.0 , 2", "\x00\x7f"])
def test_odd_texts_come_back(tokenizer: PreTrainedTokenizerFast, text: str) -> None:
    assert tokenizer.decode(tokenizer(text)["input_ids"]) == text


def test_digits_are_single_tokens(tokenizer: PreTrainedTokenizerFast) -> None:
    tokenizer = build_tokenizer(["12345 12.5 12345 12.5 99 99 99 99"] * 50)  # frequent enough to be merged elsewhere
    assert tokenizer.tokenize("12345") == ["1", "2", "3", "4", "5"]
    assert [token.lstrip("Ġ") for token in tokenizer.tokenize("12.5 99")] == ["1", "2", ".", "5", "9", "9"]


def test_frequent_words_are_single_tokens(tokenizer: PreTrainedTokenizerFast) -> None:
    assert tokenizer.tokenize("the red circle") == ["the", "Ġred", "Ġcircle"]
    assert tokenizer.tokenize("<think>") == ["<think>"]


def test_special_tokens_are_one_token_each(tokenizer: PreTrainedTokenizerFast) -> None:
    ids = tokenizer("".join(SPECIAL))["input_ids"]
    assert len(set(ids)) == len(ids) == len(SPECIAL)


def test_the_seed_alone_decides_the_weights(tmp_path: Path, tiny_folder: Path) -> None:
    torch.manual_seed(11)
    before = torch.get_rng_state()
    for name, seed in (("same", 5), ("again", 5), ("other", 6)):
        build_tiny(tmp_path / name, TEXTS, seed=seed)
        if name == "same":
            assert torch.equal(torch.get_rng_state(), before)  # the caller's random numbers are untouched
            torch.rand(3)
    same, again, other = (weights(tmp_path / name) for name in ("same", "again", "other"))
    assert all(torch.equal(same[name], again[name]) for name in same)
    drawn = [name for name, weight in same.items() if weight.ndim > 1]
    assert drawn
    assert not any(torch.equal(same[name], other[name]) for name in drawn)


def test_an_empty_corpus_leaves_bytes_and_special_tokens() -> None:
    assert len(build_tokenizer([])) == 256 + len(SPECIAL)


def test_attention_begins_as_a_look_up(tiny_folder: Path) -> None:
    state = weights(tiny_folder)
    for layer in range(4):
        name = f"model.language_model.layers.{layer}.self_attn"
        assert torch.equal(state[f"{name}.k_proj.weight"], state[f"{name}.q_proj.weight"])
        assert torch.equal(state[f"{name}.o_proj.weight"], state[f"{name}.v_proj.weight"].T)
    for block in range(2):
        query, key, value = state[f"model.visual.blocks.{block}.attn.qkv.weight"].chunk(3)
        assert torch.equal(key, query)
        assert torch.equal(state[f"model.visual.blocks.{block}.attn.proj.weight"], value.T)
