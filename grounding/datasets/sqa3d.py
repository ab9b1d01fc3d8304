"""SQA3D: questions of somebody who stands somewhere in a ScanNet scene.

    v1_balanced_questions_<split>_scannetv2.json        {"questions": [{"scene_id", "situation", "question",
                                                         "alternative_situation": [...], "question_id"}, ...]}
    v1_balanced_sqa_annotations_<split>_scannetv2.json  {"annotations": [{"question_id", "answers": [{"answer"}, ...],
                                                         "position", "rotation"}, ...]}, looked for beside it

Seen on both official files of the test split.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from grounding.core.checks import within
from grounding.core.errors import UserError
from grounding.core.reading import is_file
from grounding.datasets.entries import field, list_of, object_of, read_member
from grounding.datasets.fields import read_words, right_texts
from grounding.datasets.records import Finding, Read, Record, checked_name
from grounding.datasets.scanqa import answered


def read_sqa3d(path: Path) -> Read:
    """The records of a file of questions; ids are the `question_id`s, videos the scenes' names."""
    known = _answers(path.with_name(path.name.replace("_questions_", "_sqa_annotations_")), path)
    for place, value in enumerate(list_of(read_member(path, "questions"), "questions"), 1):
        try:
            row = object_of(value)
            name = checked_name(field(row, "question_id"))
            answers = known.get(name)
            yield Record(
                place,
                name,
                checked_name(field(row, "scene_id")),
                field(row, "question"),
                {} if answers is None else right_texts(answers),
                meta={"situation": read_words("situation", field(row, "situation"))},
            )
        except UserError as error:
            yield Finding("row", "rejected", place, None, str(error))


def _answers(path: Path, questions: Path) -> dict[str, list[str]]:
    """The answers by question; none where the file is not there, as for a challenge's test split."""
    if path == questions or not is_file(path):
        return {}
    found = {}
    for place, value in enumerate(list_of(read_member(path, "annotations"), "annotations"), 1):
        with within(f"{path}, row {place}"):
            row = object_of(value)
            found[checked_name(field(row, "question_id"))] = answered(_texts(field(row, "answers")))
    return found


def _texts(answers: Any) -> list[Any]:
    return [field(object_of(one), "answer") for one in list_of(answers, "answers")]
