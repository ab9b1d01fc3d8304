"""The data of a run: what can be set for each kind, the check of it, and the samples."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from math import isfinite
from pathlib import Path
from typing import Any, Literal, TypeVar

import numpy as np
from omegaconf import MISSING

from grounding.core import Source, UserError
from grounding.core.checks import LARGEST, plain, unknown
from grounding.core.limits import Limits
from grounding.core.reading import is_file, is_folder
from grounding.core.seeds import generator
from grounding.datasets.catalog import DATASETS, find_annotations, open_dataset
from grounding.datasets.jsonl import JsonlSource, open_jsonl
from grounding.datasets.media import ClipOptions
from grounding.datasets.problems import Problem
from grounding.datasets.records import Cleaning
from grounding.datasets.toy import FPS, HELD_OUT, PER_SEED, ToySource, toy_source
from grounding.datasets.toy_visits import FlawedSource
from grounding.datasets.video_source import Progress, VideoSource, usable
from grounding.tasks.task import Task

SMALLEST = 28 * 28  # pixels of a frame that make one token of Qwen2.5-VL
MOST_CLIPS = 1_000_000  # of the toy world to train on; their order is drawn in memory, and a seed has 50 times as many
BACKENDS = ("auto", "pyav", "torchcodec", "decord")


@dataclass
class DataConfig:
    """What all data sources have."""

    name: str = MISSING
    fps: float = 2.0  # sampled frames a second
    max_frames: int = 64
    eval_samples: int = 256  # evaluated before and after training, at most


@dataclass
class WorldConfig(DataConfig):
    """What all generated worlds have; held-out clips never train."""

    level: int = 1  # 1: all look different; 2: twins, told apart by something else
    objects: int = 3
    train_clips: int = 100_000


@dataclass
class ToyConfig(WorldConfig):
    """The generated world of coloured shapes; twins are told apart by motion or order."""

    name: str = "toy"
    repeats: bool = False  # things come again, or never; a truth is a list of time ranges
    partial: float = 0.0  # with repeats, share of the training clips whose annotation misses a time range
    hard: float = 0.0  # share of the clips that have twins and one object more, also of the held-out ones


@dataclass
class RoomsConfig(WorldConfig):
    """Generated rooms that a camera looks around in; twins are told apart by size or by what stands beside them."""

    name: str = "rooms"


@dataclass
class FilesConfig(DataConfig):
    """What all data in files has."""

    root: str = ""  # the folder of the videos
    annotations: str = ""
    train_split: str | None = None  # None: every row trains
    eval_split: str | None = None  # None: every row is evaluated
    max_pixels: int | None = None  # of a frame; None: what the model looks at
    backend: str = "auto"  # auto, pyav, torchcodec or decord
    merge_splits: bool = False  # in training, ids that the true boxes follow one after another become one
    on_error: str = "stop"  # or skip: broken rows are left out and listed in skipped.jsonl


@dataclass
class JsonlConfig(FilesConfig):
    """Bring your own data: one JSON object a line, as README describes."""

    name: str = "jsonl"


@dataclass
class CleaningConfig:
    """What is done with truths that cannot be right: keep, clamp or reject; see grounding.datasets.records.Cleaning."""

    reversed: str = "reject"
    empty: str = "reject"
    beyond: str = "clamp"
    box: str = "clamp"


@dataclass
class DatasetConfig(FilesConfig):
    """A public dataset in its authors' files; `annotations` is one, or the folder of all, of which splits choose."""

    masklets: str = ""  # the folder with the masks of each video, named like it; for vidstg VidOR's files will do;
    # mevis and refytvos have masks of their own, and need it only where others, such as a tracker's, are to be shown
    boxes: str = ""  # vidstg only: VidOR's files, where `masklets` are masks of one's own
    cleaning: CleaningConfig = field(default_factory=CleaningConfig)


DATA: dict[str, DataConfig] = {
    "toy": ToyConfig(),
    "rooms": RoomsConfig(),
    "jsonl": JsonlConfig(),
    **{name: DatasetConfig(name=name) for name in DATASETS},
}


def annotations_of(data: DataConfig) -> str:
    """The file of the rows, nothing where there is none."""
    return str(getattr(data, "annotations", ""))


def skips(data: DataConfig) -> bool:
    """Whether broken rows are left out; else the first one stops the run."""
    return getattr(data, "on_error", "stop") == "skip"


