"""The command `lift3d`: `export` masks to 3D, `view` them, `inspect` a scene, `score` predictions.

A command is a door to the whole house: this module, and no other of `lift3d`, imports from rooms above it.
"""

from __future__ import annotations

from grounding import cli  # first: from here on Ctrl-C ends with one line

# isort: split
import json
import os
import sys
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import tyro
from rich.console import Console
from rich.progress import track

from grounding.core import Masklets, UserError
from grounding.core.checks import printable
from grounding.core.files import check_free
from grounding.core.order import natural
from grounding.core.video_probe import VideoInfo
from grounding.core.video_upright import Upright
from grounding.masks.id_maps import id_map_files
from lift3d.export import check_formats
from lift3d.export import export as write_export
from lift3d.formats.result import Result, read_labels
from lift3d.frames import Frame
from lift3d.inspect import inspect as inspect_scene
from lift3d.labels import FromMasklets, IdMapFiles, MaskSource
from lift3d.lift import Lifted, lift
from lift3d.naming import by_name, left_over, refuse_other_names
from lift3d.scene import Scene
from lift3d.scenes import load, open_scene
from lift3d.settings import Settings
from lift3d.view import view as view_export
from lift3d.wording import amount, by_reason

MOST_NAME = 200  # bytes of a scene's name; endings come on top
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
    """Turn 2D masks of a posed RGB-D scene into 3D objects, and write them with their boxes.

    Args:
        scene: Folder of the scene. `lift3d inspect` says what is in it.
        masks: Folder of id-map PNGs that are named as the frames (frames without one are not used); or masks of all
            frames in another format, as draw_ids.py takes them.
        out: Folder to write; it must be new or empty. report.json and preview.png are always written.
        format: One or more of ply, glb, npz, scannet, json and coco, separated by commas.
        layout: Layout of the scene, for example scannet or tum; without it the files decide.
        labels: JSON file that gives ids a name or the number of a class, as {"1": "chair", "2": 5}.
        untracked: Say that equal ids in two frames need not be the same object. The command then finds out itself
            which masks belong together.
        surface: What carries the objects. auto: the mesh of the scene, or voxels if it has none; voxels: a cloud of
            the depth; tsdf: a mesh of the depth (needs open3d: pip install "tubelet[lift3d]").
        settings: Thresholds.
    """
    formats = format.split(",")
    check_formats(formats)
    check_free(out, folder=True)
    named = read_labels(labels)
    opened = open_scene(scene, layout, surface == "auto")
    known = opened.problems
    _doubt(known)
    opened = _with_surface(opened, surface, settings)
    source = read_masks(masks, opened)
    doubts = source.doubts if isinstance(source, IdMapFiles) else ()
    opened = replace(opened, problems=(*opened.problems, *doubts))
    _doubt(opened.problems[len(known) :])
    lifted = lift(opened, source, settings, _progress, untracked=untracked)
    write_export(out, Result(scene_name(scene), lifted, named, _progress), formats)
    _say(lifted, out)


def view(
    folder: tyro.conf.Positional[Path],
    *,
    scene: Path | None = None,
    layout: str | None = None,
    save: Path | None = None,
) -> None:
    """Show what `lift3d export` wrote: points of objects, boxes, cameras (needs rerun: pip install "tubelet[viz]").

    Args:
        folder: Folder that `lift3d export` wrote, with ply among its formats.
        scene: Folder of the scene, to show its cameras and pictures too.
        layout: Layout of the scene; without it the files decide.
        save: File in .rrd to write. Without it the viewer opens.
    """
    view_export(folder, None if scene is None else load(scene, layout, surface=False), save, _progress)
    if save is not None:
        _write(f"wrote {save}")


def inspect(scene: tyro.conf.Positional[Path], *, layout: str | None = None, json_out: Flag = False) -> None:
    """Tell what a scene holds: its layout, its frames, and whether depth, poses and mesh fit each other.

    Args:
        scene: Folder of the scene.
        layout: Layout of the scene; without it the files decide.
        json_out: Print JSON instead of text.
    """
    found = inspect_scene(scene, layout)
    _write(json.dumps(found.as_json(), indent=2) if json_out else found.as_text())


