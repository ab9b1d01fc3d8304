"""A vision-language model behind one small interface: texts and clips in, padded tensors and generated text out."""

from __future__ import annotations

import itertools
import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from transformers import AutoModelForImageTextToText

from grounding.core import Clip, UserError, UserTurn
from grounding.core.checks import within
from grounding.policies import gated_mlp, linear, rms_norm, text_layers, vision_tower
from grounding.policies.families import FAMILIES, Qwen25VL
from grounding.policies.pixels import BYTES, normalize_patches
from grounding.policies.saving import whole_folder
from grounding.policies.settings import MERGED, check_settings
from grounding.policies.templates import chat_around, chat_between, filled
from grounding.tracking.loading import load_model, load_processor, model_errors, reason

PANIC = "PanicException"  # of tokenizers, which cannot be imported and is no Exception


@dataclass(frozen=True, eq=False)
class VideoPrompt:
    """One encoded prompt: its tokens and the patches of its clips, in the order of its placeholders.

    Args:
        input_ids: int64, shape (P,), each placeholder of a clip expanded to one token a visual feature.
        pixel_values: Patches as the processor makes them, shape (N, D): bytes, or float32 and normalised.
        grid: Patches of each clip in time, height and width, int64, shape (clips, 3).
        seconds_per_grid: Seconds of each clip from one temporal patch to the next, where the model is told so.
        frames: Frames of all clips.
    """

    input_ids: torch.Tensor
    pixel_values: torch.Tensor
    grid: torch.Tensor
    seconds_per_grid: Sequence[float]
    frames: int = 0


