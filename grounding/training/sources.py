"""From the `data` part of a configuration to the training and the held-out samples."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from grounding.core import Source
from grounding.core.seeds import generator
from grounding.datasets.jsonl import JsonlSource, open_jsonl
from grounding.datasets.problems import Problem
from grounding.datasets.toy import HELD_OUT, PER_SEED, toy_source
from grounding.training.config import DataConfig, JsonlConfig, ToyConfig


@dataclass(frozen=True)
class Sources:
    """Where a run's samples come from.

    Args:
        train: Training samples.
        held_out: Evaluated before and after; of `data=jsonl` without an `eval_split`, the training samples.
        skipped: Broken rows that were left out, each once.
    """

    train: Source
    held_out: Source
    skipped: list[Problem]


def open_sources(data: DataConfig, seed: int, frame_pixels: int) -> Sources:
    """Open the data of a run, checking all of it that can be checked without decoding.

    Args:
        data: Configuration of the data.
        seed: Seed of the run; toy clips of different seeds differ, held-out ones are the same for all.
        frame_pixels: Pixels of a frame that the model looks at; frames are brought to it before IDs are drawn.

    Raises:
        UserErrors: With every broken row.
    """
    if isinstance(data, ToyConfig):
        train = _toy(data, PER_SEED * (seed + 1), data.train_clips)
        return Sources(train, _toy(data, HELD_OUT.start, data.eval_samples), [])
    training = _open_split(data, "train_split", frame_pixels)
    same = isinstance(data, JsonlConfig) and data.train_split == data.eval_split and not data.merge_splits
    held_out = training if same else _open_split(data, "eval_split", frame_pixels)
    skipped = list(dict.fromkeys([*training.skipped, *held_out.skipped]))
    return Sources(training, _choose(held_out, data.eval_samples), skipped)


def open_held_out(data: DataConfig, frame_pixels: int) -> tuple[Source, list[Problem]]:
    """The held-out samples as `open_sources` gives them, and their skipped rows; training data need not be there.

    Raises:
        UserErrors: With every broken row.
    """
    if isinstance(data, ToyConfig):
        return _toy(data, HELD_OUT.start, data.eval_samples), []
    source = _open_split(data, "eval_split", frame_pixels)
    return _choose(source, data.eval_samples), source.skipped


def warmup_first_clip(seed: int) -> int:
    """First toy clip of the warm-up: the upper half of the seed's clips; training takes the lower half."""
    return PER_SEED * (seed + 1) + PER_SEED // 2


def _toy(data: ToyConfig, first: int, count: int) -> Source:
    return toy_source(first, count, level=data.level, objects=data.objects, fps=data.fps)


def _open_split(data: DataConfig, option: Literal["train_split", "eval_split"], frame_pixels: int) -> JsonlSource:
    if not isinstance(data, JsonlConfig):
        raise TypeError(f"no source is known for {type(data).__name__}")
    return open_jsonl(
        Path(data.root),
        data.annotations,
        split=getattr(data, option),
        fps=data.fps,
        max_frames=data.max_frames,
        max_pixels=data.max_pixels or frame_pixels,
        backend=data.backend,
        merge_splits=data.merge_splits and option == "train_split",  # by the truth, so never where it is evaluated
        on_error=data.on_error,  # type: ignore[arg-type]
    )


def _choose(source: JsonlSource, count: int) -> JsonlSource:
    """At most `count` samples, the same ones in every run."""
    if len(source.samples) <= count:
        return source
    chosen = sorted(generator("held-out").permutation(len(source.samples))[:count])
    return replace(source, samples=[source.samples[i] for i in chosen])
