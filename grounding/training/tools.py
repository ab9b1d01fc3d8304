"""What all parts of a run share."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from grounding.training.config import Config
from grounding.training.runlog import RunLog
from grounding.training.skipped import Skipped
from grounding.training.sources import Sources
from prompting import IdMarker


@dataclass(frozen=True)
class Tools:
    """Configuration, run folder, marker, samples and log."""

    config: Config
    folder: Path
    marker: IdMarker
    sources: Sources
    log: RunLog
    skipped: Skipped
