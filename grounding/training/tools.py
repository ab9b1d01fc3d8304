"""What all parts of a run share."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from grounding.jobs.runlog import RunLog
from grounding.tasks.asking import Asking
from grounding.training.config import Config
from grounding.training.data import Skipped, Sources


@dataclass(frozen=True)
class Tools:
    """Configuration, run folder, what is asked, samples and log."""

    config: Config
    folder: Path
    asking: Asking
    sources: Sources
    log: RunLog
    skipped: Skipped
