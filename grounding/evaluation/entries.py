"""Rows of any prediction or truth file, as JSON lines, a JSON list or a JSON object by id; their ids and numbers.

What is wrong with one row is told with that row; what is wrong with the whole file is a `UserError`.
"""

from __future__ import annotations

import reprlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from grounding.core import UserError
from grounding.datasets.entries import Entry, field, json_entries, object_of
from grounding.datasets.records import checked_name, one_line

T = TypeVar("T")
LARGE = 1e15  # no second, pixel, metre or score comes near
MOST_WINDOWS = 1000  # of one sample
TRUE = (
    "target",
    "gt",
    "ans",
    "solution",
    "ground_truth",
    "relevant_windows",
    "correct_answer",
)  # keys of the truth in a result's row
OWN = ("prediction", "pred")  # keys of the prediction
# Words in keys beside which an `answer` or `interval` is as likely the truth: those of other truths and of model texts.
_TRUTHS = frozenset(("gt", "true", "truth", "target", "gold", "solution", "pred"))
_TEXTS = frozenset(("output", "outputs", "response", "responses", "completion", "generated", "model"))
NOTHING: tuple[Any, ...] = (None, [], [None, None], [[]], [[None, None]])  # how rows say that there is no answer


def read_entries(path: Path) -> list[Entry]:
    """All rows of a file: `.jsonl` one a line, otherwise a JSON list or object, or one a line after all.

    Raises:
        UserError: Naming the file, if it cannot be read, is not UTF-8, not JSON, or holds no rows.
    """
    lined = path.suffix == ".jsonl"
    try:
        entries = list(json_entries(path, lines=lined))
    except UserError as error:
        entries = [] if lined else list(json_entries(path, lines=True))
        if len(entries) < 2 or isinstance(entries[0].value, UserError):
            raise error
    if not entries:
        raise UserError(f"{path} holds no rows; give one JSON object a line, a JSON list, or an object by id")
    return entries


def read_truths(
    path: Path,
    parse: Callable[[Any], T],
    identify: Callable[[Entry], str] | None = None,
    entries: Iterable[Entry] | None = None,
) -> dict[str, T]:
    """The rows of an annotation file by id, in their order; all of them must be right.

    Args:
        path: The file.
        parse: Reads the value of a row.
        identify: The id of a row; `id_of` if not given.
        entries: The rows, if not those of `read_entries`.

    Raises:
        UserError: Naming file and row of the first that `parse` refuses, that is not JSON, or whose id is taken.
    """
    truths: dict[str, T] = {}
    for entry in read_entries(path) if entries is None else entries:
        sample = None if entry.key is None else one_line(entry.key)
        try:
            if isinstance(entry.value, UserError):
                raise entry.value
            sample = (identify or id_of)(entry)
            if sample in truths:
                raise UserError("the id is taken by a row before; give each row its own")
            truths[sample] = parse(entry.value)
        except UserError as error:
            raise UserError(f"{path}, row {entry.row}{f' ({sample})' if sample else ''}: {error}") from error
    return truths


def text_id(value: Any) -> str:
    """An id, as `grounding.datasets.records.checked_name` reads it.

    Raises:
        UserError: If it is none.
    """
    return checked_name(value, "an id")


def id_of(entry: Entry, names: Sequence[str] = ("id", "qid", "sample_id")) -> str:
    """The id of a row: its key in an object, or what stands under the first of the names that it has.

    Raises:
        UserError: If it has none.
    """
    if entry.key is not None:
        return text_id(entry.key)
    row = object_of(entry.value)
    for name in names:
        if name in row:
            return text_id(row[name])
    raise UserError(f'"{names[0]}" is missing; say which sample the row is about')


def predicted(row: Mapping[str, Any], *shared: str, own: Sequence[str] = ()) -> Any:
    """What a row predicts. Rows of results often hold the truth as well, and tools differ in which key is which.

    Args:
        row: The row.
        shared: Keys that truths have too, such as `interval`. They count only in rows without the truth.
        own: Keys that only predictions have. They come first, as does each of `shared` with `pred_` before it.

    Raises:
        UserError: If it has none of these keys, or none but shared ones beside the truth, or two that differ.
    """
    for name in (*(f"pred_{name}" for name in shared), *own):
        if name in row:
            return row[name]
    found = [name for name in shared if name in row]
    if not found:
        return field(row, *shared, *own)
    if (true := _truth_beside(row, shared)) is not None:
        clearer = f'"pred_{found[0]}"'
        raise UserError(f'"{found[0]}" may be the truth, for the row has "{true}" too; call the prediction {clearer}')
    for name in found[1:]:
        if row[name] != row[found[0]]:
            raise UserError(f'the row says "{found[0]}" and "{name}", which differ; call the prediction "pred_{name}"')
    return row[found[0]]


def _truth_beside(row: Mapping[str, Any], shared: Sequence[str]) -> str | None:
    """A key, none of `shared`, that shows that a row holds the truth: by its name, or as the prediction has another."""
    for name in row:
        signs = (_TRUTHS | _TEXTS).intersection(name.split("_"))
        if name not in shared and (signs or name in TRUE or f"pred_{name}" in row):
            return name
    return None


def numbers(value: Any, name: str, width: int | None = None) -> np.ndarray:
    """Finite numbers, shape (n,), or (n, width) for a list of lists.

    Raises:
        UserError: Saying what came instead.
    """
    what = f"{name} must be a list of " + (f"lists of {width} finite numbers" if width else "finite numbers")
    if not isinstance(value, list):
        raise UserError(f"{what}, got {reprlib.repr(value)}")
    if not value:
        return np.zeros((0, width) if width else 0)
    try:
        array = np.array(value)
    except ValueError as error:  # lists of different lengths
        raise UserError(f"{what}, got lists of different lengths") from error
    if array.dtype.kind not in "iuf" or array.shape[1:] != ((width,) if width else ()):
        raise UserError(f"{what}, got {reprlib.repr(value)}")
    array = array.astype(float)
    good = (np.abs(array) < LARGE).reshape(len(array), -1).all(axis=1)  # False for NaN, too
    if not good.all():
        at = int(good.argmin())
        raise UserError(f"{what}, got {reprlib.repr(value[at])} at place {at + 1}")
    return array


def gold_windows(value: Any, name: str) -> np.ndarray:
    """The true windows of one sample, shape (G, 2); all samples share an array as wide as the most that one has.

    Raises:
        UserError: As `numbers`, or if there are more than any annotator makes.
    """
    windows = numbers(value, name, 2)
    if len(windows) > MOST_WINDOWS:
        raise UserError(f"{name} must be at most {MOST_WINDOWS} windows, got {len(windows)}")
    return windows


def ordered(intervals: np.ndarray, name: str) -> np.ndarray:
    """Intervals that end no earlier than they begin, shape (n, 2 or more), given back as they are.

    Raises:
        UserError: Showing the first that is reversed.
    """
    wrong = intervals[:, 1] < intervals[:, 0]
    if wrong.any():
        start, end = intervals[int(wrong.argmax()), :2].tolist()
        raise UserError(f"{name} is reversed: it starts at {start} and ends at {end}")
    return intervals
