"""Train a grounding policy: `python scripts/train.py task=stvg`.

On its own it builds the tiny policy, warms it up on the toy world, and trains it with GRPO, in minutes on two cores.

    python scripts/train.py task=stvg data=jsonl data.root=DIR data.annotations=FILE        your own videos
    python scripts/train.py task=stvg data=hcstvg data.root=DIR data.annotations=FILE data.masklets=DIR   or data=vidstg
    python scripts/train.py task=stvg model=qwen2_5_vl data=jsonl ... model.lora_rank=32    a real model, on a GPU
    python scripts/train.py --cfg job --resolve                                             what would run
"""

from __future__ import annotations

import os

from grounding.cli import imports, run
from grounding.core import UserError
from grounding.core.extras import needs

with imports("train"):
    import hydra
    from hydra.conf import HydraConf, RunDir
    from hydra.core.config_store import ConfigStore
    from omegaconf import DictConfig, OmegaConf

    from grounding.training.config import register
    from grounding.training.options import clear_option_errors, unknown_options
    from grounding.training.processes import one_voice

HINT = "python scripts/train.py --cfg job lists all options"


def prepare() -> None:
    """Register the options; Hydra neither makes folders, nor logs, nor swallows errors: the run does all of that."""
    os.environ["HYDRA_FULL_ERROR"] = "1"
    quiet = HydraConf(run=RunDir("."), output_subdir=None)
    for entry in quiet.defaults:
        entry.update({name: "none" for name in ("job_logging", "hydra_logging") if name in entry})
    ConfigStore.instance().store(group="hydra", name="config", node=quiet, provider="hydra")
    register()


@hydra.main(version_base="1.3", config_path=None, config_name="config")
def main(config: DictConfig) -> None:
    """Hydra's entry: from the composed configuration to a run folder."""
    # A second `run`, for Hydra prints the overrides beside every exception that leaves this function.
    run(lambda: train_on(config))


@one_voice()
def train_on(config: DictConfig) -> None:
    """Train what a composed configuration asks for."""
    with needs("train"):  # heavy; --help and --cfg stay quick
        from grounding.training.run import train

    if unknown := unknown_options(config):
        raise UserError(f"there is no option {', '.join(unknown)}; {HINT}")
    with clear_option_errors(HINT):
        checked = OmegaConf.to_object(config)
    train(checked)


@one_voice()
def compose_and_train() -> None:
    """Read the command line and train."""
    with clear_option_errors(HINT):
        main()


if __name__ == "__main__":
    prepare()
    run(compose_and_train)
