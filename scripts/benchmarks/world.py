"""The world of the policy benches: a random model, and videos of noise that it sees as pictures.

TRL's `GRPOTrainer` reads images only, so both sides get the frames of a video as pictures. To the engine a picture is a
video of one patch in time: the same pixels, positions, and tokens but for the number of the placeholder.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from PIL import Image
from transformers import (
    AutoModelForImageTextToText,
    PreTrainedTokenizerFast,
    Qwen2_5_VLConfig,
    Qwen2_5_VLProcessor,
)
from transformers.models.qwen2_vl.image_processing_qwen2_vl import Qwen2VLImageProcessor
from transformers.models.qwen2_vl.video_processing_qwen2_vl import Qwen2VLVideoProcessor

from grounding.core import Answer, Clip, Interval, LoadedSample, Masklets, Sample, UserTurn
from grounding.core.seeds import generator
from grounding.policies.policy import Policy, VideoPrompt
from grounding.policies.published import published_config
from grounding.policies.tiny import CHAT_TEMPLATE, build_tokenizer, tiny_config
from grounding.tasks.stvg import STVG

INIT = 0.15  # at the usual 0.02 attention is almost uniform, and a wrong position hardly shows
QUERY = "the small red square that goes from the left to the right before the other one comes"
ASKED = Sample("asked", "0", QUERY, Answer())
NO_TOKEN = -1  # as the end token: every completion has its full length


@dataclass(frozen=True)
class Shape:
    """The size of a batch of one group.

    Args:
        frames: Frames of the video.
        side: Height and width of a frame in tokens.
        completion: Tokens of every completion.
        generations: Completions of the group.
    """

    frames: int = 16
    side: int = 8
    completion: int = 128
    generations: int = 8


FIRST = Shape()
LONG = Shape(side=4, completion=256)


@dataclass(frozen=True)
class Machine:
    """Where and with what model to measure.

    Args:
        device: "cpu" or "cuda".
        dtype: "float32" or "bfloat16".
        size: One of `SIZES`.
    """

    device: str = "cpu"
    dtype: str = "float32"
    size: str = "trial"


@dataclass(frozen=True, eq=False)
class StillsPolicy(Policy):
    """Reads a clip as TRL does: every frame a picture of its own, in front of the text."""

    def encode(self, turns: Sequence[UserTurn]) -> list[VideoPrompt]:
        """Turn user turns of a text and a clip into prompts with one picture a frame."""
        return [self._encode(text, clip) for text, clip in turns]

    def _encode(self, text: str | Clip, clip: str | Clip) -> VideoPrompt:
        assert isinstance(text, str)
        assert isinstance(clip, Clip)
        content = [{"type": "image"}] * len(clip) + [{"type": "text", "text": text}]
        chat = [{"role": "user", "content": content}]
        rendered = self.processor.apply_chat_template(chat, tokenize=False, add_generation_prompt=True)
        made = self.processor(images=[stills(clip)], text=[rendered], return_tensors="pt")
        ids = as_video(made["input_ids"][0], self.model.config)
        return VideoPrompt(ids, made["pixel_values"], made["image_grid_thw"], [1.0] * len(clip), len(clip))


@dataclass(frozen=True)
class NoiseSource:
    """Videos of noise, one frame a second, no objects."""

    samples: Sequence[Sample]
    frames: int
    pixels: int

    def load(self, sample: Sample) -> LoadedSample:
        """Make the video of a sample; always the same one."""
        size, pts = (self.pixels, self.pixels), np.arange(self.frames, dtype=float)
        noise = generator("bench", sample.id).integers(0, 256, (self.frames, *size, 3), dtype=np.uint8)
        return LoadedSample(sample, Clip(noise, pts, 1.0, size, float(self.frames)), Masklets(size, 1.0, pts, {}))

    def version(self, sample: Sample) -> str:
        """What the noise is made from."""
        return repr((sample.id, self.frames, self.pixels))


def noise_source(shape: Shape, patch: int, count: int) -> NoiseSource:
    """Samples whose frames have just the size of a shape."""
    truth = Answer(interval=Interval(0.0, 1.0))
    samples = [Sample(f"noise-{i}", str(i), QUERY, truth) for i in range(count)]
    return NoiseSource(samples, shape.frames, shape.side * 2 * patch)


def stills(clip: Clip) -> list[Image.Image]:
    """The frames as pictures."""
    return [Image.fromarray(frame) for frame in clip.frames]


def as_video(ids: torch.Tensor, config: Any) -> torch.Tensor:
    """Tokens with a video's placeholder in place of a picture's."""
    return torch.where(ids == config.image_token_id, config.video_token_id, ids)


def build_model(machine: Machine, frozen: bool) -> tuple[Any, Any]:
    """A model with random weights, the same ones in every call, and its processor."""
    tokenizer = build_tokenizer([STVG.prompt(ASKED, "short")] * 4)
    config = SIZES[machine.size](tokenizer)
    for part in (config.text_config, config.vision_config):
        part.initializer_range = INIT if part.hidden_size < 512 else 0.02
    patch = config.vision_config.patch_size
    sizes = {"min_pixels": (2 * patch) ** 2, "max_pixels": (128 * patch) ** 2, "patch_size": patch, "merge_size": 2}
    processor = Qwen2_5_VLProcessor(
        image_processor=Qwen2VLImageProcessor(temporal_patch_size=2, **sizes),
        tokenizer=tokenizer,
        video_processor=Qwen2VLVideoProcessor(temporal_patch_size=2, cap_pixels_per_frame=False, **sizes),
        chat_template=CHAT_TEMPLATE,
    )
    torch.manual_seed(0)
    with torch.device(machine.device):  # a large one would take minutes on the CPU
        model = AutoModelForImageTextToText.from_config(config, dtype=getattr(torch, machine.dtype))
    model.generation_config.pad_token_id = tokenizer.pad_token_id
    model.generation_config.eos_token_id = NO_TOKEN
    model.model.visual.requires_grad_(not frozen)
    return model, processor


def trial(tokenizer: PreTrainedTokenizerFast) -> Qwen2_5_VLConfig:
    """The model of the trials that the bars come from: 1.86 M parameters, four text and four vision layers.

    Every fourth vision layer sees whole pictures, the others windows of 112 pixels, as in Qwen2.5-VL.
    """
    config = tiny_config(tokenizer).to_dict()
    config["text_config"] |= {"vocab_size": 512, "intermediate_size": 256}
    config["vision_config"] |= {"depth": 4, "patch_size": 14, "window_size": 112, "fullatt_block_indexes": [3]}
    return Qwen2_5_VLConfig(**config)


def half_billion(tokenizer: PreTrainedTokenizerFast) -> Qwen2_5_VLConfig:
    """A text model of Qwen2.5-0.5B's shape behind a vision tower of half of Qwen2.5-VL's depth."""
    config = tiny_config(tokenizer).to_dict()
    config["text_config"] |= {
        "vocab_size": 151_936,
        "hidden_size": 896,
        "intermediate_size": 4864,
        "num_hidden_layers": 24,
        "num_attention_heads": 14,
        "num_key_value_heads": 2,
        "layer_types": None,
        "rope_parameters": {"rope_type": "default", "rope_theta": 1_000_000.0, "mrope_section": [8, 12, 12]},
    }
    config["vision_config"] |= {
        "depth": 16,
        "hidden_size": 1280,
        "intermediate_size": 3420,
        "num_heads": 16,
        "out_hidden_size": 896,
        "patch_size": 14,
        "window_size": 112,
        "fullatt_block_indexes": [3, 7, 11, 15],
    }
    return Qwen2_5_VLConfig(**config)


def published(name: str, tokenizer: PreTrainedTokenizerFast) -> Qwen2_5_VLConfig:
    """A published model's shape, with the bench's own special tokens."""
    own = tiny_config(tokenizer)
    names = ("image_token_id", "video_token_id", "vision_start_token_id", "vision_end_token_id")
    text = {name: getattr(own.text_config, name) for name in ("bos_token_id", "eos_token_id", "pad_token_id")}
    return published_config(name, text=text, tokens={name: getattr(own, name) for name in names})


SIZES: dict[str, Callable[[PreTrainedTokenizerFast], Qwen2_5_VLConfig]] = {
    "trial": trial,
    "tiny": tiny_config,
    "0.5b": half_billion,
    "3b": partial(published, "Qwen/Qwen2.5-VL-3B-Instruct"),
    "7b": partial(published, "Qwen/Qwen2.5-VL-7B-Instruct"),
}


def patch_of(model: Any) -> int:
    """Pixels of a patch's side."""
    return model.config.vision_config.patch_size
