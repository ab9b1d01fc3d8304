"""npz as MaskClustering writes it (`pred_masks`, `pred_score`, `pred_classes`), and the same masks as point lists.

`pred_masks` is bool (N, K) and left out where it would hold more than 2^30 values; `points` and `starts` always hold
the masks: those of instance k are `points[starts[k]:starts[k + 1]]`. `ids` are the ids of the 2D masks.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from lift3d.formats.result import Result

MOST_DENSE = 1 << 30


def write_npz(folder: Path, result: Result) -> None:
    """Write `instances.npz`, compressed."""
    instances = result.lifted.instances
    parts = [instance.points for instance in instances]
    arrays = {
        "pred_score": np.array([instance.ratio for instance in instances], np.float32),
        "pred_classes": np.array([result.class_number(instance.id) for instance in instances], np.int32),
        "ids": np.array([instance.id for instance in instances], np.int32),
        "points": np.concatenate([np.zeros(0, np.int64), *parts]),
        "starts": np.concatenate([[0], np.cumsum([len(part) for part in parts])]).astype(np.int64),
    }
    count = len(result.lifted.points)
    if count * len(parts) <= MOST_DENSE:
        arrays["pred_masks"] = np.zeros((count, len(parts)), bool)
        for column, part in enumerate(parts):
            arrays["pred_masks"][part, column] = True
    np.savez_compressed(folder / "instances.npz", allow_pickle=False, **arrays)