def check_data(data: DataConfig, task: Task) -> list[str]:
    """What cannot work for a task, a line each; no annotation is read."""
    rules = [
        ("fps", data.fps, isfinite(data.fps) and data.fps > 0, "> 0"),
        ("max_frames", data.max_frames, data.max_frames >= 2, "at least 2"),
        ("max_frames", data.max_frames, data.max_frames <= Limits().frames, f"at most {Limits().frames}"),
        ("eval_samples", data.eval_samples, data.eval_samples >= 1, "at least 1"),
    ]
    errors = [f"data.{name} must be {rule}, got {plain(value)}" for name, value, right, rule in rules if not right]
    if not isinstance(data, DatasetConfig) and data.name != type(data).name:  # a name alone changes no data
        errors.append(f"data.name must be {type(data).name} with its options, got {data.name!r}; choose by data=NAME")
    if isinstance(data, WorldConfig):
        return errors + _check_world(data, task)
    if isinstance(data, DatasetConfig) and (cannot := _cannot_use(data.name, task)):
        return [cannot]
    return errors + _check_files(data, task) if isinstance(data, FilesConfig) else errors


def _check_files(data: FilesConfig, task: Task) -> list[str]:
    needed = {"root": "DIR", "annotations": "FILE"}
    if isinstance(data, DatasetConfig) and task.marks and not DATASETS[data.name].masks:
        needed |= {"masklets": "DIR"}
    choices = [("backend", data.backend, BACKENDS), ("on_error", data.on_error, ("stop", "skip"))]
    errors = [unknown(f"data.{name}", value, known) for name, value, known in choices if value not in known]
    if missing := [name for name in needed if not getattr(data, name)]:
        needs = f"data={data.name} needs {' '.join(f'data.{name}={what}' for name, what in needed.items())}"
        return errors + [f"data.{name} is missing; {needs}" for name in missing]
    folders = [name for name in ("root", "masklets", "boxes") if getattr(data, name, "")]
    if wrong := [name for name in folders if not is_folder(getattr(data, name))]:
        return errors + [f"data.{name} must be a folder, got {getattr(data, name)!r}, which is none" for name in wrong]
    if data.max_pixels is not None and not SMALLEST <= data.max_pixels < LARGEST:
        errors.append(f"data.max_pixels must be at least {SMALLEST} (28 x 28), got {plain(data.max_pixels)}")
    return errors + _check_dataset(data) if isinstance(data, DatasetConfig) else errors


def _check_dataset(data: DatasetConfig) -> list[str]:
    errors = []
    if data.boxes and data.name != "vidstg":
        errors.append(f"data.boxes is for data=vidstg, whose boxes are in VidOR's files; leave it out for {data.name}")
    try:
        Cleaning(**vars(data.cleaning))
    except UserError as error:
        errors.append(f"data.{error}")
    if not (is_file(data.annotations) or is_folder(data.annotations)):
        return [*errors, f"data.annotations={data.annotations} is neither a file nor a folder; mend the path"]
    return [*errors, *_check_split(data, "train_split"), *_check_split(data, "eval_split")]


def _check_split(data: DatasetConfig, option: str) -> list[str]:
    annotations, split = Path(data.annotations), getattr(data, option)
    if is_file(annotations) and split is not None:
        return [f"data.{option}={split} needs the folder of all splits, but data.annotations={annotations} is a file"]
    try:
        find_annotations(data.name, annotations, split)
    except UserError as error:
        return [f"data.{option}: {error}"]
    return []


def _cannot_use(name: str, task: Task) -> str:
    """Why the task can do nothing with a dataset, or nothing."""
    if name not in DATASETS:
        return unknown("data.name", name, DATA)
    lacks = task.lacks(DATASETS[name].parts)
    able = [one for one, its in DATASETS.items() if its.videos and not task.lacks(its.parts)]
    says = f"data={name} has no {' and no '.join(lacks)} in its truths ({', '.join(DATASETS[name].parts)})"
    return f"{says}, which task={task.name} needs; choose one of {', '.join([*able, 'jsonl', 'toy'])}" if lacks else ""


