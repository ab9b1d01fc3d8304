"""The run folder: made anew, or found again by a resumed run, and cut back to the point that it goes on from."""

from __future__ import annotations

import math
import os
import shutil
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from pathlib import Path
from typing import Any

from accelerate import PartialState
from accelerate.utils import broadcast_object_list
from omegaconf import OmegaConf

from grounding.commands.options import read_options
from grounding.core import UserError
from grounding.core.files import write_text
from grounding.jobs.lock import LOCK, held
from grounding.jobs.runlog import cut_metrics
from grounding.training.config import Config, as_yaml
from grounding.training.learning import Place
from grounding.training.stages import Judge, Stage, places, training

OPTIONS = "config.yaml"
METRICS = "metrics.jsonl"
SKIPPED = "skipped.jsonl"
SUMMARY = "summary.json"  # written last
EARLY = (OPTIONS, METRICS, SKIPPED, "versions.json", "initial")  # there before any work is done
FREE = ("out", "resume", "trainer.keep", "trainer.save_steps", "trainer.report_to")  # may change on resume
REPORT = (  # made again if not complete
    *("curves.png", "contact_sheet.png", "showcase.mp4"),
    *("predictions_after.jsonl", "leak_after.json"),
)


@contextmanager
def open_folder(config: Config, stages: Sequence[Stage | Judge]) -> Iterator[Path]:
    """The folder of this run, the same for all processes, with its options written down.

    The first process holds it for the block, so that no other run can write there; a complete run needs no hold, for
    nothing is written to it any more.

    Raises:
        UserError: If it cannot be made, is taken or in use, or holds a run of other options or something damaged.
    """
    name = config.out or f"runs/{config.task.name}/{time.strftime('%Y-%m-%d_%H-%M-%S')}"
    folder = Path(broadcast_object_list([name])[0])
    with _prepared(folder, config, stages) if PartialState().is_main_process else nullcontext():
        PartialState().wait_for_everyone()
        os.environ["TENSORBOARD_LOGGING_DIR"] = str(folder / "tensorboard")
        yield folder


def is_complete(folder: Path) -> bool:
    """Whether the run of a folder has come to its end."""
    return (folder / SUMMARY).is_file()


def forget(folder: Path) -> None:
    """Remove what a run writes before any work is done; a folder that holds more stays as it is."""
    if not PartialState().is_main_process or any(path.name not in {*EARLY, LOCK} for path in folder.iterdir()):
        return
    shutil.rmtree(folder / "initial", ignore_errors=True)
    for name in set(EARLY) - {"initial"}:
        (folder / name).unlink(missing_ok=True)


@contextmanager
def _prepared(folder: Path, config: Config, stages: Sequence[Stage | Judge]) -> Iterator[None]:
    """Hold the folder for the block, made or found again."""
    with ExitStack() as stack:
        try:
            _check_wanted(folder, config)  # before anything is touched
            if not is_complete(folder):
                stack.enter_context(held(folder))
                _check_wanted(folder, config)  # again, for another run may have been there until now
                _begin(folder, config, stages)
        except OSError as error:
            raise UserError(f"cannot use out={folder}: {error.strerror or error}; choose another run folder") from error
        yield


def _check_wanted(folder: Path, config: Config) -> None:
    """Refuse a folder that holds anything but the run to resume; hidden files are what killed runs leave."""
    if config.resume and (folder / OPTIONS).is_file():
        _check_same(folder, config)
    elif folder.exists() and any(not path.name.startswith(".") for path in folder.iterdir()):
        how = "it holds no run to resume; " if config.resume else "resume=latest goes on with it; else "
        raise UserError(f"out={folder} exists and is not empty; {how}choose another run folder or remove it")


def _begin(folder: Path, config: Config, stages: Sequence[Stage | Judge]) -> None:
    if (folder / OPTIONS).is_file():
        _cut_back(folder, config, stages)
    else:
        write_text(folder / OPTIONS, as_yaml(config))


def _check_same(folder: Path, config: Config) -> None:
    saved = dict(_leaves(OmegaConf.to_container(read_options(folder / OPTIONS))))
    now = dict(_leaves(OmegaConf.to_container(OmegaConf.create(as_yaml(config)))))
    names = [name for name in {**saved, **now} if name not in FREE and saved.get(name) != now.get(name)]
    if names:
        changes = ", ".join(f"{name} was {saved.get(name)} and is {now.get(name)}" for name in names)
        raise UserError(f"resume=latest needs the options that {folder} was begun with: {changes}")


def _cut_back(folder: Path, config: Config, stages: Sequence[Stage | Judge]) -> None:
    """Cut a run back to the points that its stages go on from."""
    if is_complete(folder):  # since a moment ago
        return
    trained = training(stages)
    last = {stage.name: _done(place, config) for stage, place in zip(trained, places(folder, trained), strict=True)}
    kept = cut_metrics(folder / METRICS, last)
    for stage in trained:
        done = min(last[stage.name], stage.steps(config))
        if (lost := int(done) - len(kept.get(stage.name, ()))) > 0:  # of a crash of the machine, or somebody's editor
            told = f"{folder / METRICS} lacks {lost} of the {done} steps of {stage.name} that were done"
            sys.stderr.write(f"{told}; so will the curves\n")
    for name in REPORT:
        (folder / name).unlink(missing_ok=True)


def _done(place: Place, config: Config) -> float:
    """The step that a stage goes on from, infinite where it is complete."""
    checkpoints = place.checkpoints(config.trainer.keep)
    checkpoints.clean()
    newest = checkpoints.latest()
    if place.model.is_dir():
        return math.inf
    if newest is None:
        return 0
    newest.check(checkpoints.processes)
    return newest.step


def _leaves(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    if not isinstance(value, dict):
        yield name, value
        return
    for key, inner in value.items():
        yield from _leaves(inner, f"{name}.{key}" if name else str(key))
