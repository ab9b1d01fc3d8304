"""Small text files of scenes: matrices, rows of numbers, JSON, folders of numbered files; errors name the file."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from grounding.core import UserError
from grounding.core.files import inside
from grounding.core.order import natural

MAX_BYTES = 512 * 2**20  # far above any pose file or COLMAP model as text; below what would exhaust the memory


def read_text(path: Path) -> str:
    """The text of a file.

    Raises:
        UserError: If it is missing, not UTF-8, or larger than `MAX_BYTES`.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            raise UserError(f"{path} is larger than {MAX_BYTES >> 20} MiB, which no scene file should be")
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{path} should be a text file in UTF-8, but byte {error.start} is not") from error


def rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Line number (from 1) and fields of every line that is neither empty nor a comment (`#`)."""
    for number, line in enumerate(read_text(path).splitlines(), start=1):
        if line.strip() and not line.lstrip().startswith("#"):
            yield number, line.split()


def numbers(fields: Sequence[Any], count: int, where: str) -> np.ndarray:
    """`count` numbers as float64, shape (count,); `nan` and `inf` are numbers here.

    Raises:
        UserError: If there are more or fewer, or one is no number; `where` says where they stand.
    """
    try:
        values = np.array([float(field) for field in fields], dtype=np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        raise UserError(f"{where}: expected {count} numbers, got {str(fields)[:80]}") from error
    if len(values) != count:
        raise UserError(f"{where}: expected {count} numbers, got {len(values)}")
    return values


def matrix(values: Any, where: str, size: int = 4) -> np.ndarray:
    """A (size, size) matrix out of JSON or of a list of fields, row by row.

    Raises:
        UserError: If `values` is no list of that many numbers, nested or flat.
    """
    flat = [item for row in values for item in (row if isinstance(row, list) else [row])] if _is_list(values) else []
    return numbers(flat, size * size, where).reshape(size, size)


def matrix_file(path: Path, size: int = 4) -> np.ndarray:
    """A (size, size) matrix from a text file of that many numbers; commas may part them."""
    return matrix(read_text(path).replace(",", " ").split(), str(path), size)


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object.

    Raises:
        UserError: If the file is missing, no JSON, or not an object.
    """
    try:
        value = json.loads(read_text(path))
    except (json.JSONDecodeError, RecursionError) as error:
        raise UserError(f"{path} is not valid JSON: {error}") from error
    if not isinstance(value, dict):
        raise UserError(f"{path} should hold a JSON object, got {type(value).__name__}")
    return value


def field(entry: Any, key: str, kind: type, where: str) -> Any:
    """`entry[key]`, which must be of `kind` (float takes whole numbers also).

    Raises:
        UserError: If `entry` is no object, or the key is missing or of another kind.
    """
    value = entry.get(key) if isinstance(entry, dict) else None
    wanted = (int, float) if kind is float else (kind,)
    if not isinstance(value, wanted) or isinstance(value, bool):
        raise UserError(f"{where}: expected {key!r} to be a {kind.__name__}, got {str(value)[:80]!r}")
    return float(numbers([value], 1, f"{where}, {key}")[0]) if kind is float else value


def positive(value: Any, where: str) -> float:
    """A finite number > 0.

    Raises:
        UserError: If it is not; `where` says what it is and where it stands.
    """
    number = optional_number(value)
    if number is None or number <= 0:
        raise UserError(f"{where} must be a number > 0, got {str(value)[:40]!r}")
    return number


def optional_number(value: Any) -> float | None:
    """A finite number out of JSON; None if `value` is anything else."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not abs(value) < 1e300:
        return None
    return float(value)


def segments(path: Path) -> np.ndarray:
    """ScanNet's and ScanNet++'s `segIndices`: the segment number of each vertex, (N,) int64.

    Raises:
        UserError: If the file has no such list of whole numbers.
    """
    values = field(read_json(path), "segIndices", list, str(path))
    if not all(type(value) is int and abs(value) < 2**62 for value in values):
        raise UserError(f"{path}: expected 'segIndices' to be a list of whole numbers, one a vertex")
    return np.array(values, dtype=np.int64)


def files(root: Path, folder: str, suffixes: tuple[str, ...]) -> dict[str, Path]:
    """Files of a folder by name without ending, in natural order; numbers lose their padding (`0012` -> `12`).

    Raises:
        UserError: If one of them is a link out of `root`.
    """
    where = inside(root, folder)
    if not where.is_dir():
        return {}
    found = [path for path in where.iterdir() if path.suffix.lower() in suffixes and not path.name.startswith(".")]
    found.sort(key=lambda path: natural(path.stem))
    return {unpadded(path.stem): inside(root, f"{folder}/{path.name}") for path in found}


def unpadded(stem: str) -> str:
    """`0012` -> `12`; names that are no number stay."""
    return str(int(stem)) if stem.isascii() and stem.isdigit() else stem


def _is_list(value: Any) -> bool:
    return isinstance(value, list)
