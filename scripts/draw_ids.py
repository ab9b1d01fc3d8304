"""Draw the ID of every object on a video."""

from __future__ import annotations

from grounding.cli import run  # first: from here on Ctrl-C ends with one line

# isort: split
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import tyro
from rich.console import Console
from rich.progress import track

from grounding.core.checks import printable
from grounding.core.reading import is_folder
from grounding.core.video import probe
from grounding.masks import read_masklets
from prompting import IdMarker
from prompting.marker import MODEL_PIXELS
from prompting.video import DrawnFrame, Outputs, draw_video


def main(
    video: tyro.conf.Positional[Path],
    *,
    masks: Path,
    out: Path,
    frames: Path | None = None,
    frames_per_second: float = 2.0,
    legend: Path | None = None,
    style: str = "outline",
    size: float | None = None,
    anchor: str = "inside",
    palette: str = "distinct",
    model_pixels: int = MODEL_PIXELS,
    overwrite: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False,
) -> None:
    """Draw the ID of every object on a video; frame times and sound stay as they are.

    Args:
        video: A video file (mp4, mov, mkv, webm, avi, ...).
        masks: Of all its frames: a folder of id-map PNGs (DAVIS) or of MeViS; *.masklets.json; JSON of COCO with
            tracks, SA-V, YouTube-VIS or VidOR; MOT *.txt; *.npz. Boxes become masks that fill them.
        out: The mp4 to write.
        frames: Folder for stills, too, one PNG each; new or empty.
        frames_per_second: How many stills.
        legend: JSON file, too: which marks are on which frame, where, and why an object has none.
        style: outline (bold white digits with a black edge), badge or digit, and any of contour, tint and box, joined
            by "+".
        size: Height of a mark in pixels at the model's size; fitted to its object if not given.
        anchor: Where a mark stands if nothing is in its way: inside (where its object is deepest), centre (of its box)
            or above (on the upper edge of its box).
        palette: Colours of ids 1, 2, ...: distinct, okabe-ito, or colours such as "#e20000,#0000c6".
        model_pixels: Height x width of a frame as the model will see it; marks are drawn to be read at that size.
        overwrite: Replace files that exist.
    """
    info = probe(video)
    masklets = read_masklets(masks, info)
    inputs = [masks, *(masks.iterdir() if is_folder(masks) else ())]
    outputs = Outputs(out, frames, frames_per_second, legend, overwrite, inputs)
    console = Console(stderr=True)

    def progress(drawn: Iterable[DrawnFrame]) -> Iterable[DrawnFrame]:
        return track(drawn, "Drawing IDs", total=info.frame_count, console=console)

    marker = IdMarker(style, size, anchor, palette, model_pixels)
    count = draw_video(info, masklets, marker, outputs, progress)
    others = "".join(f", {path}" for path in (frames, legend) if path is not None)
    left_out = info.frame_count - count
    damaged = f" ({left_out} damaged ones left out)" if left_out else ""
    print(printable(f"wrote {out}{others}: {len(masklets.ids)} objects on {count} frames{damaged}"))


if __name__ == "__main__":
    run(lambda: tyro.cli(main))