def score(*, benchmark: Literal["scannet", "scannet_agnostic", "scanrefer"], predictions: Path, truth: Path) -> None:
    """Score 3D predictions as a benchmark does, with 95 % intervals from a bootstrap.

    Args:
        benchmark: scannet gives AP, AP50 and AP25 over its 18 classes; scannet_agnostic gives them without classes;
            scanrefer gives Acc@0.25 and Acc@0.5.
        predictions: Folder of <scene>.txt, as `lift3d export --format scannet` writes it; or ScanRefer's pred.json.
        truth: Folder of <scene>.txt that holds label * 1000 + instance of each vertex; or ScanRefer's rows with boxes.
    """
    from grounding.evaluation.scores_out import show
    from grounding.evaluation.scoring import score_files

    show(score_files(benchmark, (predictions,), truth))


def read_masks(path: str | Path, scene: Scene) -> MaskSource:
    """Masks of the views, told apart by content.

    Args:
        path: A folder of PNGs named as the views (`lift3d.naming`), or masks of all frames in another format.
        scene: Its views.

    Raises:
        UserError: If nothing there belongs to a view.
    """
    names = tuple(view.name for view in scene.views)
    pictures = id_map_files(path) if os.path.isdir(path) else {}  # noqa: PTH112 -- Path.is_dir raises for long names
    if found := by_name(list(pictures), scene.views):
        files = tuple(pictures[found[n]] if n in found else None for n in range(len(names)))
        return IdMapFiles(files, left_over(list(pictures), found, list(scene.left_out), len(names)))
    from grounding.masks import read_masklets

    every = _in_order([*names, *scene.left_out], names)
    if pictures:
        refuse_other_names(list(pictures), every, scene.views)
    masklets = read_masklets(path, _as_video(Path(path), scene, len(every)))
    place = [every.index(name) for name in names]
    tracks = {i: tuple(track[p] for p in place) for i, track in masklets.tracks.items()}
    return FromMasklets(Masklets(masklets.size, masklets.fps, masklets.pts[: len(place)], tracks))


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
    return VideoInfo(path, "", (size[0], size[1]), Upright(), stamps / 30, stamps, stamps, count / 30)


def _with_surface(scene: Scene, surface: str, settings: Settings) -> Scene:
    if surface == "auto":
        return scene
    bare = replace(scene, points=None, faces=None, colours=None, superpoints=None)
    if surface == "voxels":
        return bare
    from lift3d.tsdf import tsdf_mesh

    return tsdf_mesh(bare, settings.voxel, _progress)


def scene_name(folder: Path) -> str:
    """What files are named after: the scene's folder, without what a file's name may not hold or has no room for."""
    plain = "".join(char if char.isprintable() else "_" for char in "_".join(folder.resolve().name.split()))
    return plain.encode()[:MOST_NAME].decode(errors="ignore") or "scene"


def _progress(read: Iterable[Frame], title: str) -> Iterable[Frame]:
    return track(read, title, console=Console(stderr=True))


def _say(lifted: Lifted, out: Path) -> None:
    _doubt(lifted.problems)
    _note(f"not used: {line}" for line in by_reason(lifted.rejected, "frame"))
    _note(f"not found: {line}" for line in by_reason(lifted.dropped, "object"))
    _write(f"wrote {out}: {amount(len(lifted.instances), 'object')} from {lifted.frames} of {lifted.total} frames")


def _doubt(problems: Iterable[str]) -> None:
    _note(f"doubtful: {problem}" for problem in problems)


def _note(lines: Iterable[str]) -> None:
    for line in lines:
        sys.stderr.write(f"{printable(line)}\n")


def _write(text: str) -> None:
    sys.stdout.write(f"{printable(text)}\n")


def main() -> None:
    """Run the command."""
    commands: dict[str, Any] = {"export": export, "view": view, "inspect": inspect, "score": score}
    about = "Lift 2D masks of RGB-D scenes to 3D objects; look at them, and score them."
    cli.run(lambda: tyro.extras.subcommand_cli_from_dict(commands, prog="lift3d", description=about))


if __name__ == "__main__":
    main()
