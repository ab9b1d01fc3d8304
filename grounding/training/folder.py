"""The run folder: made anew, or found again by a resumed run, and cut back to the point that it goes on from."""

from __future__ import annotations

import math
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from accelerate import PartialState
from accelerate.utils import broadcast_object_list
from omegaconf import OmegaConf
from yaml import YAMLError

from grounding.core import UserError
from grounding.core.files import write_text
from grounding.training.checkpoints import Checkpoints
from grounding.training.config import Config, as_yaml
from grounding.training.runlog import cut_metrics

OPTIONS = "config.yaml"
METRICS = "metrics.jsonl"
FREE = ("out", "resume", "trainer.keep", "trainer.save_steps", "trainer.report_to")  # may change on resume
REPORT = ("curves.png", "contact_sheet.png", "showcase.mp4", "predictions_after.jsonl")  # made again if not complete


def open_folder(config: Config) -> Path:
    """The folder of this run, the same for all processes, with its options written down.

    Raises:
        UserError: If it cannot be made, is taken, or holds a run of other options.
    """
    name = config.out or f"runs/{config.task.name}/{time.strftime('%Y-%m-%d_%H-%M-%S')}"
    folder = Path(broadcast_object_list([name])[0])
    if PartialState().is_main_process:
        _prepare(folder, config)
    PartialState().wait_for_everyone()
    os.environ["TENSORBOARD_LOGGING_DIR"] = str(folder / "tensorboard")
    return folder


def forget(folder: Path) -> None:
    """Remove what a run wrote before it read model and data; a folder that holds more stays as it is."""
    early = {OPTIONS, METRICS, "initial"}
    if not PartialState().is_main_process or any(path.name not in early for path in folder.iterdir()):
        return
    shutil.rmtree(folder / "initial", ignore_errors=True)
    for name in (OPTIONS, METRICS):
        (folder / name).unlink(missing_ok=True)
    folder.rmdir()


def _prepare(folder: Path, config: Config) -> None:
    if config.resume and (folder / OPTIONS).is_file():
        _check_same(folder, config)
        _cut_back(folder, config)
        return
    # A run that was killed at once leaves at most a hidden file.
    if folder.exists() and any(not path.name.startswith(".") for path in folder.iterdir()):
        how = "it holds no run to resume; " if config.resume else "resume=latest goes on with it; else "
        raise UserError(f"out={folder} exists and is not empty; {how}choose another run folder or remove it")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"cannot make the run folder {folder}: {error.strerror or error}") from error
    write_text(folder / OPTIONS, as_yaml(config))


def _check_same(folder: Path, config: Config) -> None:
    try:
        saved = dict(_leaves(OmegaConf.to_container(OmegaConf.load(folder / OPTIONS))))
    except (OSError, ValueError, YAMLError) as error:
        raise UserError(f"cannot read {folder / OPTIONS}: {' '.join(str(error).split())}") from error
    now = dict(_leaves(OmegaConf.to_container(OmegaConf.create(as_yaml(config)))))
    names = [name for name in {**saved, **now} if name not in FREE and saved.get(name) != now.get(name)]
    if names:
        changes = ", ".join(f"{name} was {saved.get(name)} and is {now.get(name)}" for name in names)
        raise UserError(f"resume=latest needs the options that {folder} was begun with: {changes}")


def _cut_back(folder: Path, config: Config) -> None:
    if (folder / "summary.json").exists():
        return
    checkpoints = Checkpoints(folder / "checkpoints", config.trainer.keep)
    checkpoints.clean()
    newest = checkpoints.latest()
    finished = (folder / "model").is_dir()
    grpo = math.inf if finished else newest.step if newest else 0
    cut_metrics(folder / METRICS, {"warmup": math.inf if (folder / "warmup").is_dir() else 0, "grpo": grpo})
    for name in REPORT:
        (folder / name).unlink(missing_ok=True)


def _leaves(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    if not isinstance(value, dict):
        yield name, value
        return
    for key, inner in value.items():
        yield from _leaves(inner, f"{name}.{key}" if name else str(key))
