"""The tiny policy: a real Qwen2.5-VL of about 1.5 M parameters, built here with tokenizer, template and processors."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import torch
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    PreTrainedTokenizerFast,
    Qwen2_5_VLConfig,
    Qwen2_5_VLForConditionalGeneration,
    Qwen2_5_VLProcessor,
)
from transformers.models.qwen2_vl.image_processing_qwen2_vl import Qwen2VLImageProcessor
from transformers.models.qwen2_vl.video_processing_qwen2_vl import Qwen2VLVideoProcessor

SPECIAL = (
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "<|vision_start|>",
    "<|vision_end|>",
    "<|image_pad|>",
    "<|video_pad|>",
)
VOCABULARY = 640
PATCH = 7  # pixels; 2 x 2 patches make a token, so a token is 14 pixels wide
FRAME_PIXELS = 84 * 84
INIT = 0.08  # about hidden_size ** -0.5; at the usual 0.02 attention starts almost uniform and IDs are learnt late
CHAT_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n"
    "{% if message.content is string %}{{ message.content }}{% else %}{% for part in message.content %}"
    "{% if part.type == 'video' %}<|vision_start|><|video_pad|><|vision_end|>"
    "{% elif part.type == 'image' %}<|vision_start|><|image_pad|><|vision_end|>"
    "{% else %}{{ part.text }}{% endif %}{% endfor %}{% endif %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def build_tiny(folder: Path, corpus: Iterable[str], *, seed: int) -> None:
    """Build the tiny policy with random weights and save it like any Hugging Face model.

    Args:
        folder: Where to save.
        corpus: Texts whose frequent words become single tokens; any other text still works, byte by byte.
        seed: Seed of the weights.
    """
    tokenizer = build_tokenizer(corpus)
    sizes = {"min_pixels": (2 * PATCH) ** 2, "max_pixels": FRAME_PIXELS, "patch_size": PATCH, "merge_size": 2}
    processor = Qwen2_5_VLProcessor(
        image_processor=Qwen2VLImageProcessor(temporal_patch_size=2, **sizes),
        tokenizer=tokenizer,
        video_processor=Qwen2VLVideoProcessor(temporal_patch_size=2, cap_pixels_per_frame=False, **sizes),
        chat_template=CHAT_TEMPLATE,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = Qwen2_5_VLForConditionalGeneration(tiny_config(tokenizer))
    start_with_lookups(model)
    model.generation_config.eos_token_id = tokenizer.eos_token_id
    model.generation_config.pad_token_id = tokenizer.pad_token_id
    model.save_pretrained(folder)
    processor.save_pretrained(folder)


@torch.no_grad()
def start_with_lookups(model: Qwen2_5_VLForConditionalGeneration) -> None:
    """Make attention begin as a look-up: what is alike attends to each other, and what is attended to is copied.

    Keys begin as queries and outputs as transposed values (Trockman and Kolter, Mimetic Initialization of
    Self-Attention Layers, with full instead of partial likeness). Queries of text are bound to IDs much earlier.
    """
    for layer in model.model.language_model.layers:
        attention = layer.self_attn
        attention.k_proj.weight.copy_(attention.q_proj.weight)
        attention.o_proj.weight.copy_(attention.v_proj.weight.T)
    for block in model.model.visual.blocks:
        query, key, value = block.attn.qkv.weight.chunk(3)
        key.copy_(query)
        block.attn.proj.weight.copy_(value.T)


def build_tokenizer(corpus: Iterable[str]) -> PreTrainedTokenizerFast:
    """A byte-level BPE tokenizer; digits stay single tokens so that numbers read alike everywhere."""
    tokenizer = Tokenizer(models.BPE())
    words = Regex(r"</?[a-z]+>| ?\d| ?[A-Za-z]+| ?[^\sA-Za-z\d]|\s")
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(words, behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=[AddedToken(token, special=True) for token in SPECIAL],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(corpus, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        padding_side="left",
        clean_up_tokenization_spaces=False,
        extra_special_tokens={"image_token": "<|image_pad|>", "video_token": "<|video_pad|>"},
    )


def tiny_config(tokenizer: PreTrainedTokenizerFast) -> Qwen2_5_VLConfig:
    """Qwen2.5-VL's architecture in small numbers."""
    token = tokenizer.convert_tokens_to_ids
    return Qwen2_5_VLConfig(
        text_config={
            "vocab_size": len(tokenizer),
            "hidden_size": 128,
            "intermediate_size": 384,
            "num_hidden_layers": 4,
            "num_attention_heads": 4,
            "num_key_value_heads": 4,
            "max_position_embeddings": 8192,
            "initializer_range": INIT,
            "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [4, 6, 6]},
            "tie_word_embeddings": True,
            "bos_token_id": None,
            "eos_token_id": tokenizer.eos_token_id,
            "pad_token_id": tokenizer.pad_token_id,
        },
        vision_config={
            "depth": 2,
            "initializer_range": INIT,
            "hidden_size": 128,
            "intermediate_size": 256,
            "num_heads": 4,
            "out_hidden_size": 128,
            "patch_size": PATCH,
            "temporal_patch_size": 2,
            "spatial_merge_size": 2,
            "tokens_per_second": 2,
            "window_size": 8 * PATCH,
            "fullatt_block_indexes": [0, 1],
        },
        tie_word_embeddings=True,
        image_token_id=token("<|image_pad|>"),
        video_token_id=token("<|video_pad|>"),
        vision_start_token_id=token("<|vision_start|>"),
        vision_end_token_id=token("<|vision_end|>"),
    )
