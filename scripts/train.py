"""Train a grounding policy: `python scripts/train.py task=stvg`.

On its own it builds the tiny policy, warms it up on the toy world, and trains it with GRPO, in minutes on two cores.

    python scripts/train.py task=stvg data=jsonl data.root=DIR data.annotations=FILE        your own videos
    python scripts/train.py task=stvg data=hcstvg data.root=DIR data.annotations=FILE data.masklets=DIR   or data=vidstg
    python scripts/train.py task=stvg model=qwen2_5_vl data=jsonl ... model.lora_rank=32    a real model, on a GPU
    python scripts/train.py experiment=stvg_r1                                              a paper's choices
    python scripts/train.py --cfg job --resolve                                             what would run
"""

from __future__ import annotations

from grounding.cli import imports, run  # first: from here on Ctrl-C ends with one line

# isort: split
import argparse
import sys
from typing import NoReturn

from grounding.core import UserError
from grounding.core.extras import needs

with imports("train"):
    from omegaconf import DictConfig, OmegaConf

    from grounding.commands.options import clear_option_errors, composed
    from grounding.experiments.experiment import expanded
    from grounding.experiments.table import EXPERIMENTS
    from grounding.jobs.processes import one_voice
    from grounding.training.config import GROUPS, register

HINT = "python scripts/train.py --cfg job lists all options"


class Parser(argparse.ArgumentParser):
    """An argument parser whose complaints are one line like all others."""

    def error(self, message: str) -> NoReturn:
        """Raise a UserError."""
        raise UserError(f"{message}; {HINT}")


def read_arguments(arguments: list[str]) -> argparse.Namespace:
    """Parse the command line; `overrides` are left as they are."""
    choices = {"experiment": EXPERIMENTS, **GROUPS}
    groups = "\n".join(f"    {name}: {', '.join(known)}" for name, known in choices.items())
    how = argparse.RawDescriptionHelpFormatter
    parser = Parser(description=__doc__, epilog=f"groups:\n{groups}", formatter_class=how, allow_abbrev=False)
    parser.add_argument("overrides", nargs="*", metavar="key=value", help="set an option, or choose one of a group")
    parser.add_argument("--cfg", "-c", choices=["job"], help="print all options instead of running")
    parser.add_argument("--resolve", action="store_true", help="with --cfg: print values in place of references")
    return parser.parse_intermixed_args(arguments)


@one_voice()
def main() -> None:
    """Read the command line, then train or show what would run."""
    arguments = read_arguments(sys.argv[1:])
    register()
    config = composed(expanded(arguments.overrides, EXPERIMENTS), HINT)
    if arguments.cfg:
        with clear_option_errors(HINT):
            print(OmegaConf.to_yaml(config, resolve=arguments.resolve), end="")
        return
    train_on(config)


def train_on(config: DictConfig) -> None:
    """Train what a composed configuration asks for."""
    with needs("train"):  # heavy; --help and --cfg stay quick
        from grounding.commands.train import train

    with clear_option_errors(HINT):
        checked = OmegaConf.to_object(config)
    train(checked)  # type: ignore[arg-type]


if __name__ == "__main__":
    run(main)