@dataclass(frozen=True, eq=False)
class Policy:
    """A model and its processor.

    Args:
        model: A model of one of the `FAMILIES` (any size), perhaps with adapters. It is made to compute the same in
            less time and memory: its linear layers (`linear`), norms (`rms_norm`) and MLPs (`gated_mlp`), its layers
            over a shared prompt (`text_layers`), and its tower (`vision_tower`).
        processor: Its processor, with a chat template.
        encoded: What the vision tower was given: counts of clips ("videos"), "frames" and "patches". Copies share it.
        placing: Where text after a video continues, see `Qwen25VL.place_tokens`.
    """

    model: Any
    processor: Any
    encoded: Counter[str] = field(default_factory=Counter)
    placing: str = "trained"
    _chats: dict[tuple[str, ...], str] = field(default_factory=dict, init=False, repr=False)  # by layout of a turn

    def __post_init__(self) -> None:
        base = self._base
        if not isinstance(base, nn.Module):
            return  # without weights, it only encodes
        for part in (linear, rms_norm, gated_mlp):
            part.hasten(base)
        vision_tower.hasten(self.core.visual)
        text_layers.hasten(self.core.language_model, adjacent=self.family.adjacent)
        self.family.place_tokens(self.core, self.placing)

    @property
    def family(self) -> Qwen25VL:
        """What is particular to the model's family."""
        return FAMILIES[self.model.config.model_type]

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
        return self.family.frame_pixels(self.processor.video_processor)

    def encode(self, turns: Sequence[UserTurn]) -> list[VideoPrompt]:
        """Turn user turns, one a prompt, into model inputs; each has one clip or more, in any order with texts.

        The model is told the sampled frames' own times, those of `clip.pts`.

        Raises:
            UserError: If a prompt has no clip or is longer than the model's context, a text holds one of the model's
                own tokens, the processor refuses the frames (too long and thin, say), or it tells the model other
                times.
        """
        said = ["".join(part if isinstance(part, str) else "\n" for part in turn) for turn in turns]
        owned = [token for token in self.tokenizer.get_added_vocab() if any(token in text for text in said)]
        if owned:
            raise UserError(f"a query must not hold the model's own tokens, got {' '.join(owned)}; reword it")
        clips = [[part for part in turn if isinstance(part, Clip)] for turn in turns]
        if not all(clips):
            raise UserError("a user's turn must show at least one clip, got texts alone")
        encoded = self._process(turns, list(itertools.chain(*clips)))
        grids = torch.as_tensor(encoded["video_grid_thw"]).split([len(own) for own in clips])
        pixels = torch.as_tensor(encoded["pixel_values_videos"]).split([int(g.prod(1).sum()) for g in grids])
        seconds = map(float, encoded.get("second_per_grid_ts", itertools.repeat(0.0)))
        prompts = [
            VideoPrompt(torch.tensor(i), x, g, tuple(itertools.islice(seconds, len(own))), sum(map(len, own)))
            for i, x, g, own in zip(encoded["input_ids"], pixels, grids, clips, strict=True)
        ]
        longest = max(len(p.input_ids) for p in prompts)
        if longest > self.context:
            raise UserError(
                f"a prompt has {longest} tokens but the model takes {self.context}; lower data.max_frames or max_pixels"
            )
        for own, prompt in zip(clips, prompts, strict=True):
            self._check_times(own, prompt)
        return prompts

    def _process(self, turns: Sequence[UserTurn], clips: Sequence[Clip]) -> Any:
        rendered = [self.render(turn) for turn in turns]
        try:
            return self.processor(
                text=rendered,
                videos=[_frames(clip) for clip in clips],
                video_metadata=[self.family.metadata(clip) for clip in clips],
                do_sample_frames=False,
                **BYTES,
            )
        except BaseException as error:  # whatever the settings in a model's folder lead to
            if not (isinstance(error, Exception) or type(error).__name__ == PANIC):
                raise
            sizes = ", ".join(dict.fromkeys(f"{one.frames.shape[2]} x {one.frames.shape[1]}" for one in clips))
            raise UserError(f"the model's processor cannot take frames of {sizes} pixels: {reason(error)}") from error

    def _check_times(self, clips: Sequence[Clip], prompt: VideoPrompt) -> None:
        """The model is told the clips' times, as finely as it can tell them apart."""
        family, finest = self.family, self.family.resolution(self.model.config)
        text = self.tokenizer.decode(prompt.input_ids)
        told = family.told(text, prompt.seconds_per_grid, prompt.grid[:, 0].tolist())
        shown = np.concatenate([family.shown(clip) for clip in clips])
        if told.shape != shown.shape or np.abs(told - shown).max() > family.rounding:
            raise UserError(
                f"the processor tells the model times {_some(told)} s for patches at {_some(shown)} s; "
                f"give the processor that belongs to the model"
            )
        for clip in clips:
            if len(clip) > MERGED and np.diff(family.shown(clip)).min() < finest * (1 - 1e-6):
                warnings.warn(
                    f"{clip.sampled_fps:.3g} frames/s is finer than the model's times ({finest:g} s for {MERGED} "
                    f"frames): neighbouring frames look simultaneous; lower data.fps to {MERGED / finest:g}",
                    stacklevel=3,
                )
            if (drift := family.drift(clip)) > finest:
                warnings.warn(
                    f"frames are up to {drift:.2f} s from where the model is told they are: it takes one rate a video "
                    f"({clip.sampled_fps:.3g} frames/s), and these frames are uneven",
                    stacklevel=3,
                )

    def render(self, turn: UserTurn) -> str:
        """The chat with one user turn, up to where the model answers; a placeholder stands for each clip.

        Raises:
            UserError: If the chat template cannot be used for such a turn.
        """
        layout = tuple("text" if isinstance(part, str) else "video" for part in turn)
        return filled(self.chat(layout), [part for part in turn if isinstance(part, str)])

    def render_again(self, text: str) -> str:
        """The chat from after the end of an answer, through one more question in words, up to where it is answered.

        Raises:
            UserError: If the chat template cannot be used for several questions.
        """
        if ("again",) not in self._chats:
            self._chats["again",] = chat_between(self.processor)
        return filled(self._chats["again",], [text])

    def chat(self, layout: tuple[str, ...]) -> str:
        """The chat around the texts of a user's turn, as `templates.chat_around` makes it, once for each layout."""
        if layout not in self._chats:
            self._chats[layout] = chat_around(self.processor, layout)
        return self._chats[layout]

    def pad(self, prompts: Sequence[VideoPrompt], completions: Sequence[torch.Tensor] | None = None) -> dict[str, Any]:
        """Batch prompts (padded on the left), with their clips; completions (padded on the right) may follow.

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
        """The clips of a batch as keyword arguments of the model's forward."""
        return {
            "pixel_values_videos": self.patches(*prompts).to(input_ids.device),
            **self.positions_inputs(prompts, input_ids),
        }

    def patches(self, *prompts: VideoPrompt) -> torch.Tensor:
        """The prompts' patches as the vision tower reads them, float32, shape (N, D), on the model's device."""
        parts = [prompt.pixel_values for prompt in prompts]
        patches = torch.cat(parts) if len(parts) > 1 else parts[0]  # the tower keeps floats as they are, uncopied
        return normalize_patches(patches.to(self.model.device), self.processor.video_processor)

    def positions_inputs(self, prompts: Sequence[VideoPrompt], input_ids: torch.Tensor) -> dict[str, torch.Tensor]:
        """The same without the pixels: what the positions of tokens follow from."""
        seconds = [one for prompt in prompts for one in prompt.seconds_per_grid]
        return {
            "video_grid_thw": torch.cat([p.grid for p in prompts]).to(input_ids.device),
            "mm_token_type_ids": self.family.token_types(self.model.config, input_ids),
            **self.family.timing(seconds, input_ids.device),
        }

    def positions(self, prompt: VideoPrompt) -> torch.Tensor:
        """Positions of a prompt's tokens in time, height and width, int64, shape (3, P)."""
        ids = prompt.input_ids[None]
        return self.core.get_rope_index(ids, **self.positions_inputs([prompt], ids))[0][:, 0]

    def encode_videos(self, prompts: Sequence[VideoPrompt]) -> list[torch.Tensor]:
        """What the vision tower makes of each prompt's clips; a prompt that is given several times is encoded once.

        Gradients flow into the tower unless it is frozen; a frozen tower's features stay good for the whole run.

        Returns:
            For each prompt a float tensor of shape (levels, visual tokens, width), its clips in the order of their
            placeholders: the input embeddings and, for families that have them, the features that enter deeper layers.
        """
        unique = {id(prompt): prompt for prompt in prompts}
        trained = any(parameter.requires_grad for parameter in self.core.visual.parameters())
        with torch.set_grad_enabled(trained and torch.is_grad_enabled()):
            # One call a prompt: the graph of one must outlive another's backward pass.
            found = {key: self.encode_together([prompt])[0] for key, prompt in unique.items()}
        return [found[id(prompt)] for prompt in prompts]

    def encode_together(self, prompts: Sequence[VideoPrompt]) -> list[torch.Tensor]:
        """The same for prompts that differ, in one call of the tower, which is quicker and leaves one graph."""
        patches = sum(len(p.pixel_values) for p in prompts)
        self.encoded.update(
            videos=sum(len(p.grid) for p in prompts), frames=sum(p.frames for p in prompts), patches=patches
        )
        grids = torch.cat([p.grid for p in prompts]).to(self.model.device)
        clips = iter(self.family.features(self.core, self.patches(*prompts), grids))
        return [torch.cat(list(itertools.islice(clips, len(p.grid))), dim=1) for p in prompts]

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
        for placeholder in (self.model.config.image_token_id, self.model.config.video_token_id):
            logits[..., placeholder] = -torch.inf
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


