"""A folder of videos to a folder of masklets: finished ones are skipped, broken ones are noted and passed over.

A file is written whole or not at all, so stopping and starting again at any time loses at most the videos in work.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from grounding.core import UserError
from grounding.core.files import check_free, write_text, writing
from grounding.tracking.processes import in_processes

SUFFIXES = (".mp4", ".mov", ".mkv", ".webm", ".avi", ".m4v", ".mpg", ".mpeg", ".ts")
FAILED = "failed.jsonl"

Work = Callable[[Path, Path], str]  # video, file to write -> a line about it
MakeWork = Callable[[int], Work]  # loads the models; told the number of the worker


@dataclass(frozen=True)
class Outcome:
    """What became of one video.

    Args:
        video: Which.
        status: "skipped" if its file was there already.
        message: A line about it; the mistake if it failed.
    """

    video: Path
    status: Literal["done", "skipped", "failed"]
    message: str = ""


def find_videos(folder: str | Path, out: str | Path) -> dict[Path, Path]:
    """All videos below a folder, by name, and the file that each is to become: out/same/place/name.masklets.json.

    Links that lead nowhere and pipes of such names are among them: they fail, and are not passed over in silence.

    Raises:
        UserError: If there is none, or two would become the same file.
    """
    folder, out = Path(folder), Path(out)
    found = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES and not path.is_dir())
    if not found:
        raise UserError(f"{folder} holds no videos ({', '.join(SUFFIXES)})")
    targets: dict[Path, Path] = {}
    for video in found:
        target = out / video.relative_to(folder).with_suffix(".masklets.json")
        if target in targets:
            raise UserError(f"{targets[target]} and {video} would both become {target}; rename one of them")
        targets[target] = video
    return {video: target for target, video in targets.items()}


def track_folder(folder: str | Path, out: str | Path, make: MakeWork, workers: int = 1) -> Iterator[Outcome]:
    """Turn every video below a folder into masklets.

    Args:
        folder: Where the videos are.
        out: Where the masklets go; `failed.jsonl` in it lists what failed in this run, with the reason.
        make: Loads the models and gives what works on one video. Must be picklable if there are several workers;
            it is called once in each of them, and not at all if nothing is left to do.
        workers: Processes, each with models of its own; with 1 all is done in this one.

    Yields:
        The outcome of every video, as soon as it is known.

    Raises:
        UserError: As `find_videos`; if `workers` is below 1; if nothing can be written to `out`; if the models cannot
            be loaded.
    """
    folder, out = Path(folder), Path(out)
    if workers < 1:
        raise UserError(f"workers must be 1 or more, got {workers}")
    targets = find_videos(folder, out)
    left = {video: target for video, target in targets.items() if not _is_there(target)}
    yield from (Outcome(video, "skipped") for video in targets if video not in left)
    failures: list[Outcome] = []
    with writing(out / FAILED):
        check_free(out / FAILED, overwrite=True)
        (out / FAILED).unlink(missing_ok=True)
    for outcome in _outcomes(left, make, workers):
        if outcome.status == "failed":
            failures.append(outcome)
            lines = [json.dumps({"video": str(f.video.relative_to(folder)), "error": f.message}) for f in failures]
            write_text(out / FAILED, "\n".join(lines) + "\n", overwrite=True)
        yield outcome


def _is_there(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # a name too long for the file system: the work on it will say so
        return False


def _outcomes(left: dict[Path, Path], make: MakeWork, workers: int) -> Iterator[Outcome]:
    if not left:
        return
    if workers > 1:
        yield from in_processes(list(left.items()), make, attempt, died, workers)
        return
    work = make(0)
    for video, target in left.items():
        yield attempt(work, (video, target))


def attempt(work: Work, item: tuple[Path, Path]) -> Outcome:
    """Work on one video; whatever goes wrong becomes its outcome, for the others are not to suffer."""
    video, target = item
    try:
        with writing(target):
            check_free(target)  # before the work
        return Outcome(video, "done", work(video, target))
    except UserError as error:
        return Outcome(video, "failed", str(error))
    except Exception as error:  # noqa: BLE001 - recorded in failed.jsonl, and counted in the exit status
        return Outcome(video, "failed", f"{type(error).__name__}: {error}")


def died(item: tuple[Path, Path], exit_code: int | None) -> Outcome:
    """What to say of a video whose worker is gone, killed for its memory perhaps."""
    return Outcome(item[0], "failed", f"its worker process died (exit code {exit_code})")
