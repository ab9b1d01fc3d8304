"""From the `data` part of a configuration to the training and the held-out samples."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, TypeVar

from grounding.core import Source
from grounding.core.seeds import generator
from grounding.datasets.catalog import open_dataset
from grounding.datasets.jsonl import JsonlSource, open_jsonl
from grounding.datasets.problems import Problem
from grounding.datasets.records import Policy
from grounding.datasets.toy import HELD_OUT, PER_SEED, as_they_are, toy_source
from grounding.datasets.video_source import Progress, VideoSource, usable
from grounding.tasks.task import Task
from grounding.training.data import DataConfig, DatasetConfig, FilesConfig, JsonlConfig, ToyConfig

Files = TypeVar("Files", bound="JsonlSource | VideoSource")


@dataclass(frozen=True)
class Sources:
    """Where a run's samples come from.

    Args:
        train: Training samples.
        held_out: Evaluated before and after; without an `eval_split` of their own, the training samples.
        skipped: Broken rows that were left out, each once.
        notes: What to know of good rows, each once.
    """

    train: Source
    held_out: Source
    skipped: list[Problem]
    notes: list[Problem]


def open_sources(data: DataConfig, task: Task, seed: int, frame_pixels: int, progress: Progress = iter) -> Sources:
    """Open the data of a run, checking all of it that can be checked without decoding.

    Args:
        data: Configuration of the data.
        task: What is asked about it.
        seed: Seed of the run; toy clips of different seeds differ, held-out ones are the same for all.
        frame_pixels: Pixels of a frame that the model looks at; frames are brought to it before IDs are drawn.
        progress: Wraps the samples of a public dataset while they are checked, to show how far it is.

    Raises:
        UserErrors: With every broken row.
    """
    if isinstance(data, ToyConfig):
        train = _toy(data, task, PER_SEED * (seed + 1), data.train_clips)
        return Sources(train, _toy(data, task, HELD_OUT.start, data.eval_samples), [], [])
    training = _open_split(data, task, "train_split", frame_pixels, progress)
    same = isinstance(data, JsonlConfig) and data.train_split == data.eval_split and not data.merge_splits
    held_out = training if same else _open_split(data, task, "eval_split", frame_pixels, progress)
    skipped = list(dict.fromkeys([*training.skipped, *held_out.skipped]))
    notes = list(dict.fromkeys([*training.notes, *held_out.notes]))
    return Sources(training, _choose(held_out, data.eval_samples), skipped, notes)


def open_held_out(data: DataConfig, task: Task, frame_pixels: int) -> tuple[Source, list[Problem]]:
    """The held-out samples as `open_sources` gives them, and their skipped rows; training data need not be there.

    Raises:
        UserErrors: With every broken row.
    """
    if isinstance(data, ToyConfig):
        return _toy(data, task, HELD_OUT.start, data.eval_samples), []
    source = _open_split(data, task, "eval_split", frame_pixels)
    return _choose(source, data.eval_samples), source.skipped


def warmup_first_clip(seed: int) -> int:
    """First toy clip of the warm-up: the upper half of the seed's clips; training takes the lower half."""
    return PER_SEED * (seed + 1) + PER_SEED // 2


def _toy(data: ToyConfig, task: Task, first: int, count: int) -> Source:
    asks = task.toy or as_they_are
    return toy_source(first, count, level=data.level, objects=data.objects, fps=data.fps, asks=asks)


def _open_split(
    data: DataConfig,
    task: Task,
    option: Literal["train_split", "eval_split"],
    frame_pixels: int,
    progress: Progress = iter,
) -> JsonlSource | VideoSource:
    if not isinstance(data, FilesConfig):
        raise TypeError(f"no source is known for {type(data).__name__}")
    reading: dict[str, Any] = {
        "fps": data.fps,
        "max_frames": data.max_frames,
        "max_pixels": data.max_pixels or frame_pixels,
        "backend": data.backend,
        "merge_splits": data.merge_splits and option == "train_split",  # by the truth, so never where it is evaluated
    }
    split, on_error = getattr(data, option), data.on_error
    if not isinstance(data, DatasetConfig):
        own = {**reading, "marks": task.marks}
        return open_jsonl(Path(data.root), data.annotations, split=split, on_error=on_error, **own)  # type: ignore[arg-type]
    policy, root = Policy(**vars(data.policy)), Path(data.root)
    masklets = Path(data.masklets) if task.marks else None
    opened = open_dataset(data.name, Path(data.annotations), split=split, videos=root, policy=policy)
    boxes = Path(data.boxes or data.masklets) if task.marks and data.name == "vidstg" else None
    source = VideoSource(opened.samples, root, masklets, boxes=boxes, beyond=policy.beyond, **reading)
    if option == "eval_split":
        source = _choose(source, data.eval_samples)  # first, for only what is used need be checked: masks are large
    return usable(source, opened, task.lacks, on_error, progress)  # type: ignore[arg-type]


def _choose(source: Files, count: int) -> Files:
    """At most `count` samples, the same ones in every run."""
    if len(source.samples) <= count:
        return source
    chosen = sorted(generator("held-out").permutation(len(source.samples))[:count])
    return replace(source, samples=[source.samples[i] for i in chosen])
