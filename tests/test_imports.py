"""What must stay light stays light: drawing, rewards, lift and the vocabulary load no torch."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = ("torch", "torchvision", "transformers", "trl", "accelerate", "hydra")


def loaded_by(module: str) -> set[str]:
    code = f"import sys, {module}; print(*{{name.partition('.')[0] for name in sys.modules}})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    return set(done.stdout.split())


LIGHT = ["prompting", "rewards", "lift3d", "grounding", "grounding.core", "grounding.masks", "grounding.datasets.jsonl"]


@pytest.mark.parametrize("module", LIGHT)
def test_no_torch(module: str) -> None:
    names = loaded_by(module)
    assert module.partition(".")[0] in names
    assert not names & set(HEAVY)


@pytest.mark.slow
def test_the_check_sees_torch_where_it_is() -> None:
    assert "torch" in loaded_by("grounding.policies.policy")


def test_the_configuration_alone_loads_no_torch() -> None:
    assert not loaded_by("grounding.training.config") & {"torch", "transformers", "trl"}  # --help stays quick
