"""VideoHallu: free questions about generated videos; and its training rows, in the form of Video-R1.

    [{"RowID": 1, "Model": "Kling", "video_path": "...", "Prompt": "...", "Question": "...", "Answer": "...",
      "Categorization-1": "physics", "Categorization-2": "..."}, ...]
    [{"problem_id": 1, "problem": "...", "problem_type": "free-form", "data_type": "video", "options": [],
      "path": "./....mp4", "solution": "<answer>...</answer>"}, ...]

or as a table or lines. The numbers name a row of videos, not a question: our ids are the number for its first question
and `<number>_1`, `<number>_2`, ... for the others. Names of generators are written in one way (Kling and KLing are
one). Seen on the official files (benchmark as table and lines, both training splits): 424 of the 1,000 rows of
PhysBench have a null question, and all training videos are videos of the benchmark, so split by video.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from grounding.core.checks import shown
from grounding.core.errors import UserError
from grounding.datasets.entries import Entry, field, object_of
from grounding.datasets.moments import number_in
from grounding.datasets.options import lettered, options_of
from grounding.datasets.records import Read, Record, checked_name, read_records

_TAGS = "<answer>", "</answer>"


def read_videohallu(path: Path) -> Read:
    """The records of the benchmark or of training; ids are `RowID` or `problem_id`, see above."""
    seen = Counter[str]()

    def records(entry: Entry) -> Iterator[Record]:
        row = object_of(entry.value)
        number = checked_name(field(row, "RowID", "problem_id"))
        name = f"{number}_{seen[number]}" if seen[number] else number
        seen[number] += 1
        yield (_training if "problem" in row else _bench)(entry.row, name, row)

    return read_records(path, records)


def _bench(place: int, name: str, row: dict[str, Any]) -> Record:
    return Record(
        place,
        name,
        _video(field(row, "video_path")),
        field(row, "Question"),
        {"text": _text(field(row, "Answer"))},
        meta={"generator": str(row.get("Model")).lower(), "type": row.get("Categorization-1")},
    )


def _training(place: int, name: str, row: dict[str, Any]) -> Record:
    said = _text(field(row, "solution"))
    if said.startswith(_TAGS[0]) and said.endswith(_TAGS[1]):
        said = said.removeprefix(_TAGS[0]).removesuffix(_TAGS[1]).strip()
    kind, options = row.get("problem_type"), options_of(row.get("options") or [])
    truth: dict[str, Any] = {"text": said}
    if kind == "multiple choice":
        truth = lettered(said, len(options))
    elif kind in ("numerical", "regression"):
        truth = {"number": number_in(said, "solution")}
    shown = {"options": options} if options else {}
    return Record(place, name, _video(field(row, "path")), row["problem"], truth, meta={"type": kind, **shown})


def _video(said: Any) -> str:
    path = PurePosixPath(checked_name(said))
    return path.name if path.is_absolute() else str(path)


def _text(said: Any) -> str:
    if isinstance(said, str) and said.strip():
        return said.strip()
    raise UserError(f"the answer must be a text that is not empty, got {shown(said)}")
