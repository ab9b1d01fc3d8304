"""Loading a model and its processor with transformers, with every mistake in one line."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
import transformers

from grounding.core import UserError

DTYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}


class Loaded(NamedTuple):
    """A model in evaluation mode on its device, and its processor."""

    model: Any
    processor: Any


def place(device: str, dtype: str) -> tuple[torch.device, torch.dtype]:
    """Resolve "auto": a GPU if there is one, and bfloat16 on it; else the CPU, and float32.

    Raises:
        UserError: If the device or precision is unknown or not available.
    """
    try:
        found = torch.device(("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device)
    except RuntimeError as error:
        raise UserError(f"device must be auto, cpu, cuda or cuda:N, got {device!r}") from error
    if found.type == "cuda" and (found.index or 0) >= torch.cuda.device_count():
        raise UserError(f"device {device} is not there ({torch.cuda.device_count()} GPUs); use device cpu")
    if dtype == "auto":
        return found, torch.bfloat16 if found.type == "cuda" else torch.float32
    if dtype not in DTYPES:
        raise UserError(f"dtype must be auto, {', '.join(DTYPES)}, got {dtype!r}")
    return found, DTYPES[dtype]


def turn(device: str, worker: int) -> str:
    """The device of one of several workers: "auto" and "cuda" go round the GPUs, anything else stays."""
    count = torch.cuda.device_count()
    return f"cuda:{worker % count}" if device in ("auto", "cuda") and count else device


def load_config(name: str) -> Any:
    """A model's configuration.

    Raises:
        UserError: If it is not there, or of a kind that transformers does not know.
    """
    return _loading(name, lambda: transformers.AutoConfig.from_pretrained(name))


def load_parts(name: str, model_class: Any, device: str, dtype: str, processor: str = "AutoProcessor") -> Loaded:
    """Load weights (safetensors only: other files may run code) and processor.

    Args:
        name: Folder or name on the hub.
        model_class: What to load it as.
        device: As `place`.
        dtype: As `place`.
        processor: Class of the processor in transformers.

    Raises:
        UserError: If a part is missing or broken.
    """
    where, precision = place(device, dtype)
    model = _loading(name, lambda: model_class.from_pretrained(name, dtype=precision, use_safetensors=True))
    made = _loading(name, lambda: getattr(transformers, processor).from_pretrained(name))
    return Loaded(model.to(where).eval(), made)


def _loading(name: str, load: Callable[[], Any]) -> Any:
    try:
        return load()
    except (OSError, ValueError, KeyError, ImportError, RuntimeError) as error:  # RuntimeError: other shapes
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise UserError(f"cannot load model {name!r}: {first[:300]}") from error
