"""Whose ID is the truth, over a dataset: how many objects the tracking found, and what score it allows at best.

The first figures to look at: no model that answers with one ID can come above the ceiling.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, get_args

import numpy as np

from grounding.core.errors import UserError
from grounding.core.intervals import Interval
from grounding.core.masklets import Masklets
from grounding.core.samples import Sample
from grounding.core.tubes import Tube
from grounding.datasets.catalog import Opened
from grounding.datasets.jsonl import wanted_rows
from grounding.datasets.media import Media
from grounding.datasets.problems import Problem, collecting
from grounding.datasets.rows import Row
from grounding.datasets.truth import assigned, checked_masklets, drawn_tube
from grounding.datasets.video_source import VideoSource, rejected
from prompting.assign import Assignment, Verdict, assign, merged

VERDICTS: tuple[Verdict, ...] = get_args(Verdict)


@dataclass(frozen=True)
class RowAssignment:
    """What became of one row with boxes.

    Args:
        id: Of the row.
        row: Its number in the file, from 1.
        found: The assignment of its boxes.
        ceiling: Highest vIoU that any single ID with the true interval reaches, in [0, 1].
        merged_ceiling: The same after the proposed merge, in [0, 1].
    """

    id: str
    row: int
    found: Assignment
    ceiling: float
    merged_ceiling: float

    def to_json(self) -> dict[str, Any]:
        """One object for a JSON file."""
        found = self.found
        return {
            "id": self.id,
            "row": self.row,
            "verdict": found.verdict,
            "object_id": found.object_id,
            "best_id": found.best_id,
            "overlap": found.overlap,
            "votes": found.votes,
            "runner_up": found.runner_up,
            "runner_up_overlap": found.runner_up_overlap,
            "parts": list(found.parts),
            "merged_overlap": found.merged_overlap,
            "ceiling": self.ceiling,
            "merged_ceiling": self.merged_ceiling,
        }


@dataclass(frozen=True)
class AssignmentReport:
    """The assignments of a dataset.

    Args:
        rows: Every row with boxes that could be read, in the order of the file.
        given: Number of rows that name their object themselves.
        problems: The rows that could not be read.
    """

    rows: Sequence[RowAssignment]
    given: int
    problems: Sequence[Problem]

    @property
    def counts(self) -> dict[Verdict, int]:
        """How many rows have each verdict."""
        counted = Counter(row.found.verdict for row in self.rows)
        return {verdict: counted[verdict] for verdict in VERDICTS}

    @property
    def ceiling(self) -> float | None:
        """Mean over all rows with boxes, the unmatched ones included: no answer with one ID has a higher m_vIoU.

        None where all rows name their ID.
        """
        return float(np.mean([row.ceiling for row in self.rows])) if self.rows else None

    @property
    def merged_ceiling(self) -> float | None:
        """The same if the parts of split objects were one."""
        return float(np.mean([row.merged_ceiling for row in self.rows])) if self.rows else None


def assign_rows(
    root: Path,
    annotations: str,
    *,
    split: str | None = None,
    progress: Callable[[Sequence[Row]], Iterable[Row]] = iter,
) -> AssignmentReport:
    """Assign the boxes of every row of an annotation file to the masklets of its video.

    Args:
        root: Folder that `video` and `masklets` are relative to, and may not leave.
        annotations: The file, relative to `root`, or else as it stands.
        split: Keep only rows with this `split`.
        progress: Wraps the rows on their way, to show how far the work is.

    Raises:
        UserError: If a folder or the file is missing, or no row can be read that has boxes or names its object.
    """
    rows, problems = wanted_rows(root, annotations, split)
    media, found = Media(root), list[RowAssignment]()
    boxed = sorted((row for row in rows if row.boxes), key=lambda row: (row.video, row.masklets))  # each read once
    for row in progress(boxed):
        errors: list[str] = []
        with collecting(errors):
            masklets = checked_masklets(row, media)
            which = assigned(row.boxes, masklets)  # by all boxes, the score by those within the interval
            tube = drawn_tube(row, masklets)
            assert row.truth.interval is not None  # it was read for one
            found.append(_row(row.id, row.number, which, tube, row.truth.interval, masklets))
        if errors:
            problems.append(Problem(annotations, row.number, row.id, "; ".join(errors)))
    return _report(annotations, len(rows), found, len(rows) - len(boxed), problems)


def assign_samples(
    source: VideoSource, opened: Opened, *, progress: Callable[[Sequence[Sample]], Iterable[Sample]] = iter
) -> AssignmentReport:
    """Assign the tube of every sample of a public dataset to the masklets of its video.

    Args:
        source: The samples, with the folder of their masklets.
        opened: The annotations that they come from.
        progress: Wraps the samples on their way, to show how far the work is.

    Raises:
        UserError: If no sample can be read that has a tube or names its object.
    """
    problems, found, given = rejected(opened), list[RowAssignment](), 0
    masklets_of = lru_cache(maxsize=1)(source.masklets_of)
    for sample in progress(sorted(source.samples, key=lambda sample: sample.video)):  # so masks are read once
        errors: list[str] = []
        with collecting(errors):
            truth = source.annotated(sample).truth
            if truth.object_id is not None:
                given += 1
                continue
            if truth.tube is None or truth.interval is None:
                raise UserError("the row does not say when and where its object is; take a split whose truth is public")
            masklets = masklets_of(sample.video)
            which = assign([truth.tube], masklets)[0]
            found.append(_row(sample.id, sample.meta["row"], which, truth.tube, truth.interval, masklets))
        if errors:
            problems.append(Problem(str(opened.file), sample.meta["row"], sample.id, "; ".join(errors)))
    return _report(str(opened.file), opened.rows, found, given, problems)


def _row(name: str, row: int, found: Assignment, tube: Tube, interval: Interval, masklets: Masklets) -> RowAssignment:
    """A row whose object goes along a tube in an interval, and was found to be this."""

    def best(of: Masklets) -> float:
        return max((of.tube(i, interval).viou(tube) for i in of.ids), default=0.0)

    ceiling = best(masklets)
    together = best(merged(masklets, found.parts)) if found.verdict == "split" else ceiling
    return RowAssignment(name, row, found, ceiling, max(ceiling, together))


def _report(file: str, rows: int, found: list[RowAssignment], given: int, problems: list[Problem]) -> AssignmentReport:
    problems.sort(key=lambda problem: problem.row)
    if not found and not given:
        first = f"; the first problem: {problems[0].line()}" if problems else ""
        raise UserError(f"{file}: no row has boxes that could be assigned, of {rows} rows{first}")
    found.sort(key=lambda entry: entry.row)
    return AssignmentReport(found, given, problems)
