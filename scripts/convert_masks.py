"""Write the masks of a video in another format."""

from __future__ import annotations

from grounding.cli import run  # first: from here on Ctrl-C ends with one line

# isort: split
import os
from pathlib import Path
from typing import Annotated

import tyro

from grounding.core.checks import printable
from grounding.core.files import check_free
from grounding.core.video import probe
from grounding.masks import read_masklets, write_masklets


def main(
    video: tyro.conf.Positional[Path],
    *,
    masks: Path,
    out: Path,
    overwrite: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False,
) -> None:
    """Write the masks of a video in another format, told by the name of what is written.

    Args:
        video: The video that the masks belong to.
        masks: In any format that draw_ids.py reads.
        out: *.masklets.json; *.json: COCO with tracks; *.txt: MOT, boxes only; *.npz; no ending: a folder of id-map
            PNGs, where of overlapping objects the larger ID is on top.
        overwrite: Replace a file that exists.
    """
    within = os.path.realpath(out.parent) == os.path.realpath(masks)  # then what is there may be one of the masks
    check_free(out, overwrite=overwrite, folder=not out.suffix, inputs=[video, masks, *([out] if within else [])])
    masklets = read_masklets(masks, probe(video))
    write_masklets(out, masklets, overwrite=overwrite)
    print(f"wrote {printable(str(out))}: {len(masklets.ids)} objects on {len(masklets.pts)} frames")


if __name__ == "__main__":
    run(lambda: tyro.cli(main))
