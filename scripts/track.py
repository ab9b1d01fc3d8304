"""Find and follow the objects of a video, or of a folder of videos; write their masks as *.masklets.json."""

from __future__ import annotations

from grounding.cli import run  # first: from here on Ctrl-C ends with one line

# isort: split
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro
from rich.console import Console
from rich.progress import track

from grounding.core import Masklets, UserError, save_masklets
from grounding.core.checks import printable
from grounding.core.files import check_free, writing
from grounding.core.reading import is_folder
from grounding.core.video import probe
from grounding.tracking import Report, TrackingOptions, track_video
from grounding.tracking.folder import FAILED, Outcome, Work, find_videos, track_folder
from grounding.tracking.models import ModelNames

MODELS, OPTIONS = ModelNames(), TrackingOptions()


@dataclass(frozen=True)
class _Job:
    """What a worker needs to begin."""

    models: ModelNames
    options: TrackingOptions

    def __call__(self, worker: int) -> Work:
        detector, tracker = self.models.load(worker)

        def work(video: Path, target: Path) -> str:
            masklets, report = track_video(video, detector, tracker, self.options)
            save_masklets(target, masklets)
            return summary(masklets, report)

        return work


def summary(masklets: Masklets, report: Report) -> str:
    """What was found, and what was left out, in one line."""
    left_out = {
        "damaged frames": report.damaged,
        "detections refused (see --max-objects)": report.refused,
        "late objects not followed back (see --max-objects)": report.not_carried,
    }
    return "; ".join(
        [
            f"{len(masklets.ids)} objects on {report.frames} frames",
            f"{report.forward_passes} frame passes forwards, {report.backward_passes} backwards",
            f"{len(report.cuts)} cuts, {report.returns} returns, {report.duplicates} duplicates",
            *(f"{count} {what}" for what, count in left_out.items() if count),
        ]
    )


def main(
    video: tyro.conf.Positional[Path],
    *,
    out: Path,
    models: Annotated[ModelNames, tyro.conf.arg(name="")] = MODELS,
    options: Annotated[TrackingOptions, tyro.conf.arg(name="")] = OPTIONS,
    workers: int = 1,
) -> None:
    """Find and follow the objects of a video, or of a folder of videos; write their masks as *.masklets.json.

    Args:
        video: A video, or a folder of videos (those below it, too; finished ones are skipped).
        out: The file to write, or the folder for a folder of videos.
        models: Which models.
        options: The numbers that steer tracking.
        workers: Processes for a folder of videos, each with models of its own.
    """
    if is_folder(video):
        _folder(video, out, _Job(models, options), workers)
        return
    _single(video, out, models, options)


def _single(video: Path, out: Path, models: ModelNames, options: TrackingOptions) -> None:
    with writing(out):
        check_free(out)  # said now, not after the work
    probe(video)  # so is this
    detector, tracker = models.load()
    console = Console(stderr=True)
    masklets, report = track_video(
        video, detector, tracker, options, lambda frames, total: track(frames, "Tracking", total=total, console=console)
    )
    save_masklets(out, masklets)
    print(printable(f"wrote {out}: {summary(masklets, report)}"))


def _folder(folder: Path, out: Path, job: _Job, workers: int) -> None:
    if job.models.boxes is not None:
        raise UserError("a file of boxes belongs to one video; give that video instead of a folder")
    console = Console(stderr=True)
    count = len(find_videos(folder, out))
    outcomes: list[Outcome] = []
    for outcome in track(track_folder(folder, out, job, workers), "Tracking", total=count, console=console):
        outcomes.append(outcome)
        if outcome.status != "skipped":
            line = f"{outcome.status}: {outcome.video}: {outcome.message}"
            console.print(printable(line), markup=False, highlight=False, soft_wrap=True)
    done, skipped, failed = (sum(o.status == status for o in outcomes) for status in ("done", "skipped", "failed"))
    print(printable(f"wrote {done} files to {out}, skipped {skipped} that were there"))
    if failed:
        raise UserError(f"{failed} of {count} videos failed; {out / FAILED} says why; run the same command to retry")


if __name__ == "__main__":
    run(lambda: tyro.cli(main, config=(tyro.conf.OmitArgPrefixes,)))
