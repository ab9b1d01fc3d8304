"""Train the reader, in the folder above: `python -m legibility.train --state STATE.pt --parts 7`.

It goes in parts of a minute on one core, writes its state and the weights after each, and carries on from there when
called again. The weights that lie beside it were written by one such run of seed 0 from its beginning to its end.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import torch
import tyro
from safetensors.torch import save_file
from torch.nn.functional import cross_entropy

from legibility.crops import Crops
from legibility.glyphs import FONTS
from legibility.network import Network, digits
from legibility.reading import WEIGHTS

PARTS, STEPS, BATCH = 7, 500, 256
FASTEST, SLOWEST = 4e-3, 1e-4  # learning rates
KEPT = 60  # batches that are looked at again, twice for each new one

Batch = tuple[torch.Tensor, torch.Tensor]


def main(state: Path, parts: int = 1, seed: int = 0, weights: Path = WEIGHTS) -> None:
    """Train on.

    Args:
        state: Where the state is kept between calls; made if it is not there.
        parts: How many parts to train now; training ends after 7 in all.
        seed: Of everything random.
        weights: Where to write the weights.
    """
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    network = Network().to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(network.parameters(), weight_decay=1e-3)
    done = 0
    if state.exists():
        kept = torch.load(state, weights_only=True)
        done = kept["parts"]
        network.load_state_dict(kept["network"])
        optimizer.load_state_dict(kept["optimizer"])
    for part in range(done, min(done + parts, PARTS)):
        loss = train_part(network, optimizer, part, seed)
        torch.save({"parts": part + 1, "network": network.state_dict(), "optimizer": optimizer.state_dict()}, state)
        save(network, weights)
        print(f"part {part + 1} of {PARTS}: loss {loss:.3f}", flush=True)


def train_part(network: Network, optimizer: torch.optim.Optimizer, part: int, seed: int, steps: int = STEPS) -> float:
    """One part of the training; mean loss of its last fifth."""
    torch.manual_seed(PARTS * seed + part)
    network.train()
    losses = []
    for step, (crops, numbers) in zip(range(steps), batches(Crops(FONTS, PARTS * seed + part)), strict=False):
        along = (part + step / steps) / PARTS
        for group in optimizer.param_groups:
            group["lr"] = SLOWEST + (FASTEST - SLOWEST) * (1 + math.cos(math.pi * along)) / 2
        with torch.autocast("cpu", torch.bfloat16):
            tens, units = network(recoloured(crops).contiguous(memory_format=torch.channels_last))
        ten, unit = digits(numbers)
        loss = cross_entropy(tens.float(), ten) + cross_entropy(units.float(), unit)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    last = losses[-max(1, steps // 5) :]
    return sum(last) / len(last)


def batches(crops: Crops) -> Iterator[Batch]:
    """New batches, and between them two each of those just past: drawing them takes as long as learning from them."""
    kept: list[Batch] = []
    while True:
        kept = [*kept[1 - KEPT :], crops.batch(BATCH)]
        yield kept[-1]
        for again in torch.randint(0, len(kept), (2,)).tolist():
            yield kept[again]


def recoloured(crops: torch.Tensor) -> torch.Tensor:
    """Channels in another order, and in every other batch light and dark exchanged."""
    crops = crops[:, torch.randperm(3)]
    return 1 - crops if torch.rand(()) < 0.5 else crops


def save(network: Network, path: Path) -> None:
    """Write the weights in half precision, whole or not at all."""
    state = network.state_dict()
    tensors = {name: (t.half() if t.is_floating_point() else t).contiguous() for name, t in state.items()}
    partial = path.with_suffix(".partial")
    save_file(tensors, partial)
    partial.replace(path)


if __name__ == "__main__":
    tyro.cli(main)
