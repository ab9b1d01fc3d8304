"""Small text files of scenes: matrices, rows of numbers, JSON, folders of numbered files; errors name the file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from grounding.core import UserError
from grounding.core.checks import LARGEST, shown, whole
from grounding.core.files import inside
from grounding.core.limits import check_pixels
from grounding.core.order import natural
from grounding.core.reading import read_json, read_text
from lift3d.scene import is_rigid


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
        raise UserError(f"{where}: expected {count} numbers, got {shown(fields)}") from error
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


def rigid_matrix(values: Any, where: str) -> np.ndarray:
    """A (4, 4) matrix that turns (perhaps mirrors) and moves, and does nothing else.

    Raises:
        UserError: As `matrix`, or if it is another matrix or not finite.
    """
    found = matrix(values, where)
    if not is_rigid(found):
        raise UserError(f"{where}: expected a rotation with a translation, got {shown(found.tolist())}")
    return found


def assignments(path: Path) -> dict[str, str]:
    """Keys and values of lines `key = value`; other lines are passed over.

    Raises:
        UserError: As `read_text`, or if a key stands twice.
    """
    found: dict[str, str] = {}
    for line in read_text(path).splitlines():
        key, equals, value = (part.strip() for part in line.partition("="))
        if equals and key in found:
            raise UserError(f"{path}: {shown(key)} stands twice; remove one of the two lines")
        if equals:
            found[key] = value
    return found


def read_object(path: Path) -> dict[str, Any]:
    """A JSON object.

    Raises:
        UserError: If the file is missing, no JSON, or not an object.
    """
    value = read_json(path)
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
        raise UserError(f"{where}: expected {key!r} to be a {kind.__name__}, got {shown(value)}")
    return float(numbers([value], 1, f"{where}, {key}")[0]) if kind is float else value


def image_size(height: Any, width: Any, where: str) -> tuple[int, int]:
    """(height, width) of an image; `48.0` is a whole number here, for many tools write it.

    Raises:
        UserError: If they are no whole numbers above 0, or too many pixels.
    """
    sides = [int(side) if isinstance(side, float) and side.is_integer() else side for side in (height, width)]
    size = whole(sides[0], f"{where}: height", 1), whole(sides[1], f"{where}: width", 1)
    check_pixels(size, where)
    return size


def positive(value: Any, where: str) -> float:
    """A finite number > 0.

    Raises:
        UserError: If it is not; `where` says what it is and where it stands.
    """
    number = optional_number(value)
    if number is None or number <= 0:
        raise UserError(f"{where} must be a number > 0, got {shown(value)}")
    return number


def optional_number(value: Any) -> float | None:
    """A finite number out of JSON, not absurdly large; None if `value` is anything else."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not abs(value) < LARGEST:
        return None
    return float(value)


def segments(path: Path) -> np.ndarray:
    """ScanNet's and ScanNet++'s `segIndices`: the segment number of each vertex, (N,) int64.

    Raises:
        UserError: If the file has no such list of whole numbers.
    """
    values = field(read_object(path), "segIndices", list, str(path))
    if not all(type(value) is int and abs(value) < 2**62 for value in values):
        raise UserError(f"{path}: expected 'segIndices' to be a list of whole numbers, one a vertex")
    return np.array(values, dtype=np.int64)


def files(root: Path, folder: str, suffixes: tuple[str, ...]) -> dict[str, Path]:
    """Files of a folder by name without ending, in natural order; numbers lose their padding (`0012` -> `12`).

    Raises:
        UserError: If one of them is a link out of `root`, or two have one name (`7.png` and `007.jpg`).
    """
    where = inside(root, folder)
    if not where.is_dir():
        return {}
    found = [path for path in where.iterdir() if path.suffix.lower() in suffixes and not path.name.startswith(".")]
    found.sort(key=lambda path: natural(path.stem))
    named: dict[str, Path] = {}
    for path in found:
        name = unpadded(path.stem)
        if name in named:
            raise UserError(f"{where} has two files for {name}: {named[name].name} and {path.name}; remove one of them")
        named[name] = inside(root, f"{folder}/{path.name}")
    return named


def existing(root: Path, relative: str) -> Path | None:
    """The path inside `root` if there is a file, or None.

    Raises:
        UserError: If it leaves `root`.
    """
    path = inside(root, relative)
    try:
        return path if path.is_file() else None
    except OSError:  # no file can have so long a name
        return None


def only(root: Path, pattern: str) -> Path | None:
    """The one file of `root` that fits a pattern, or None.

    Raises:
        UserError: If several do, or it is a link out of `root`.
    """
    found = sorted(root.glob(pattern))
    if len(found) > 1:
        raise UserError(f"{root}: expected one file {pattern}, found {len(found)}; keep those of one scene")
    return inside(root, found[0].name) if found else None


def unpadded(stem: str) -> str:
    """`0012` -> `12`; names that are no number stay."""
    return str(int(stem)) if stem.isascii() and stem.isdigit() else stem


def _is_list(value: Any) -> bool:
    return isinstance(value, list)
