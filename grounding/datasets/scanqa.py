"""ScanQA: questions about ScanNet scenes, with one or more answers that are right.

    [{"scene_id", "question_id": "val-scene0011-0", "question", "answers": ["brown", ...], "object_ids": [8],
      "object_names": [...]}, ...]

The truth is the first answer, or any of the others. Test splits have none. Not seen on real files.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from grounding.core.checks import shown
from grounding.core.errors import UserError
from grounding.datasets.entries import Entry, field, list_of, object_of
from grounding.datasets.fields import right_texts
from grounding.datasets.records import Read, Record, checked_name, read_records


def read_scanqa(path: Path) -> Read:
    """The records of a split; ids are the `question_id`s, videos the scenes' names."""
    return read_records(path, _records)


def _records(entry: Entry) -> Iterator[Record]:
    row = object_of(entry.value)
    answers = None if row.get("answers") is None else answered(list_of(row["answers"], "answers"))
    yield Record(
        entry.row,
        checked_name(field(row, "question_id")),
        checked_name(field(row, "scene_id")),
        field(row, "question"),
        {} if answers is None else right_texts(answers),
        meta={"object_ids": row.get("object_ids")},
    )


def answered(answers: list[Any]) -> list[str]:
    """Answers in words, at least one.

    Raises:
        UserError: If there is none, or one is no text.
    """
    if not answers or not all(isinstance(one, str) and one.strip() for one in answers):
        raise UserError(f"the answers must be one or more texts, got {shown(answers)}")
    return answers
