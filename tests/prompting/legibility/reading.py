"""Reading marks: crops of frames at the boxes where marks were drawn, and what the network makes of them."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import torch
from safetensors.torch import load_file

from legibility.crops import COLUMNS, ROWS
from legibility.network import Network

WEIGHTS = Path(__file__).parent / "reader.safetensors"
AROUND = 1.35  # height of a crop, of the mark's box
SURE = 0.5  # least probability of a reading; below it the mark counts as not read
UNREAD = 0


def load(path: Path = WEIGHTS) -> Network:
    """The trained network."""
    network = Network()
    network.load_state_dict(load_file(path))
    return network.eval()


def crop(frame: np.ndarray, box: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """What lies around a box, not quite in the middle and not quite of the same size each time.

    Args:
        frame: uint8 (H, W, 3) at the model's resolution.
        box: xyxy in its pixels.
        rng: Moves the crop by up to 6 % of its height and scales it by up to 12 %.

    Returns:
        uint8 (ROWS, COLUMNS, 3).
    """
    wide, tall = box[2] - box[0], box[3] - box[1]
    height = AROUND * max(tall, wide * ROWS / COLUMNS) * rng.uniform(0.88, 1.12)
    x, y = (box[:2] + box[2:]) / 2 + rng.uniform(-0.06, 0.06, 2) * height
    scale = height / ROWS
    back = np.array([[scale, 0, x - scale * COLUMNS / 2], [0, scale, y - scale * ROWS / 2]])
    back[:, 2] += 0.5 * scale - 0.5  # pixel middles lie at .5
    how = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(frame, back, (COLUMNS, ROWS), flags=how, borderMode=cv2.BORDER_REPLICATE)


def read(network: Network, crops: np.ndarray) -> np.ndarray:
    """The number on each crop; UNREAD where the network is not sure or sees none.

    Args:
        network: In evaluation mode.
        crops: uint8 (n, ROWS, COLUMNS, 3).
    """
    inputs = torch.from_numpy(crops).permute(0, 3, 1, 2).float() / 255
    with torch.inference_mode():
        tens, units = (logits.softmax(1) for logits in network(inputs))
    (sure_tens, ten), (sure_units, unit) = tens.max(1), units.max(1)
    sure = (sure_tens * sure_units >= SURE) & (unit < 10)
    return torch.where(sure, 10 * ten + unit, UNREAD).numpy()
