"""The command `lift3d`: `export` masks to 3D, `view` them, `inspect` a scene, `score` predictions.

A command is a door to the whole house: this module, and no other of `lift3d` imports from rooms above it.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import tyro
from rich.console import Console
from rich.progress import track

from grounding import cli
from grounding.core import Masklets, UserError
from grounding.core.files import check_free
from grounding.core.video_probe import VideoInfo
from lift3d.export import check_formats
from lift3d.export import export as write_export
from lift3d.formats.result import Result
from lift3d.frames import Frame
from lift3d.inspect import inspect as inspect_scene
from lift3d.labels import FromMasklets, IdMapFolder, MaskSource
from lift3d.lift import Lifted, Settings, lift
from lift3d.scene import Scene
from lift3d.scenes import load, open_scene
from lift3d.scenes.text import natural
from lift3d.view import view as view_export
from lift3d.wording import by_reason

Flag = Annotated[bool, tyro.conf.FlagCreatePairsOff]


def export(
    *,
    scene: Path,
    masks: Path,
    out: Path,
    format: str = "ply,json",
    layout: str | None = None,
    labels: Path | None = None,
    untracked: Flag = False,
    surface: Literal["auto", "voxels", "tsdf"] = "auto",
    settings: Settings = Settings(),  # noqa: B008 - frozen
) -> None:
    """Lift 2D masks of an RGB-D scene to 3D instances and write them for the next tool.

    Args:
        scene: Folder of the scene; `lift3d inspect` says what is in it.
        masks: A folder of id-map PNGs named as the frames (some may be missing), or masks of all frames in any format
            that draw_ids.py reads (*.masklets.json, COCO, *.npz, ...).
        out: Folder to write, new or empty; report.json and preview.png are always in it.
        format: Any of ply, glb, npz, scannet, json and coco, joined by commas.
        layout: Of the scene, if it should not be found out.
        labels: JSON file of id -> name, or -> number of a class (for ply, npz and scannet; else 1).
        untracked: The masks' ids mean nothing from frame to frame: find out which are the same object.
        surface: What to lift onto: auto (the scene's mesh, else voxels), voxels of the depth, or a tsdf mesh of it
            (needs open3d: pip install "tubelet[lift3d]").
        settings: Thresholds of the lift.
    """
    formats = format.split(",")
    check_formats(formats)
    check_free(out, folder=True)
    named = read_labels(labels)
    opened = _with_surface(open_scene(scene, layout), surface, settings)
    lifted = lift(opened, read_masks(masks, opened), settings, _progress, untracked=untracked)
    write_export(out, Result(_name(scene), lifted, named, _progress), formats)
    _say(lifted, out)


def view(
    folder: tyro.conf.Positional[Path],
    *,
    scene: Path | None = None,
    layout: str | None = None,
    save: Path | None = None,
) -> None:
    """Show in rerun what `export` wrote: points by instance, boxes, cameras (needs pip install "tubelet[viz]").

    Args:
        folder: That `export` wrote, with ply among its formats.
        scene: Folder of the scene, for its cameras and pictures.
        layout: Of the scene, if it should not be found out.
        save: File in .rrd to write instead of opening the viewer.
    """
    view_export(folder, None if scene is None else load(scene, layout), save, _progress)
    if save is not None:
        _write(f"wrote {save}")


def inspect(scene: tyro.conf.Positional[Path], *, layout: str | None = None, json_out: Flag = False) -> None:
    """Say what is in a scene: layout, frames, bad poses, and whether depth, poses and mesh agree.

    Args:
        scene: Folder of the scene.
        layout: Of the scene, if it should not be found out.
        json_out: Print JSON.
    """
    found = inspect_scene(scene, layout)
    _write(json.dumps(found.as_json(), indent=2) if json_out else found.as_text())


def score(*, benchmark: Literal["scannet", "scannet_agnostic", "scanrefer"], predictions: Path, truth: Path) -> None:
    """Score predictions as the benchmarks do, with bootstrap 95 % intervals.

    Args:
        benchmark: scannet: AP, AP50, AP25 over its 18 classes; scannet_agnostic: the same without classes; scanrefer:
            Acc@0.25 and Acc@0.5.
        predictions: Folder of <scene>.txt, as `lift3d export --format scannet` writes it; or ScanRefer's pred.json.
        truth: Folder of <scene>.txt with label * 1000 + instance of each vertex; or ScanRefer's rows with boxes.
    """
    from grounding.evaluation.scores_out import show
    from grounding.evaluation.scoring import score_files

    show(score_files(benchmark, (predictions,), truth))


def read_masks(path: Path, scene: Scene) -> MaskSource:
    """Masks of the views, told apart by content.

    Args:
        path: A folder with a `<view's name>.png` for some view, or masks of all frames in another format.
        scene: Its views.

    Raises:
        UserError: If nothing there belongs to a view.
    """
    names = tuple(view.name for view in scene.views)
    if path.is_dir() and any((path / f"{name}.png").is_file() for name in names):
        return IdMapFolder(path, names)
    from grounding.datasets.masks import read_masklets

    every = _in_order([*names, *scene.left_out], names)
    masklets = read_masklets(path, _as_video(path, scene, len(every)))
    place = [every.index(name) for name in names]
    tracks = {i: tuple(track[p] for p in place) for i, track in masklets.tracks.items()}
    return FromMasklets(Masklets(masklets.size, masklets.fps, masklets.pts[: len(place)], tracks))


def read_labels(path: Path | None) -> dict[int, str | int]:
    """The name or class number of ids, from a JSON object.

    Raises:
        UserError: If it is something else.
    """
    if path is None:
        return {}
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"cannot read labels {path}: {error}") from error
    if not isinstance(value, dict) or not all(
        key.isascii() and key.isdigit() and type(label) in (str, int) for key, label in value.items()
    ):
        raise UserError(f'{path} must be a JSON object of id: name, as {{"1": "chair"}}, or of id: class number')
    return {int(key): label for key, label in value.items()}


def _in_order(every: list[str], usable: tuple[str, ...]) -> list[str]:
    """All frames of a scene, those left out at their places by number."""
    ordered = sorted(every, key=natural)
    if [name for name in ordered if name in set(usable)] != list(usable):
        raise UserError("some frames were left out and the names do not tell where; give id maps named as the frames")
    return ordered


def _as_video(path: Path, scene: Scene, count: int) -> VideoInfo:
    """The scene as the readers of masks want it: frames of one size, 30 a second."""
    first = scene.views[0]
    try:
        size = first.read_colour().shape[:2]
    except UserError:
        size = first.read_depth().shape[:2]
    stamps = np.arange(count, dtype=np.int64)
    return VideoInfo(path, "", (size[0], size[1]), 0, stamps / 30, stamps, stamps, count / 30)


def _with_surface(scene: Scene, surface: str, settings: Settings) -> Scene:
    if surface == "auto":
        return scene
    bare = replace(scene, points=None, faces=None, colours=None, superpoints=None)
    if surface == "voxels":
        return bare
    from lift3d.tsdf import tsdf_mesh

    return tsdf_mesh(bare, settings.voxel, _progress)


def _name(folder: Path) -> str:
    return "_".join(folder.resolve().name.split()) or "scene"


def _progress(read: Iterable[Frame], title: str) -> Iterable[Frame]:
    return track(read, title, console=Console(stderr=True))


def _say(lifted: Lifted, out: Path) -> None:
    notes = Console(stderr=True)
    for problem in [*lifted.scene.problems, *lifted.problems]:
        notes.print(f"doubtful: {problem}", markup=False, highlight=False, soft_wrap=True)
    for line in by_reason(lifted.rejected, "frame"):
        notes.print(f"not used: {line}", markup=False, highlight=False, soft_wrap=True)
    for line in by_reason(lifted.dropped, "object"):
        notes.print(f"not found: {line}", markup=False, highlight=False, soft_wrap=True)
    _write(f"wrote {out}: {len(lifted.instances)} objects from {lifted.frames} of {lifted.total} frames")


def _write(text: str) -> None:
    sys.stdout.write(f"{text}\n")


def main() -> None:
    """The command."""
    commands: dict[str, Any] = {"export": export, "view": view, "inspect": inspect, "score": score}
    cli.run(lambda: tyro.extras.subcommand_cli_from_dict(commands, description=__doc__))
