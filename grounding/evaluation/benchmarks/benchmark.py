"""What a benchmark is: how its truth and its prediction rows are read, and which figures they give."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from grounding.datasets.entries import Entry
from grounding.evaluation.bootstrap import Figure
from grounding.evaluation.entries import id_of, read_entries


@dataclass(frozen=True)
class Benchmark:
    """One row of the table.

    Args:
        truth: What `--truth` is, in one line.
        predictions: What `--predictions` is, in one line.
        truths: Reads the truth: id -> whatever `answer` and `figures` need. Dirty rows stay as the authors score
            them; a row that cannot be scored at all is a `UserError` with file and row.
        answer: Reads a prediction's row, given the truth of its id, and refuses what is wrong with a `UserError`. None
            is a row that says that there is no answer; it scores 0 and is no mistake.
        figures: Truths and answers in the same order (None: no usable answer, which scores 0) and one of `modes`.
        entries: The rows of `--predictions`.
        identify: The id of a row.
        hopeless: Whether no answer to a truth can score, so that the best file stays below 1; the user is told.
        gaps: What the truths do not tell and is scored in another way or not at all, in a line each; the user is told.
        beside: Other files and folders that are read where they lie beside the truth.
        main: The figures that a table for people shows; all of them if empty.
        modes: Ways to score, the first by default; see `--compat`.
    """

    truth: str
    predictions: str
    truths: Callable[[Path], Mapping[str, Any]]
    answer: Callable[[Any, Any], Any]
    figures: Callable[[Sequence[Any], Sequence[Any], str], dict[str, Figure]]
    entries: Callable[[Path], Iterable[Entry]] = read_entries
    identify: Callable[[Entry], str] = id_of
    hopeless: Callable[[Any], bool] = lambda truth: False
    gaps: Callable[[Sequence[Any]], Sequence[str]] = lambda truths: ()
    beside: Callable[[Path], Sequence[Path]] = lambda truth: ()
    main: tuple[str, ...] = ()
    modes: tuple[str, ...] = ("official",)
