"""The toy world as a folder of one's own data: videos, masklets and annotations, as `data=jsonl` reads them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from grounding.core import LoadedSample, Sample, UserError, save_masklets, write_video
from grounding.core.files import staged, write_text
from grounding.datasets.toy import FPS, ToySource

ANNOTATIONS = "annotations.jsonl"
MOST = 100_000  # clips; they take 4 kB each and a fifth of a second


def export_toy(
    source: ToySource, folder: str | Path, progress: Callable[[Sequence[Sample]], Iterable[Sample]] = iter
) -> Path:
    """Write every clip as `videos/NNNN.mp4` and `masklets/NNNN.masklets.json`, and `annotations.jsonl`: all or nothing.

    The truth is the object's id, so the tube read back is that of its visible mask.

    Args:
        source: Must sample every source frame: `toy_source(..., fps=FPS)`.
        folder: New or empty.
        progress: Wraps the samples on their way, to show how far the work is.

    Returns:
        The annotation file.

    Raises:
        UserError: If frames are left out, there are too many clips, or the folder is not empty or cannot be written.
    """
    if source.fps != FPS:
        raise UserError(f"only a toy source of {FPS:g} frames a second holds every frame, got {source.fps:g}")
    if len(source.samples) > MOST:
        raise UserError(f"at most {MOST:,} clips are written, got {len(source.samples):,}")
    with staged(folders=[folder]) as (hidden,):
        rows = [_export(number, source.load(sample), hidden) for number, sample in enumerate(progress(source.samples))]
        write_text(hidden / ANNOTATIONS, "".join(json.dumps(row) + "\n" for row in rows))
    return Path(folder) / ANNOTATIONS


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
