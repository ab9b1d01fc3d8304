"""Charades-STA: the official lines of text, the JSON that most training code shares, or the form of QVHighlights.

    AO8RW 0.0 6.9##a person is putting a book on a shelf.
    {"AO8RW": {"duration": 33.75, "timestamps": [[0.0, 6.9]], "sentences": ["..."]}}
    {"qid": 12404, "query": "...", "duration": 30.96, "vid": "3MSZA", "relevant_windows": [[24.3, 30.4]]}

The lines say no durations: they are taken from `Charades_v1_train.csv` and `Charades_v1_test.csv` (columns `id` and
`length`) beside the file, where these are. Seen on the official test split as JSON (562 of its 3,720 ends lie beyond
the video), Charades-CD and Charades-CG; of training, four rows are reversed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from grounding.core.checks import within
from grounding.core.errors import UserError
from grounding.core.reading import is_file
from grounding.datasets.entries import Entry, object_of, read_entries
from grounding.datasets.moments import moments, number_in, video_file
from grounding.datasets.records import Read, Record, checked_name, read_records


def read_charades(path: Path) -> Read:
    """The records of either form; ids are `<video>_<how many of its sentences came before>`."""
    if path.suffix != ".txt":
        return read_records(path, moments)
    durations, seen = _durations(path.parent), Counter[str]()

    def records(entry: Entry) -> Iterator[Record]:
        head, mark, sentence = entry.value.partition("##")
        words = head.split()
        if not mark or len(words) != 3:
            raise UserError(f"expected 'VIDEO start end##sentence', got {entry.value[:80]!r}")
        name = checked_name(words[0])
        place = seen[name]
        seen[name] += 1
        span = [number_in(words[1], "the start"), number_in(words[2], "the end")]
        yield Record(entry.row, f"{name}_{place}", video_file(name), sentence, span=span, duration=durations.get(name))

    return read_records(path, records)


def _durations(folder: Path) -> dict[str, float]:
    """Seconds of each video, as far as Charades' own tables are there."""
    found = {}
    for table in filter(is_file, (folder / f"Charades_v1_{split}.csv" for split in ("train", "test"))):
        for entry in read_entries(table):
            with within(f"{table}, row {entry.row}"):
                row = object_of(entry.value)
                if row.get("id") and row.get("length"):
                    found[row["id"]] = number_in(row["length"], "length")
    return found
