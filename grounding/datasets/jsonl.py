"""Bring your own dataset: `data=jsonl data.root=DIR data.annotations=FILE`, one JSON object a line (see `rows`).

Opening checks every row against its video and masks, so that a mistake is known before anything is trained, and all
mistakes are known together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from grounding.core.clip import Clip
from grounding.core.errors import UserError
from grounding.core.reading import is_file, is_folder
from grounding.core.samples import Answer, LoadedSample, Sample
from grounding.datasets.cut import cut
from grounding.datasets.fields import WHICH_AND_WHEN, Needs
from grounding.datasets.media import ClipOptions, Media
from grounding.datasets.problems import Problem, collecting, settle
from grounding.datasets.rows import Row, read_rows
from grounding.datasets.truth import checked_truth, completed, placed, row_masklets, sparse


@dataclass
class JsonlSource:
    """Samples of an annotation file; a `grounding.core.Source`. Made by `open_jsonl`.

    Args:
        samples: The good rows in the order of the file, with the parts of their truths that are needed; of objects
            the ids, and the tube where the annotator drew boxes. What a row says besides is their `meta`, see
            `Row.kept`.
        skipped: The bad rows that were left out.
        file: The annotation file, as the user named it.
        media: Where videos and masklets are read.
        rows: The good rows by id.
        clips: How its clips are read.
        merge_splits: Whether ids that the boxes of a row follow one after another are made one.
        notes: Findings about rows that are used, such as boxes on few frames.
        marks: Whether IDs will be drawn; otherwise masklets and objects are not looked at, and need not be there.
    """

    samples: Sequence[Sample]
    skipped: list[Problem]
    file: str
    media: Media
    rows: dict[str, Row]
    clips: ClipOptions
    merge_splits: bool = False
    notes: list[Problem] = field(default_factory=list)
    marks: bool = True

    def load(self, sample: Sample) -> LoadedSample:
        """Read the clip and masklets of one of `samples`, and complete its truth with the tube.

        Of a row with a `frame` the clip is that frame; of one with a `segment` times and frames count from its start.

        Raises:
            UserError: Naming file and row, if the video or the masks can no longer be read.
        """
        with self._row(sample) as row:
            if self.marks:
                masklets = row_masklets(row, self.media, merge_splits=self.merge_splits)
            else:
                masklets = self.media.no_masklets(row.video)
            loaded = LoadedSample(completed(sample, masklets), self._clip(row), masklets)
            return loaded if row.segment is None else cut(loaded, row.segment)

    def version(self, sample: Sample) -> str:
        """How the row is read, and the versions of its video and masks.

        Raises:
            UserError: Naming file and row, if one of them is gone.
        """
        with self._row(sample) as row:
            masks = self.media.version(row.masklets) if self.marks else None
            followed = row.boxes if self.merge_splits else None  # decide which ids become one
            return repr((self.clips, row.frame, row.segment, self.media.version(row.video), masks, followed))

    @contextmanager
    def _row(self, sample: Sample) -> Iterator[Row]:
        """The row of a sample; file and row are named in what goes wrong in the block."""
        row = self.rows[sample.id]
        try:
            yield row
        except UserError as error:
            raise UserError(Problem(self.file, row.number, row.id, str(error)).line()) from error

    def _clip(self, row: Row) -> Clip:
        path, clips = self.media.find(row.video), self.clips
        if row.frame is not None:
            return clips.still(path, row.frame)
        if row.segment is not None:
            clips = clips.of_segment(row.segment, self.media.video(row.video).duration)
        return clips.read(path)


def open_jsonl(
    root: str | Path,
    annotations: str,
    clips: ClipOptions,
    *,
    split: str | None = None,
    merge_splits: bool = False,
    needs: Needs = WHICH_AND_WHEN,
    marks: bool = True,
    check: Callable[[Answer], object] = lambda truth: None,
    on_error: Literal["stop", "skip"] = "stop",
) -> JsonlSource:
    """Read an annotation file and check all its rows; of each video one frame is decoded at most.

    Args:
        root: Folder that `video` and `masklets` are relative to, and may not leave.
        annotations: The file, relative to `root`, or else as it stands.
        clips: How clips will be read.
        split: Keep only rows with this `split`; files of other well-formed rows are then not looked at.
        merge_splits: Where the boxes of a row follow several ids one after another (a tracker that lost the object),
            make them one when it is loaded. The truth is used for that: train with it, but do not evaluate.
        needs: The parts that truths must have, of each tuple one, see `Task.needs`; others are left out of them.
        marks: Whether IDs will be drawn, see `JsonlSource`.
        check: Raises a `UserError` for a truth that cannot be asked for.
        on_error: Whether bad rows stop or are left out and kept in `skipped`.

    Raises:
        UserError: If a folder or file is missing, no row is good, or no row belongs to the split.
        UserErrors: If rows are bad and `on_error` is "stop".
    """
    wanted, skipped = wanted_rows(root, annotations, split, needs=needs, marks=marks)
    media = Media(root)
    samples: dict[str, Sample] = {}
    good: dict[str, Row] = {}
    notes: list[Problem] = []
    for row in sorted(wanted, key=lambda row: (row.video, row.masklets)):  # each file is read once
        errors: list[str] = []
        with collecting(errors):
            found = placed(row, media)
            truth = checked_truth(found, media, marks=marks, merge_splits=merge_splits)
            check(truth)
            samples[row.id], good[row.id] = Sample(row.id, row.video, row.query, truth, found.kept), found
            if truth.tube is not None and (note := sparse(truth.tube)):
                notes.append(Problem(annotations, row.number, row.id, note))
        if errors:
            skipped.append(Problem(annotations, row.number, row.id, "; ".join(errors)))
    rows = len(samples) + len(skipped)
    settle(skipped, notes, good=len(samples), rows=rows, file=annotations, on_error=on_error)
    ordered = [samples[row.id] for row in wanted if row.id in samples]
    return JsonlSource(ordered, skipped, annotations, media, good, clips, merge_splits, notes, marks)


def wanted_rows(
    root: str | Path, annotations: str, split: str | None, *, needs: Needs = WHICH_AND_WHEN, marks: bool = True
) -> tuple[list[Row], list[Problem]]:
    """The well-formed rows of a split, and the ill-formed rows of the file.

    Args:
        root: Folder of the dataset.
        annotations: The file, relative to `root`, or else as it stands.
        split: Keep only rows with this `split`; None keeps all.
        needs: The parts that truths must have, see `read_fields`.
        marks: Whether IDs will be drawn.

    Raises:
        UserError: If a folder or file is missing, or no row belongs to the split though none is ill-formed.
    """
    rows, problems = read_rows(_find_annotations(root, annotations), annotations, needs=needs, marks=marks)
    wanted = [row for row in rows if split is None or row.split == split]
    if not wanted and not problems:
        known = ", ".join(sorted({row.split for row in rows if row.split is not None}))
        known = known or "(the file names no splits)"
        raise UserError(f"{annotations}: no row has the split {split!r}; choose one of: {known}")
    return wanted, problems


def _find_annotations(root: str | Path, annotations: str) -> Path:
    if not is_folder(root):
        raise UserError(f"data.root={root} is not a folder; give the folder that holds the videos")
    for path in (Path(root) / annotations, Path(annotations)):
        if is_file(path):
            return path
    raise UserError(f"data.annotations={annotations} is no file, neither in {root} nor as it stands; mend the path")
