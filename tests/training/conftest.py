"""The tiny policy, built once, and small configurations."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from grounding.core import Masklets, rle, save_masklets, write_video
from grounding.policies.policy import Policy, load_policy
from grounding.policies.tiny import build_tiny
from grounding.tasks.asking import Asking
from grounding.tasks.stvg import STVG
from grounding.training.config import (
    Config,
    MarkerConfig,
    ModelConfig,
    ObjectiveConfig,
    TaskConfig,
    TrainerConfig,
    WarmupConfig,
)
from grounding.training.data import ToyConfig
from grounding.training.lessons import toy_corpus
from prompting import IdMarker


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tiny") / "model"
    build_tiny(folder, toy_corpus(Asking(STVG, "short", IdMarker())), seed=0)
    return folder


@pytest.fixture(scope="session")
def policy(tiny_folder: Path) -> Policy:
    """As built; no test may change it."""
    return load_policy(str(tiny_folder))


@pytest.fixture
def fresh(tiny_folder: Path) -> Callable[[], Policy]:
    """Loads the tiny policy anew, for tests that train it."""
    return lambda: load_policy(str(tiny_folder))


@pytest.fixture
def config() -> Callable[..., Config]:
    """A small run of four groups of two; `config(trainer={"prompts": 2}, ...)` changes fields."""

    def make(**changes: dict[str, Any]) -> Config:
        parts = {
            "task": TaskConfig(),
            "data": ToyConfig(eval_samples=4, fps=1.0),
            "model": ModelConfig(max_new_tokens=6),
            "objective": ObjectiveConfig(generations=2),
            "trainer": TrainerConfig(max_steps=1, prompts=4, groups_per_pass=4, eval_batch=4, report_to=[]),
            "warmup": WarmupConfig(max_steps=0),
            "marker": MarkerConfig(size=15.0),
        }
        return Config(**{name: replace(part, **changes.get(name, {})) for name, part in parts.items()})

    return make


def write_hcstvg(root: Path, **splits: list[str]) -> None:
    """HC-STVG as its authors lay it out, and masks; object 4 is asked for, on frames 2 to 4 of 10 at 10 a second."""
    masks = np.zeros((2, 32, 48), bool)
    masks[0, 4:14, 4:14] = masks[1, 20:30, 30:40] = True
    asked, other = (rle.encode(mask) for mask in masks)
    masklets = Masklets((32, 48), 10.0, np.arange(10) / 10, {4: (asked,) * 10, 6: (other,) * 10})
    row = {"bbox": [[4, 4, 10, 10]] * 3, "st_frame": 3, "st_time": 0.2, "ed_time": 0.5, "img_num": 10}
    row |= {"English": "The man runs.", "img_size": [32, 48]}
    for split, names in splits.items():
        (root / "annotations").mkdir(parents=True, exist_ok=True)
        (root / "annotations" / f"{split}_v2.json").write_text(json.dumps({f"{name}.mp4": row for name in names}))
        for name in names:
            write_video(root / "videos" / "part1" / f"{name}.mp4", [np.zeros((32, 48, 3), np.uint8)] * 10, 10.0)
            save_masklets(root / "masks" / f"{name}.masklets.json", masklets)


@pytest.fixture(scope="session")
def hcstvg(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Splits train (a, b, c) and val (d, e); of the split part the second video, gone, is not there."""
    root = tmp_path_factory.mktemp("hcstvg")
    write_hcstvg(root, train=["a", "b", "c"], val=["d", "e"], part=["f", "gone"])
    (root / "videos" / "part1" / "gone.mp4").unlink()
    return root


@pytest.fixture(autouse=True)
def no_foreign_warnings() -> None:
    warnings.filterwarnings("ignore", category=FutureWarning)
