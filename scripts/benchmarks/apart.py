"""Running a piece of work in a process of its own, without torch, so that its peak memory is its own."""

from __future__ import annotations

import multiprocessing
import re
import resource
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any


def alone(call: Callable[..., dict[str, Any]], *arguments: Any) -> dict[str, Any]:
    """What a call gives in a fresh process; its module should not import torch."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(call, *arguments).result()


def peak_mb() -> float:
    """Most memory that this process has held, MB, the interpreter and the input included.

    Linux keeps the figure of `getrusage` over exec, the parent's included; VmHWM is this program's own.
    """
    status = Path("/proc/self/status")
    if status.exists():
        return float(re.search(r"VmHWM:\s+(\d+) kB", status.read_text())[1]) / 1024  # type: ignore[index]
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2
