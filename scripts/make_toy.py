"""Write clips of the toy world as a folder of videos, masks and annotations that `data=jsonl` reads."""

from __future__ import annotations

from grounding.cli import run  # first: from here on Ctrl-C ends with one line

# isort: split
from pathlib import Path

import tyro
from rich.console import Console
from rich.progress import track

from grounding.datasets.toy import FPS, HELD_OUT, toy_source
from grounding.datasets.toy_export import export_toy


def main(out: tyro.conf.Positional[Path], *, clips: int = 12, level: int = 1, objects: int = 3) -> None:
    """Write clips of the toy world as a folder of videos, masks and annotations.

    Train on it with: python scripts/train.py task=stvg data=jsonl data.root=OUT data.annotations=annotations.jsonl

    Args:
        out: Folder to write, new or empty.
        clips: How many clips, 1 to 100,000; none of them is a held-out clip of data=toy.
        level: 1: all shapes look different. 2: with twins, told apart by motion or by who comes or leaves first.
        objects: Objects in a clip, 1 to 4 (level 2 needs at least 2).
    """
    source = toy_source(HELD_OUT.stop, clips, level=level, objects=objects, fps=FPS)
    console = Console(stderr=True)
    annotations = export_toy(source, out, lambda samples: track(samples, "Writing clips", console=console))
    print(f"wrote {clips} clips and {annotations}")


if __name__ == "__main__":
    run(lambda: tyro.cli(main))