def _frames(clip: Clip) -> torch.Tensor:
    """Frames as the processors take them, uint8, shape (T, 3, H, W); a single one is repeated to fill its patch."""
    frames = torch.from_numpy(clip.frames).permute(0, 3, 1, 2)
    return frames if len(clip) > 1 else frames.repeat(MERGED, 1, 1, 1)


def _some(seconds: np.ndarray) -> str:
    return ", ".join(f"{value:.2f}" for value in seconds[:4]) + (", ..." if len(seconds) > 4 else "")


def load_policy(path: str, *, dtype: str = "float32", attention: str = "sdpa", positions: str = "trained") -> Policy:
    """Load a model folder or hub name with its processor.

    Args:
        path: Folder or hub name.
        dtype: Type of the weights.
        attention: Attention of the vision tower, by transformers' name ("flash_attention_2" where it is installed).
        positions: Where text after a video continues, see `Qwen25VL.place_tokens`.

    Raises:
        UserError: If it cannot be read as a video-language model.
    """
    model = load_model(path, AutoModelForImageTextToText, dtype=dtype, attn_implementation=attention)
    processor = load_processor(path)
    if model.config.model_type not in FAMILIES:
        raise UserError(f"{path!r} is a {type(model).__name__}; give a model of one of {', '.join(FAMILIES)}")
    if not hasattr(processor, "video_processor"):
        kind = type(processor).__name__
        raise UserError(
            f"the processor of {path!r} is a {kind}, which takes no videos; take that of the model's family"
        )
    policy = Policy(model, processor, placing=positions)
    with within(f"cannot use model {path!r}"):
        check_settings(policy.model.config, policy.processor, policy.end_tokens)
        policy.chat(("text", "video"))
    with model_errors(path):  # what its settings would lead to later, where it costs nothing to try
        normalize_patches(torch.zeros(1, _patch_size(model), dtype=torch.uint8), processor.video_processor)
        policy.core.language_model.rotary_emb(torch.zeros(1), torch.zeros(3, 1, 1))
    return policy


def _patch_size(model: Any) -> int:
    vision = model.config.vision_config
    return vision.in_channels * vision.temporal_patch_size * vision.patch_size**2


def save_policy(policy: Policy, folder: str | Path, notes: Mapping[str, str] | None = None) -> None:
    """Save model and processor like any Hugging Face model; the folder appears whole or not at all.

    Args:
        policy: What to save.
        folder: A folder that does not exist yet.
        notes: Further text files to put beside, by name.

    Raises:
        UserError: If the folder exists, or the disk is full or not writable.
    """
    with whole_folder(Path(folder)) as partial:
        policy.model.save_pretrained(partial)
        policy.processor.save_pretrained(partial)
        for name, text in (notes or {}).items():
            (partial / name).write_text(text, encoding="utf-8")
