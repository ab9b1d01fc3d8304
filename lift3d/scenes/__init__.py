"""RGB-D scenes from their folders, each layout in a file of its own; all become one `Scene` (see `lift3d.scene`)."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

from grounding.core import UserError
from grounding.core.checks import file_name
from grounding.core.reading import is_folder
from lift3d.scene import Scene
from lift3d.scenes import (
    arkitscenes,
    colmap,
    folder,
    record3d,
    replica,
    scannet,
    scannetpp,
    sens,
    sevenscenes,
    transforms,
    tum,
)
from lift3d.scenes.agreement import Agreement, check
from lift3d.scenes.raw import Layout, RawScene, assemble
from lift3d.wording import by_reason

__all__ = ["Agreement", "LAYOUTS", "Layout", "check", "load", "open_scene"]

# In the order in which they are tried: the most telling files first.
_MODULES = (
    folder, scannetpp, arkitscenes, record3d, tum, replica, sevenscenes, transforms, scannet, sens, colmap,
)  # fmt: skip
LAYOUTS: dict[str, Layout] = {module.LAYOUT.name: module.LAYOUT for module in _MODULES}


def open_scene(root: str | Path, layout: str | None = None, surface: bool = True) -> Scene:
    """Open an RGB-D scene and test its conventions; images are read later, one at a time.

    Args:
        root: The scene's folder.
        layout: One of `LAYOUTS`; None: found out from the files.
        surface: Whether to read the mesh, if there is one.

    Returns:
        The scene. `left_out` names the frames that cannot be used, `problems` all that is doubtful. Doubtful
        conventions are reported there with the likely cause, never changed. What reads all pictures tells of those
        that cannot be read.

    Raises:
        UserError: If the folder fits no layout or no frame can be used.
    """
    scene = load(root, layout, surface)
    found = check(scene)
    return replace(scene, problems=(*scene.problems, *by_reason(found.unusable, "frame"), *found.problems))


def load(root: str | Path, layout: str | None = None, surface: bool = True) -> Scene:
    """As `open_scene`, without the test."""
    root = Path(root)
    if not is_folder(root):
        raise UserError(f"{root} is no folder; give the folder of an RGB-D scene (an .r3d must be unzipped first)")
    if layout is not None and layout not in LAYOUTS:
        raise UserError(f"unknown layout {layout!r}; choose one of {', '.join(LAYOUTS)}")
    fitting = [name for name, known in LAYOUTS.items() if known.matches(root)] if layout is None else [layout]
    if not fitting:
        known = "; ".join(f"{known.name}: {known.looks_like}" for known in LAYOUTS.values())
        raise UserError(f"{root} fits no known layout; expected one of: {known}")
    raw = LAYOUTS[fitting[0]].read(root)
    return assemble(fitting[0], _with_doubts(raw, fitting), surface)


def _with_doubts(raw: RawScene, fitting: list[str]) -> RawScene:
    problems = list(raw.problems)
    if len(fitting) > 1:
        problems.append(f"read as {fitting[0]}; it could also be {', '.join(fitting[1:])}: name one with --layout")
    names = [file_name(frame.name, "the name of a frame") for frame in raw.frames]
    if len(set(names)) < len(names):
        twice = sorted(name for name, count in Counter(names).items() if count > 1)
        raise UserError(f"frames must have different names, these occur twice: {', '.join(twice[:5])}")
    return replace(raw, problems=tuple(problems))
