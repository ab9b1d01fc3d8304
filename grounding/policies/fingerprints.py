"""Hashes of weights and tensors: equal ones compute the same."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import torch
import transformers


def fingerprint(model: torch.nn.Module, processor: Any) -> str:
    """A hash of a model (weights, configuration, code version) and of the settings of its processor."""
    config = getattr(model, "config", None)
    settings = config.to_dict() if config is not None else {}
    settings.pop("_name_or_path", None)  # a copy in another folder computes the same
    about = {
        "tower": type(model).__qualname__,
        "transformers": transformers.__version__,
        "config": settings,
        "attention": getattr(config, "_attn_implementation", None),
        "processor": processor.to_dict(),
    }
    return digest(json.dumps(about, sort_keys=True, default=str).encode(), model.state_dict()).hex()


def digest(seed: bytes, tensors: dict[str, torch.Tensor]) -> bytes:
    """SHA-256 of a seed and of names, types, shapes and values; each part is told from the next by its length."""
    made = hashlib.sha256(len(seed).to_bytes(8, "big") + seed)
    for name, value in sorted(tensors.items()):
        head = json.dumps([name, str(value.dtype), list(value.shape)]).encode()
        made.update(len(head).to_bytes(8, "big") + head)
        made.update(_bytes(value))
    return made.digest()


def _bytes(value: torch.Tensor) -> memoryview:
    return value.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().data
