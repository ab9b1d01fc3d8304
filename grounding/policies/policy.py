"""A vision-language model behind one small interface: clip and text in, padded tensors and generated text out."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from transformers import AutoModelForImageTextToText, AutoProcessor
from transformers.video_utils import VideoMetadata

from grounding.core import Clip, UserError


@dataclass(frozen=True, eq=False)
class VideoPrompt:
    """One encoded prompt: its tokens and its video's patches.

    Args:
        input_ids: int64, shape (P,), the video placeholder expanded to one token a visual feature.
        pixel_values: Patches as the processor makes them, float32, shape (N, D).
        grid: Patches in time, height and width, int64, shape (1, 3).
        seconds_per_grid: Seconds from one temporal patch to the next, as the model is told.
    """

    input_ids: torch.Tensor
    pixel_values: torch.Tensor
    grid: torch.Tensor
    seconds_per_grid: float


@dataclass(frozen=True, eq=False)
class Policy:
    """A model and its processor.

    Args:
        model: A Qwen2.5-VL model (any size).
        processor: Its processor, with a chat template.
    """

    model: Any
    processor: Any

    @property
    def tokenizer(self) -> Any:
        """The text tokenizer."""
        return self.processor.tokenizer

    @property
    def context(self) -> int:
        """Longest sequence the model takes, in tokens."""
        return self.model.config.text_config.max_position_embeddings

    @property
    def frame_pixels(self) -> int:
        """Most pixels of a frame that the processor keeps."""
        return int(self.processor.video_processor.size["longest_edge"])

    def encode(self, clips: Sequence[Clip], texts: Sequence[str]) -> list[VideoPrompt]:
        """Turn clips, each with one user turn (text first, then video), into model inputs.

        The model is told the sampled frames' own rate, so its seconds are those of `clip.pts`.

        Raises:
            UserError: If a prompt is longer than the model's context, or a text holds one of the model's own tokens.
        """
        owned = [token for token in self.tokenizer.get_added_vocab() if any(token in text for text in texts)]
        if owned:
            raise UserError(f"a query must not hold the model's own tokens, got {' '.join(owned)}; reword it")
        metadata = [
            VideoMetadata(total_num_frames=len(c), fps=c.sampled_fps, frames_indices=list(range(len(c)))) for c in clips
        ]
        encoded = self.processor(
            text=[self.render(text) for text in texts],
            videos=[torch.from_numpy(c.frames).permute(0, 3, 1, 2) for c in clips],
            video_metadata=metadata,
            do_sample_frames=False,
        )
        grids = torch.as_tensor(encoded["video_grid_thw"]).split(1)
        pixels = torch.as_tensor(encoded["pixel_values_videos"]).split([int(g.prod()) for g in grids])
        rows = zip(encoded["input_ids"], pixels, grids, encoded["second_per_grid_ts"], strict=True)
        prompts = [VideoPrompt(torch.tensor(ids), pixel, grid, float(s)) for ids, pixel, grid, s in rows]
        longest = max(len(p.input_ids) for p in prompts)
        if longest > self.context:
            raise UserError(
                f"a prompt has {longest} tokens but the model takes {self.context}; lower data.max_frames or max_pixels"
            )
        return prompts

    def render(self, text: str) -> str:
        """The chat with one user turn (text, then video), up to where the model answers."""
        chat = [{"role": "user", "content": [{"type": "text", "text": text}, {"type": "video"}]}]
        return self.processor.apply_chat_template(chat, tokenize=False, add_generation_prompt=True)

    def pad(self, prompts: Sequence[VideoPrompt], completions: Sequence[torch.Tensor] | None = None) -> dict[str, Any]:
        """Batch prompts (padded on the left), with their videos; completions (padded on the right) may follow.

        Returns:
            Keyword arguments of the model's forward, on its device; `input_ids` has the shape (B, P) or (B, P + C).
        """
        left = [p.input_ids for p in prompts]
        ids, mask = pad_tokens(left, self.tokenizer.pad_token_id, side="left")
        if completions is not None:
            right, right_mask = pad_tokens(completions, self.tokenizer.pad_token_id, side="right")
            ids, mask = torch.cat([ids, right], dim=1), torch.cat([mask, right_mask], dim=1)
        batch = {"input_ids": ids, "attention_mask": mask, **self.video_inputs(prompts, ids)}
        return {name: value.to(self.model.device) for name, value in batch.items()}

    def video_inputs(self, prompts: Sequence[VideoPrompt], input_ids: torch.Tensor) -> dict[str, torch.Tensor]:
        """The videos of a batch as keyword arguments of the model's forward."""
        device = input_ids.device
        return {
            "pixel_values_videos": torch.cat([p.pixel_values for p in prompts]).to(device),
            "video_grid_thw": torch.cat([p.grid for p in prompts]).to(device),
            "second_per_grid_ts": torch.tensor([p.seconds_per_grid for p in prompts], device=device),
            "mm_token_type_ids": (input_ids == self.model.config.video_token_id).int() * 2,
        }

    @property
    def end_tokens(self) -> list[int]:
        """Tokens that end an answer."""
        ends = self.model.generation_config.eos_token_id
        if ends is None:
            ends = self.tokenizer.eos_token_id
        return list(ends) if isinstance(ends, list) else [ends]

    @property
    def core(self) -> Any:
        """The transformer without its head; adapters stay in place."""
        return self._base.model

    @property
    def head(self) -> Any:
        """From hidden states to logits."""
        return self._base.lm_head

    def answer_logits(self, hidden: torch.Tensor) -> torch.Tensor:
        """Logits of the next token, shape (..., vocabulary); a video or image placeholder is never drawn."""
        logits = self.head(hidden)
        logits[..., [self.model.config.image_token_id, self.model.config.video_token_id]] = -torch.inf
        return logits

    @property
    def _base(self) -> Any:
        return self.model.get_base_model() if hasattr(self.model, "get_base_model") else self.model


