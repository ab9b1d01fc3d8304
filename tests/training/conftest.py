"""The tiny policy, built once, and small configurations."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

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


@pytest.fixture(autouse=True)
def no_foreign_warnings() -> None:
    warnings.filterwarnings("ignore", category=FutureWarning)
