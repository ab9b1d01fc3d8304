"""The toy world as a folder of one's own data: videos, masklets and annotations, as `data=jsonl` reads them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from grounding.core import LoadedSample, Sample, UserError, save_masklets, write_video
from grounding.core.files import write_text
from grounding.datasets.toy import FPS, ToySource


def export_toy(
    source: ToySource, folder: Path, progress: Callable[[Sequence[Sample]], Iterable[Sample]] = iter
) -> Path:
    """Write every clip as `videos/NNNN.mp4` and `masklets/NNNN.masklets.json`, and last `annotations.jsonl`.

    The truth is the object's id, so the tube read back is that of its visible mask.

    Args:
        source: Must sample every source frame: `toy_source(..., fps=FPS)`.
        folder: New or empty.
        progress: Wraps the samples on their way, to show how far the work is.

    Returns:
        The annotation file.

    Raises:
        UserError: If frames are left out, the folder is not empty or no folder, or it cannot be written.
    """
    if source.fps != FPS:
        raise UserError(f"only a toy source of {FPS:g} frames a second holds every frame, got {source.fps:g}")
    _check_empty(folder)
    rows = [_export(number, source.load(sample), folder) for number, sample in enumerate(progress(source.samples))]
    annotations = folder / "annotations.jsonl"
    write_text(annotations, "".join(json.dumps(row) + "\n" for row in rows))
    return annotations


def _check_empty(folder: Path) -> None:
    try:
        if folder.exists() and any(folder.iterdir()):
            raise UserError(f"{folder} is not empty; choose another folder or empty it first")
    except OSError as error:
        raise UserError(f"cannot write into {folder}: {error.strerror or error}; choose another folder") from error


def _export(number: int, loaded: LoadedSample, folder: Path) -> dict[str, Any]:
    """Write one clip; its row."""
    video, masklets = f"videos/{number:04}.mp4", f"masklets/{number:04}.masklets.json"
    write_video(folder / video, loaded.clip.frames, FPS)
    save_masklets(folder / masklets, loaded.masklets)
    sample, truth = loaded.sample, loaded.sample.truth
    if truth.interval is None:
        raise ValueError(f"toy sample {sample.id} has no interval")
    return {
        "id": sample.id,
        "video": video,
        "query": sample.query,
        "interval": [truth.interval.start, truth.interval.end],
        "masklets": masklets,
        "object_id": truth.object_id,
    }
