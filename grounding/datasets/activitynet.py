"""ActivityNet Captions: `{"v_<id>": {"duration": 55.15, "timestamps": [[0, 4.14], ...], "sentences": [...]}}`.

The form of QVHighlights is read, too. Sentences come with spaces around them, which go. Seen on the official val_2 (111
of its 17,031 ends lie beyond the video) and train.
"""

from __future__ import annotations

from pathlib import Path

from grounding.datasets.moments import moments
from grounding.datasets.records import Read, read_records


def read_activitynet(path: Path) -> Read:
    """The records of a split; ids are `<video>_<place of the sentence, from 0>`."""
    return read_records(path, moments)