def pad_tokens(rows: Sequence[torch.Tensor], value: int, *, side: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Pad token rows to one length.

    Returns:
        Tokens and their 0/1 mask, both int64, shape (B, longest).
    """
    longest = max(len(row) for row in rows)
    tokens = torch.full((len(rows), longest), value, dtype=torch.long)
    mask = torch.zeros_like(tokens)
    for index, row in enumerate(rows):
        where = slice(longest - len(row), longest) if side == "left" else slice(0, len(row))
        tokens[index, where] = row
        mask[index, where] = 1
    return tokens, mask


def load_policy(path: str, *, dtype: str = "float32", attention: str = "sdpa") -> Policy:
    """Load a model folder or hub name with its processor.

    Raises:
        UserError: If it cannot be read as a video-language model.
    """
    if Path(path).is_absolute() and not Path(path).is_dir():
        raise UserError(f"there is no model folder {path}; give a folder that holds config.json, or a hub name")
    try:
        processor = AutoProcessor.from_pretrained(path)
        model = AutoModelForImageTextToText.from_pretrained(path, dtype=dtype, attn_implementation=attention)
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        what = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        kind = "folder" if Path(path).exists() else "hub name or folder"
        raise UserError(f"cannot load a model from the {kind} {path!r}: {what}") from error
    if not hasattr(processor, "video_processor") or not hasattr(model.config, "video_token_id"):
        raise UserError(f"{path!r} is a {type(model).__name__}, which takes no video; give a Qwen2.5-VL model")
    return Policy(model, processor)


def save_policy(policy: Policy, folder: Path, notes: Mapping[str, str] | None = None) -> None:
    """Save model and processor like any Hugging Face model; the folder appears whole or not at all.

    Args:
        policy: What to save.
        folder: A folder that does not exist yet.
        notes: Further text files to put beside, by name.

    Raises:
        UserError: If the folder exists, or the disk is full or not writable.
    """
    if folder.exists():
        raise UserError(f"{folder} exists already; choose another folder or remove it first")
    partial = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        policy.model.save_pretrained(partial)
        policy.processor.save_pretrained(partial)
        for name, text in (notes or {}).items():
            (partial / name).write_text(text, encoding="utf-8")
        partial.rename(folder)
    except (OSError, SafetensorError) as error:
        shutil.rmtree(partial, ignore_errors=True)
        raise UserError(f"cannot save the model to {folder}: {error}; free some space or choose another") from error
