"""The `data` part of a configuration: what can be set for each kind of data, and the check of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from math import isfinite
from pathlib import Path

from omegaconf import MISSING

from grounding.core import UserError
from grounding.core.checks import LARGEST, shown
from grounding.core.limits import Limits
from grounding.core.reading import is_file, is_folder
from grounding.datasets.catalog import DATASETS, find_annotations
from grounding.datasets.records import Policy
from grounding.datasets.toy import FPS, HELD_OUT, toy_source
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
class ToyConfig(DataConfig):
    """The generated world of coloured shapes; held-out clips never train."""

    name: str = "toy"
    level: int = 1  # 1: all look different; 2: twins, told apart by motion or order
    objects: int = 3
    train_clips: int = 100_000


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
class PolicyConfig:
    """What is done with truths that cannot be right: keep, clamp or reject; see grounding.datasets.records.Policy."""

    reversed: str = "reject"
    empty: str = "reject"
    beyond: str = "clamp"
    box: str = "clamp"


@dataclass
class DatasetConfig(FilesConfig):
    """A public dataset in its authors' files; `annotations` is one, or the folder of all, of which splits choose."""

    masklets: str = ""  # the folder with the masks of each video, named like it; for vidstg VidOR's files will do
    boxes: str = ""  # vidstg only: VidOR's files, where `masklets` are masks of one's own
    policy: PolicyConfig = field(default_factory=PolicyConfig)


DATA: dict[str, DataConfig] = {
    "toy": ToyConfig(),
    "jsonl": JsonlConfig(),
    **{name: DatasetConfig(name=name) for name in DATASETS},
}


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
    if isinstance(data, ToyConfig):
        return errors + _check_toy(data, task)
    if isinstance(data, DatasetConfig) and (cannot := _cannot_use(data.name, task)):
        return [cannot]
    return errors + _check_files(data, task) if isinstance(data, FilesConfig) else errors


def _check_files(data: FilesConfig, task: Task) -> list[str]:
    needed = {"root": "DIR", "annotations": "FILE"}
    if isinstance(data, DatasetConfig) and task.marks:
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
        Policy(**vars(data.policy))
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
    lacks = task.lacks(DATASETS[name].truth)
    able = [one for one, its in DATASETS.items() if its.videos and not task.lacks(its.truth)]
    says = f"data={name} has no {' and no '.join(lacks)} in its truths ({', '.join(DATASETS[name].truth)})"
    return f"{says}, which task={task.name} needs; choose one of {', '.join(able)}, jsonl, toy" if lacks else ""


def _check_toy(data: ToyConfig, task: Task) -> list[str]:
    errors = [] if task.toy else [f"data=toy cannot ask what task={task.name} asks; choose other data"]
    if not 1 <= data.train_clips <= MOST_CLIPS:
        errors.append(f"data.train_clips must be 1 to {MOST_CLIPS}, got {plain(data.train_clips)}")
    if data.eval_samples > len(HELD_OUT):
        errors.append(f"data.eval_samples must be at most {len(HELD_OUT)}, got {plain(data.eval_samples)}")
    try:
        toy_source(0, 1, level=data.level, objects=data.objects, fps=data.fps if data.fps > 0 else FPS)
    except UserError as error:
        errors.append(f"data: {error}")
    return errors


def plain(number: float) -> str:
    """A number as a message shows it, however many digits it has."""
    return shown(number).strip("'")


def unknown(name: str, value: object, known: Iterable[str]) -> str:
    """What to say of a value that is none of the known ones."""
    return f"{name} must be one of {', '.join(known)}, got {value!r}"
