"""Compute how much memory of each GPU the published models take in training; no GPU, no weights, no network.

python scripts/scale.py                                     the table of docs/scale.md
python scripts/scale.py model.freeze_vision=true            any option of a run, beside those of model=qwen2_5_vl
"""

from __future__ import annotations

from grounding.cli import imports, run  # first: from here on Ctrl-C ends with one line

# isort: split
import sys
from dataclasses import replace

from grounding.core.extras import needs

with imports("train"):
    from omegaconf import OmegaConf

    from grounding.commands.options import clear_option_errors, composed
    from grounding.training.config import Config, check, register

GPUS = 8
RANK = 32  # of adapters, if model.lora_rank is not given
HINT = "python scripts/train.py --cfg job lists all options"


def main() -> None:
    """Print a table for each published model, in Markdown."""
    if {"-h", "--help"} & set(sys.argv[1:]):
        print(__doc__)
        return
    with needs("train"):  # heavy; --help is quick
        from grounding.commands.memory import COLUMNS, DDP, FSDP2, LENGTHS, ZERO3, Forecast
        from grounding.commands.train import hush
        from grounding.policies.published import PUBLISHED, published_config

    hush()
    register()
    with clear_option_errors(HINT):
        given: Config = OmegaConf.to_object(composed(["model=qwen2_5_vl", *sys.argv[1:]], HINT))  # type: ignore[assignment]
    check(given, GPUS)
    adapters, whole = (
        replace(given, model=replace(given.model, lora_rank=rank)) for rank in (given.model.lora_rank or RANK, 0)
    )
    for name in PUBLISHED:
        print(f"\n### {name}\n\n| trained | {' | '.join(COLUMNS)} |\n|{' --- |' * (len(COLUMNS) + 1)}")
        for config, way in ((adapters, DDP), (whole, ZERO3), (whole, FSDP2), (whole, DDP)):
            rank = config.model.lora_rank
            for row in Forecast(published_config(name), config, way, GPUS).rows(LENGTHS):
                print(f"| {f'LoRA, rank {rank}' if rank else 'all'}; {way} | {' | '.join(row)} |")


if __name__ == "__main__":
    run(main)
