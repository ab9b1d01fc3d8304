"""What `lift3d inspect` says of a scene: layout, frames, those left out and why, and whether its conventions agree."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from grounding.core import UserError
from lift3d.naming import how_named
from lift3d.scene import View
from lift3d.scenes import LAYOUTS, check, load
from lift3d.wording import by_reason


@dataclass(frozen=True)
class Inspection:
    """A scene at a glance.

    Attributes:
        folder: As given.
        layout: Name of the layout.
        checked_on: Real files on which this layout's reader was checked; empty: written from its description only.
        frames: Frames the layout lists, usable or not.
        usable: Frames that can be lifted, as far as is known.
        named: How these are named; masks bear the names of the frames or of their files.
        looked_into: Frames whose depth was decoded.
        all_looked_into: Whether these are all that could be; of the others some may turn out not to be usable.
        left_out: Frame name -> why it cannot be used (bad poses, missing or unreadable images).
        depth_size: (height, width) of the first frame's depth image, or None if it cannot be decoded.
        depth_valid: Share of its pixels that have depth, or None.
        depth_median: Of the frames that were decoded, metres, or None.
        colour_size: (height, width) of the first frame's colour image, or None.
        vertices: Of the mesh or cloud; 0 where there is none.
        faces: Of the mesh; 0 where there is none.
        agreement: Share of points on which frames agree, in [0, 1], or None where nothing could be compared.
        pairs: Pairs of frames compared.
        mesh_agreement: That of mesh and frames (`lift3d.scenes.agreement`), or None.
        problems: Every doubt, one line each.
    """

    folder: str
    layout: str
    checked_on: str
    frames: int
    usable: int
    named: str
    looked_into: int
    all_looked_into: bool
    left_out: dict[str, str]
    depth_size: tuple[int, int] | None
    depth_valid: float | None
    depth_median: float | None
    colour_size: tuple[int, int] | None
    vertices: int
    faces: int
    agreement: float | None
    pairs: int
    mesh_agreement: float | None
    problems: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """All of it, ready for `json.dumps`."""
        return asdict(self)

    def as_text(self) -> str:
        """A few lines for people."""
        checked = f"reader checked on {self.checked_on}" if self.checked_on else "reader not checked on real files"
        depth = [_size(self.depth_size)]
        depth += [] if self.depth_valid is None else [f"{self.depth_valid:.0%} valid"]
        depth += [] if self.depth_median is None else [f"median {self.depth_median:.3g} m"]
        lines = [
            f"layout     {self.layout} ({checked})",
            f"frames     {self._usable()}",
            f"named      {self.named}",
            f"depth      {', '.join(depth)}",
            f"colour     {_size(self.colour_size)}",
            f"surface    {f'{self.vertices:,} vertices, {self.faces:,} faces' if self.vertices else 'none'}",
            f"agreement  {_share(self.agreement)} between frames ({self.pairs} pairs)",
        ]
        if self.mesh_agreement is not None:
            lines.append(f"           {_share(self.mesh_agreement)} between mesh and frames")
        lines += [f"left out   {line}" for line in by_reason(self.left_out, "frame")]
        return "\n".join([*lines, *(f"problem    {problem}" for problem in self.problems)])

    def _usable(self) -> str:
        said = f"{self.usable} of {self.frames} usable"
        return said if self.all_looked_into else f"{said} as far as {self.looked_into} depth images tell"


def inspect(folder: Path, layout: str | None = None) -> Inspection:
    """Look at a scene without lifting anything; a few of its images are decoded.

    Args:
        folder: The scene's folder.
        layout: One of `lift3d.scenes.LAYOUTS`; None: found out from the files.

    Raises:
        UserError: If the folder fits no layout or no frame can be used.
    """
    scene = load(folder, layout)
    agreement = check(scene)
    depth, colour = _first(scene.views[0])
    return Inspection(
        folder=str(folder),
        layout=scene.layout,
        checked_on=LAYOUTS[scene.layout].checked_on,
        frames=len(scene.views) + len(scene.left_out),
        usable=len(scene.views) - len(agreement.unusable),
        named=how_named(scene.views),
        looked_into=agreement.tried,
        all_looked_into=agreement.tried == len(scene.views),
        left_out={**scene.left_out, **agreement.unusable},
        depth_size=None if depth is None else (depth.shape[0], depth.shape[1]),
        depth_valid=None if depth is None else float(np.mean(depth > 0)),
        depth_median=agreement.median_depth,
        colour_size=None if colour is None else (colour.shape[0], colour.shape[1]),
        vertices=0 if scene.points is None else len(scene.points),
        faces=0 if scene.faces is None else len(scene.faces),
        agreement=agreement.frames,
        pairs=agreement.pairs,
        mesh_agreement=agreement.mesh,
        problems=(*scene.problems, *by_reason(agreement.colourless, "frame"), *agreement.problems),
    )


def _first(view: View) -> tuple[np.ndarray | None, np.ndarray | None]:
    """Depth and colour of a view, None where unreadable (`problems` says it)."""
    images: list[np.ndarray | None] = []
    for read in (view.read_depth, view.read_colour):
        try:
            images.append(read())
        except UserError:
            images.append(None)
    return images[0], images[1]


def _size(size: tuple[int, int] | None) -> str:
    return "none" if size is None else f"{size[1]} x {size[0]}"


def _share(share: float | None) -> str:
    return "not comparable" if share is None else f"{share:.0%}"
