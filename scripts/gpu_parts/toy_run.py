"""A run of `scripts/train.py` that knows the rewards of `stand_ins`: `python -m gpu_parts.toy_run key=value ...`."""

from __future__ import annotations

from grounding.cli import imports, run  # first: from here on Ctrl-C ends with one line

# isort: split
import sys

from gpu_parts import stand_ins

with imports("train"):
    from omegaconf import OmegaConf

    from grounding.commands.options import composed
    from grounding.commands.train import train
    from grounding.training.config import register


def main(options: list[str]) -> None:
    """Train what the options ask for."""
    stand_ins.enter()
    register()
    train(OmegaConf.to_object(composed(options, "")))  # type: ignore[arg-type]


if __name__ == "__main__":
    run(lambda: main(sys.argv[1:]))