def _check_world(data: WorldConfig, task: Task) -> list[str]:
    errors = [] if task.toy else [f"data={data.name} cannot ask what task={task.name} asks; choose other data"]
    if isinstance(data, ToyConfig):
        shares = {"partial": data.partial, "hard": data.hard}
        errors += [f"data.{name} must be 0 to 1, got {plain(one)}" for name, one in shares.items() if not 0 <= one <= 1]
        if data.partial and not data.repeats:
            errors.append("data.partial leaves out one of several time ranges; give data.repeats=true, too")
    if not 1 <= data.train_clips <= MOST_CLIPS:
        errors.append(f"data.train_clips must be 1 to {MOST_CLIPS}, got {plain(data.train_clips)}")
    if data.eval_samples > len(HELD_OUT):
        errors.append(f"data.eval_samples must be at most {len(HELD_OUT)}, got {plain(data.eval_samples)}")
    try:
        toy_source(0, 1, level=data.level, objects=data.objects, fps=data.fps if data.fps > 0 else FPS)
    except UserError as error:
        errors.append(f"data: {error}")
    return errors


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
    if isinstance(data, WorldConfig):
        partial = data.partial if isinstance(data, ToyConfig) else 0.0
        train = _generated(data, task, PER_SEED * (seed + 1), data.train_clips, partial)
        return Sources(train, _generated(data, task, HELD_OUT.start, data.eval_samples), [], [])
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
    if isinstance(data, WorldConfig):
        return _generated(data, task, HELD_OUT.start, data.eval_samples), []
    source = _open_split(data, task, "eval_split", frame_pixels)
    return _choose(source, data.eval_samples), source.skipped


def warmup_first_clip(seed: int) -> int:
    """First toy clip of the warm-up: the upper half of the seed's clips; training takes the lower half."""
    return PER_SEED * (seed + 1) + PER_SEED // 2


def _generated(data: WorldConfig, task: Task, first: int, count: int, partial: float = 0.0) -> ToySource:
    source = toy_source(first, count, level=data.level, objects=data.objects, fps=data.fps, toy=task.toy)
    hard = data.hard if isinstance(data, ToyConfig) else 0.0
    return FlawedSource(**vars(source), partial=partial, hard=hard) if partial or hard else source


def _open_split(
    data: DataConfig,
    task: Task,
    option: Literal["train_split", "eval_split"],
    frame_pixels: int,
    progress: Progress = iter,
) -> JsonlSource | VideoSource:
    if not isinstance(data, FilesConfig):
        raise TypeError(f"no source is known for {type(data).__name__}")
    clips = ClipOptions(data.fps, data.max_frames, data.max_pixels or frame_pixels, data.backend)
    merge = data.merge_splits and option == "train_split"  # by the truth, so never where it is evaluated
    split, on_error = getattr(data, option), data.on_error
    if not isinstance(data, DatasetConfig):
        own: dict[str, Any] = {"split": split, "merge_splits": merge, "on_error": on_error}
        own |= {"needs": task.needs, "marks": task.marks, "check": lambda truth: task.say(truth, "")}
        return open_jsonl(Path(data.root), data.annotations, clips, **own)
    cleaning, root = Cleaning(**vars(data.cleaning)), Path(data.root)
    opened = open_dataset(data.name, Path(data.annotations), split=split, videos=root, cleaning=cleaning)
    masklets, true_masks = _masks(data, opened.file) if task.marks else (None, None)
    boxes = Path(data.boxes or data.masklets) if task.marks and data.name == "vidstg" else None
    source = VideoSource(opened.samples, root, masklets, clips, boxes, true_masks, merge, cleaning.beyond)
    if option == "train_split":
        return usable(source, opened, task.check, on_error, progress)  # type: ignore[arg-type]
    # Only what is used is checked, for masks are large; others stand in for samples that are left out.
    drawn = [source.samples[i] for i in _drawn(len(source.samples))]
    some = usable(replace(source, samples=drawn), opened, task.check, on_error, progress, data.eval_samples)  # type: ignore[arg-type]
    used = {sample.id for sample in some.samples}
    return replace(some, samples=[sample for sample in source.samples if sample.id in used])


def _masks(data: DatasetConfig, annotations: Path) -> tuple[Path, Path | None]:
    """Where the masks are that are shown, and where those of the truth are, if these are others.

    Raises:
        UserError: If the data set has masks of its own, but not there.
    """
    beside = DATASETS[data.name].masks
    own = beside(annotations) if beside else None
    shown = Path(data.masklets) if data.masklets or own is None else own
    return shown, None if own is None or shown.resolve() == own.resolve() else own


def _choose(source: Files, count: int) -> Files:
    """At most `count` samples, the same ones in every run."""
    if len(source.samples) <= count:
        return source
    return replace(source, samples=[source.samples[i] for i in sorted(_drawn(len(source.samples))[:count])])


def _drawn(count: int) -> list[int]:
    """The numbers of all `count` samples, in the order in which they are evaluated, the same in every run."""
    return [int(number) for number in generator("held-out").permutation(count)]


def spread(total: int, most: int) -> list[int]:
    """At most `most` places of `total`, spread evenly from the first to the last."""
    return np.unique(np.linspace(0, total - 1, most).astype(int)).tolist()
