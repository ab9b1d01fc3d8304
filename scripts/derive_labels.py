"""Derive rows for `task=vtg` and `task=box` from an RGB-D scene and the masks or instances of its objects."""

from __future__ import annotations

from grounding.cli import run  # first: from here on Ctrl-C ends with one line

# isort: split
import sys
from collections.abc import Iterable
from pathlib import Path

import tyro
from rich.console import Console
from rich.progress import track

from grounding.core.checks import printable
from grounding.core.files import check_free
from grounding.datasets.scene_export import Objects, export_labels, instances, masked
from lift3d.cli import read_masks, scene_name
from lift3d.formats.result import read_labels
from lift3d.frames import Frame
from lift3d.scenes import open_scene
from lift3d.wording import amount, by_reason


def main(
    *,
    scene: Path,
    out: Path,
    masks: Path | None = None,
    labels: Path | None = None,
    layout: str | None = None,
    fps: float = 30.0,
    boxes: int = 5,
) -> None:
    """Derive rows for `task=vtg` and `task=box` from an RGB-D scene and the masks or instances of its objects.

    Writes the scene's pictures as a video, vtg.jsonl, box.jsonl and report.json. Train on them with: python
    scripts/train.py task=vtg data=jsonl data.root=OUT data.annotations=vtg.jsonl

    A model learns to answer "none" from rows of your own beside them, about what is not there: "intervals": [].

    Args:
        scene: Folder of the scene; `lift3d inspect` says what is in it.
        out: Folder to write; it must be new or empty.
        masks: Masks of the objects as `lift3d export` takes them. Without them the objects are ScanNet's own, from
            *.aggregation.json, *.segs.json and *_vh_clean_2.ply in the scene's folder.
        labels: JSON file with the name of each id, as {"1": "the red chair"}: the id of a mask, or ScanNet's objectId.
            Without it ScanNet's own labels are taken. An object whose name another one has gets no rows.
        layout: Layout of the scene, for example scannet or tum; without it the files decide.
        fps: Frames a second of the capture, where the scene has no clock. Frames are counted by the numbers in their
            names.
        boxes: Most rows with a box, of one object, 1 to 1000; their frames are spread over its interval.
    """
    check_free(out, folder=True)
    names = read_labels(labels, least=0 if masks is None else 1)
    opened = open_scene(scene, layout, masks is None)
    _note(f"doubtful: {problem}" for problem in opened.problems)
    objects: Objects = instances(scene, opened, names) if masks is None else masked(read_masks(masks, opened), names)
    made = export_labels(opened, objects, out, scene_name(scene)[:100], fps, boxes, _progress)
    _note(f"not used: {line}" for line in by_reason(made.frames_left_out, "frame"))
    _note(f"no rows: {line}" for line in by_reason(made.labels.left_out, "object"))
    rows = f"{amount(len(made.labels.vtg), 'row')} with an interval and {len(made.labels.box)} with a box"
    sys.stdout.write(printable(f"wrote {out}: {rows}, of {amount(made.frames, 'frame')}; times are {made.clock}\n"))


def _progress(frames: Iterable[Frame], title: str) -> Iterable[Frame]:
    return track(frames, title, console=Console(stderr=True))


def _note(lines: Iterable[str]) -> None:
    for line in lines:
        sys.stderr.write(f"{printable(line)}\n")


if __name__ == "__main__":
    run(lambda: tyro.cli(main))
