"""What `bench.py datasets` runs in a process of its own: one annotation file, opened."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from benchmarks.apart import peak_mb

from grounding.datasets.catalog import open_dataset


def loaded(name: str, path: Path) -> dict[str, Any]:
    """Processor seconds and peak memory (MB) of opening a file, and how many samples and findings it gave."""
    begin = time.process_time()
    opened = open_dataset(name, path)
    seconds = time.process_time() - begin
    return {
        "seconds": seconds,
        "peak_mb": peak_mb(),
        "samples": len(opened.samples),
        "findings": len(opened.findings),
    }
