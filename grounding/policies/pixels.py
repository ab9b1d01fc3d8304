"""Video patches stay bytes until they are on the device: a quarter of the memory to send, hash and copy."""

from __future__ import annotations

from typing import Any

import torch

BYTES = {"do_rescale": False, "do_normalize": False}  # what to tell a video processor, so that patches stay uint8


def normalize_patches(patches: torch.Tensor, processor: Any) -> torch.Tensor:
    """What the video processor would have made of byte patches, to the bit.

    Holds for processors that change pixels one by one and lay a patch out channel by channel (Qwen2-VL, Qwen2.5-VL,
    Qwen3-VL): each value is rescaled and normalised by its channel alone, so the order of these steps and of cutting
    patches does not matter. The constants are fused as in transformers' `rescale_and_normalize`.

    Args:
        patches: uint8, shape (N, D), D = channels x values; patches that are floating-point already are returned.
        processor: The video processor, which says how to normalise.

    Returns:
        float32, shape (N, D), on the device of the patches.
    """
    if patches.is_floating_point():
        return patches
    scale = 1.0 / processor.rescale_factor
    mean, std = (torch.tensor(part) * scale for part in (processor.image_mean, processor.image_std))
    channels = patches.float().view(len(patches), len(mean), -1)
    for index in range(len(mean)):
        channels[:, index].sub_(mean[index].item()).div_(std[index].item())
    return channels.flatten(1)
