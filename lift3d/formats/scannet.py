"""ScanNet's 3D instance benchmark: `<scene>.txt` with a line an instance, and a mask file each, one digit a vertex.

Vertices are in the order of the scene's mesh, as the benchmark asks for. Paths are relative to `<scene>.txt`.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from lift3d.formats.result import Result


def write_scannet(folder: Path, result: Result) -> None:
    """Write `scannet/<scene>.txt` and `scannet/pred_mask/<scene>_<id>.txt`; the class of unnamed things is 1."""
    root = folder / "scannet"
    (root / "pred_mask").mkdir(parents=True)
    lines = []
    for instance in result.lifted.instances:
        name = f"pred_mask/{result.name}_{instance.id:03}.txt"
        lines.append(f"{name} {result.class_number(instance.id)} {instance.ratio:.6f}\n")
        digits = np.full((len(result.lifted.points), 2), ord("0"), np.uint8)
        digits[:, 1] = ord("\n")
        digits[instance.points, 0] = ord("1")
        (root / name).write_bytes(digits.tobytes())
    (root / f"{result.name}.txt").write_text("".join(lines), encoding="utf-8")
