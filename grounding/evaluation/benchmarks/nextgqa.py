"""NExT-GQA: grounded answers. `gsub_*.json` is the truth of the spans, the CSV of its split that of the answers."""

from __future__ import annotations

import re
import reprlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from grounding.core import UserError
from grounding.core.checks import within
from grounding.core.reading import is_folder
from grounding.datasets.entries import Entry, field, object_of
from grounding.datasets.entries import read_entries as rows_of
from grounding.datasets.records import one_line
from grounding.evaluation.answers import letter
from grounding.evaluation.benchmarks.benchmark import Benchmark
from grounding.evaluation.bootstrap import Figure
from grounding.evaluation.entries import NOTHING, id_of, numbers, ordered, predicted, read_entries
from grounding.evaluation.grounded_qa import nextgqa_figures
from grounding.evaluation.temporal import best_iop, best_iou, padded, union_iou

OPTIONS = tuple(f"a{number}" for number in range(5))
_SPLIT = re.compile(r"gsub_([a-z]{1,10})\.json")


@dataclass(frozen=True, eq=False)
class Truth:
    """Gold spans, shape (G, 2) in seconds, and the right option with the texts of all; None without the CSV."""

    spans: np.ndarray
    right: int | None
    options: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Prediction:
    """Spans, shape (P, 2), the first of which counts officially; the option chosen, None if none; whether one was."""

    spans: np.ndarray
    chosen: int | None
    answers: bool


def read_truth(path: Path) -> dict[str, Truth]:
    """`gsub_val.json` or `gsub_test.json`; where `val.csv` or `test.csv` lies beside it, answers are scored too.

    Raises:
        UserError: Naming file and row of the first thing that is not as NExT-GQA writes it.
    """
    (questions,) = _beside(path) or (None,)
    answers = _read_questions(questions) if questions is not None and questions.is_file() else None
    truths: dict[str, Truth] = {}
    for entry in read_entries(path):
        try:
            spans_of = object_of(field(object_of(entry.value, "a video"), "location"), "location")
            for qid, spans in spans_of.items():
                sample = f"{entry.key}_{qid}"
                if answers is not None and sample not in answers:
                    raise UserError(f"{questions} has no question {sample}; take both files from one split")
                if sample in truths:
                    raise UserError(f"the question {qid[:40]!r} stands twice; remove one of the two")
                right, options = answers[sample] if answers is not None else (None, ())
                truths[sample] = Truth(numbers(spans, "the spans", 2), right, options)
        except UserError as error:
            raise UserError(f"{path}, row {entry.row} ({one_line(entry.key or '')}): {error}") from error
    return truths


def _beside(truth: Path) -> tuple[Path, ...]:
    """The CSV of the split of a truth."""
    named = _SPLIT.fullmatch(truth.name)
    return (truth.with_name(f"{named.group(1)}.csv"),) if named else ()


def _read_questions(path: Path) -> dict[str, tuple[int, tuple[str, ...]]]:
    """The right option, written as its text or its index, and the options, by `<video>_<qid>`."""
    questions: dict[str, tuple[int, tuple[str, ...]]] = {}
    for entry in rows_of(path):
        with within(f"{path}, row {entry.row}"):
            row = object_of(entry.value)
            options = tuple(field(row, name).strip() for name in OPTIONS)
            right = _option(field(row, "answer"), options)
            if right is None:
                raise UserError(f"the answer {reprlib.repr(row['answer'])} is none of a0 to a4")
            sample = f"{field(row, 'video_id')}_{field(row, 'qid')}"
            if sample in questions:
                raise UserError(f"the question {sample} stands twice; remove one of the two")
            questions[sample] = right, options
    return questions


def _option(said: str, options: Sequence[str]) -> int | None:
    """The index of an option given as text, letter or index; None if it is none of them."""
    said = said.strip()
    if said in options:
        return options.index(said)
    if said.isascii() and said.isdigit() and len(said) < 3:
        return int(said) if int(said) < len(OPTIONS) else None
    found = letter(said)
    return "ABCDE".index(found) if found and found in "ABCDE" else None


