"""`bench.py lift`: masks to 3D against the same on open3d's calls, growth with vertices and frames, whole command."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from benchmarks.apart import alone
from benchmarks.lift_work import Work, against_open3d, made, spent
from benchmarks.measure import Bar, ratio
from PIL import Image

BARS = [
    Bar("ratio", 5.0),
    Bar("seconds", 5.0, most=True),
    Bar("peak_mb", 600.0, most=True),
    Bar("seconds_command", 40.0, most=True),
    Bar("seconds_command_voxels", 40.0, most=True),
]
COLOUR = (968, 1296)  # of ScanNet's pictures


def lift(folder: Path, work: Work, repeats: int) -> dict[str, Any]:
    """Every figure of the bench; seconds are the processor's, on one thread of OpenCV and BLAS.

    Args:
        folder: Takes the scene that the command exports.
        work: The largest work; growth is shown up to it.
        repeats: Measured turns.
    """
    os.environ["OMP_NUM_THREADS"] = "1"  # for the processes that are started
    peer = alone(against_open3d, replace(work, frames=min(work.frames, 20)), repeats)
    of_frames = {n: alone(spent, replace(work, frames=n), repeats) for n in quarters(work.frames)}
    of_vertices = {n: alone(spent, replace(work, vertices=n), repeats) for n in quarters(work.vertices)[:-1]}
    of_vertices[work.vertices] = of_frames[work.frames]
    whole = of_frames[work.frames]
    return {
        "ratio": ratio(peer["seconds"], "open3d", "ours"),
        **whole,
        **command(folder, work),
        **{f"{name}_voxels": value for name, value in command(folder, work, "--surface", "voxels").items()},
        "agree_with_open3d": peer["agree"],
        "seconds_by_frames": {str(n): one["seconds"] for n, one in of_frames.items()},
        "seconds_by_vertices": {str(n): one["seconds"] for n, one in of_vertices.items()},
        "peak_mb_by_frames": {str(n): one["peak_mb"] for n, one in of_frames.items()},
        "peak_mb_by_vertices": {str(n): one["peak_mb"] for n, one in of_vertices.items()},
    }


def summary(found: dict[str, Any]) -> dict[str, Any]:
    """The lines of the table."""
    names = ["ratio", "seconds", "seconds_wall", "peak_mb", "right", "seconds_command", "wall_command", "mb_command"]
    names += [f"{name}_voxels" for name in names[-3:]]
    lines = {name: found[name] for name in names}
    for table in ("seconds_by_frames", "seconds_by_vertices", "peak_mb_by_frames", "peak_mb_by_vertices"):
        lines[table] = ", ".join(f"{n}: {value:.3g}" for n, value in found[table].items())
    return lines


def quarters(most: int) -> list[int]:
    """A quarter, a half and all of it."""
    return [most // 4, most // 2, most]


def command(folder: Path, work: Work, *options: str) -> dict[str, Any]:
    """The whole `lift3d export` of a ScanNet folder, decoding and writing included.

    With the mesh that the folder brings it reads depth and masks; `--surface voxels` decodes the pictures, too.
    """
    scene, out = folder / "scene", folder / "_".join(["out", *options])
    if not scene.exists():
        write_scene(scene, work)
    code = "from benchmarks.apart import peak_mb; from lift3d.cli import main; main(); print(peak_mb())"
    line = [sys.executable, "-c", code, "export", "--scene", str(scene), "--masks", str(scene / "instance")]
    before, begin = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    formats = "ply,glb,npz,scannet,json"
    done = subprocess.run(
        [*line, "--out", str(out), "--format", formats, *options],
        check=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd=Path(__file__).parents[1],
    )
    wall, after = time.perf_counter() - begin, resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"seconds_command": cpu, "wall_command": wall, "mb_command": float(done.stdout.split()[-1])}


def write_scene(root: Path, work: Work) -> None:
    """The work as ScanNet's exporter lays it out; masks have the size of the pictures."""
    found = made(work)
    for name in ("depth", "color", "pose", "intrinsic", "instance"):
        (root / name).mkdir(parents=True)
    np.savetxt(
        root / "intrinsic" / "intrinsic_depth.txt",
        np.pad(found.scene.views[0].intrinsics, (0, 1)) + np.eye(4) * [0, 0, 0, 1],
    )
    rng = np.random.default_rng(0)
    for number, (view, label) in enumerate(zip(found.scene.views, found.labels, strict=True)):
        millimetres = np.rint(view.read_depth() * 1000 + rng.normal(0, 3, label.shape)).astype(np.uint16)
        Image.fromarray(millimetres).save(root / "depth" / f"{number}.png")
        larger = Image.fromarray(label.astype(np.uint8)).resize(COLOUR[::-1], Image.Resampling.NEAREST)
        larger.save(root / "instance" / f"{number}.png")
        noise = rng.integers(0, 255, (COLOUR[0] // 8, COLOUR[1] // 8, 3), np.uint8)
        Image.fromarray(noise).resize(COLOUR[::-1]).save(root / "color" / f"{number}.jpg")
        np.savetxt(root / "pose" / f"{number}.txt", view.pose)
    for number in range(len(found.labels), work.frames):
        for name, ending in (("depth", "png"), ("instance", "png"), ("color", "jpg"), ("pose", "txt")):
            first = root / name / f"{number % len(found.labels)}.{ending}"
            (root / name / f"{number}.{ending}").hardlink_to(first)
    assert found.scene.points is not None
    header = f"ply\nformat binary_little_endian 1.0\nelement vertex {len(found.scene.points)}\n"
    header += "".join(f"property float {axis}\n" for axis in "xyz") + "end_header\n"
    (root / "scene_vh_clean_2.ply").write_bytes(header.encode() + found.scene.points.astype("<f4").tobytes())
