"""From the `data` part of a configuration to the training and the held-out samples."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

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
        world: dict[str, Any] = {"level": data.level, "objects": data.objects, "fps": data.fps}
        train = toy_source(PER_SEED * (seed + 1), data.train_clips, **world)
        return Sources(train, toy_source(HELD_OUT.start, data.eval_samples, **world), [])
    if not isinstance(data, JsonlConfig):
        raise TypeError(f"no source is known for {type(data).__name__}")
    training, held_out = (_open_split(data, split, frame_pixels) for split in (data.train_split, data.eval_split))
    skipped = list(dict.fromkeys([*training.skipped, *held_out.skipped]))
    return Sources(training, _choose(held_out, data.eval_samples), skipped)


def warmup_first_clip(seed: int) -> int:
    """First toy clip of the warm-up: the upper half of the seed's clips; training takes the lower half."""
    return PER_SEED * (seed + 1) + PER_SEED // 2


def _open_split(data: JsonlConfig, split: str | None, frame_pixels: int) -> JsonlSource:
    return open_jsonl(
        Path(data.root),
        data.annotations,
        split=split,
        fps=data.fps,
        max_frames=data.max_frames,
        max_pixels=data.max_pixels or frame_pixels,
        backend=data.backend,
        on_error=data.on_error,  # type: ignore[arg-type]
    )


def _choose(source: JsonlSource, count: int) -> JsonlSource:
    """At most `count` samples, the same ones in every run."""
    if len(source.samples) <= count:
        return source
    chosen = sorted(generator("held-out").permutation(len(source.samples))[:count])
    return replace(source, samples=[source.samples[i] for i in chosen])
