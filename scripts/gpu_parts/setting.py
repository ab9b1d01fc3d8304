"""What the figures of `gpu_check.py` depend on besides the code."""

from __future__ import annotations

import os
import time
from importlib.metadata import PackageNotFoundError, version
from typing import Any

PACKAGES = ("torch", "transformers", "trl", "accelerate", "peft", "prefix_grouper")


def setting(tiny: bool) -> dict[str, Any]:
    """Device, card, versions and date; a package that is not installed is None."""
    import torch  # here: this is called in a process of its own, which gives the GPU back

    gpu = torch.cuda.is_available()
    return {
        "device": "cuda" if gpu else "cpu",
        "card": torch.cuda.get_device_name() if gpu else None,
        "tiny": tiny,
        "date": time.strftime("%Y-%m-%d %H:%M"),
        "cores": os.cpu_count(),
        **{name: _version(name) for name in PACKAGES},
    }


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