def read_entries_of(path: Path) -> list[Entry]:
    """Rows of one file, or of a folder as the official evaluator reads it: `*_ground_*.json` and `*-res.json`.

    Raises:
        UserError: If the folder has not just one of each.
    """
    if not is_folder(path):
        return read_entries(path)
    found = [sorted(path.glob(pattern)) for pattern in ("*_ground_*.json", "*-res.json")]
    if [len(files) for files in found] != [1, 1]:
        raise UserError(f"{path} must hold one *_ground_*.json and one *-res.json, as NExT-GQA's evaluator reads them")
    said: dict[str | None, dict[str, Any]] = {}
    again = []  # second rows for a question, to be told as such
    for entry in read_entries(found[1][0]):
        answer = entry.value if isinstance(entry.value, dict) else {}
        if said.setdefault(entry.key, answer) is not answer:
            again.append(Entry(entry.row, answer, entry.key))
    spans = read_entries(found[0][0])
    return [Entry(one.row, {"span": one.value, **said.get(one.key, {})}, one.key) for one in spans] + again


def read_prediction(value: Any, truth: Truth) -> Prediction | None:
    """`[start, end]` alone, or `{"span": [start, end], "prediction": option}`; the option as index, letter or text.

    Several spans are allowed: the first counts, all of them in `mIoU_union`. null, and spans of nulls without an
    option, are no answer. An `answer` in the row is the model's copy of the truth, and is not looked at.

    Raises:
        UserError: If a span is not finite or reversed or may be the truth, or the row has neither span nor prediction.
    """
    if value in NOTHING:
        return None
    row = {"span": value} if isinstance(value, list) else object_of(value, "a prediction")
    given = {"span", "pred_span", "glue", "pred"} & row.keys()
    spans, said = predicted(row, "span", own=("glue", "pred")) if given else None, row.get("prediction")
    if not given and said is None:
        raise UserError('"span" and "prediction" are missing; give one or both')
    if spans in NOTHING and said is None:
        return None
    spans = [] if spans in NOTHING else spans
    if isinstance(spans, list) and spans and not isinstance(spans[0], list):
        spans = [spans]
    if not (said is None or isinstance(said, str) or type(said) is int):
        raise UserError(f'"prediction" must be an index, a letter or a text, got {reprlib.repr(said)}')
    chosen = None if said is None else _option(str(said), truth.options)
    return Prediction(ordered(numbers(spans, "the spans", 2), "a span"), chosen, said is not None)


def figures(truths: Sequence[Truth], answers: Sequence[Prediction | None], _mode: str) -> dict[str, Figure]:
    """See `nextgqa_figures`; answers are scored where the truth and any row have them."""
    nothing = np.zeros((0, 2))
    spans = [nothing if one is None else one.spans for one in answers]
    top = padded([one[:1].tolist() for one in spans])[:, 0]
    gold = padded([truth.spans.tolist() for truth in truths])
    unions = np.array([union_iou(mine, truth.spans) for mine, truth in zip(spans, truths, strict=True)])
    correct = None
    if truths[0].right is not None and any(one is not None and one.answers for one in answers):
        pairs = zip(truths, answers, strict=True)
        correct = np.array([one is not None and one.chosen == truth.right for truth, one in pairs])
    return nextgqa_figures(best_iop(top, gold), best_iou(top, gold), unions, correct)


def _identify(entry: Entry) -> str:
    if entry.key is None and isinstance(entry.value, Mapping) and {"video_id", "qid"} <= entry.value.keys():
        return f"{entry.value['video_id']}_{entry.value['qid']}"
    return id_of(entry)


NEXTGQA = Benchmark(
    truth="gsub_val.json or gsub_test.json, with val.csv or test.csv beside it for the answers",
    predictions='{<video>_<qid>: [start, end]} or {..: {"span": [start, end], "prediction": option}}, or a folder with '
    "*_ground_*.json and *-res.json",
    truths=read_truth,
    answer=read_prediction,
    figures=figures,
    entries=read_entries_of,
    identify=_identify,
    beside=_beside,
)
