"""Find whose ID is the truth in a dataset with boxes, and the best score that its tracking allows."""

from __future__ import annotations

from grounding.cli import run  # first: from here on Ctrl-C ends with one line

# isort: split
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import tyro
from rich.console import Console
from rich.progress import track
from rich.table import Table

from grounding.core import UserError
from grounding.core.checks import printable
from grounding.core.files import check_free, write_text
from grounding.datasets.assignments import AssignmentReport, assign_rows, assign_samples
from grounding.datasets.catalog import open_dataset
from grounding.datasets.video_source import VideoSource

SHOWN = 20  # rows that are named on the terminal; the file has all

MEANING = {
    "ok": "one ID, clearly",
    "ambiguous": "one ID, but another fits nearly as well",
    "split": "several IDs, one after another",
    "unmatched": "no ID fits",
}


def main(
    root: tyro.conf.Positional[Path],
    annotations: tyro.conf.Positional[str],
    *,
    dataset: str | None = None,
    masklets: Path | None = None,
    boxes: Path | None = None,
    split: str | None = None,
    out: Path | None = None,
) -> None:
    """Assign the annotated boxes of a dataset to the IDs of its masks, and print what score the tracking allows.

    Args:
        root: Folder that videos are in; with JSON lines, masks too are relative to it.
        annotations: JSON lines as data=jsonl reads them, with "boxes"; or the file or folder of a public dataset.
        dataset: Name of the public dataset, hcstvg or vidstg.
        masklets: Of a public dataset: folder with the masks of each video, named like it.
        boxes: Of vidstg: folder with VidOR's annotations, if the masks are your own.
        split: Only rows of this split.
        out: Write every row's assignment to this file as JSON lines.
    """
    notes = Console(stderr=True)
    if out is not None:
        check_free(out)

    def progress(rows: Sequence[Any]) -> Iterable[Any]:
        return track(rows, "Assigning IDs", console=notes)

    if dataset is None:
        if masklets is not None or boxes is not None:
            raise UserError("JSON lines name their masks themselves; give --masklets and --boxes with --dataset only")
        report = assign_rows(root, annotations, split=split, progress=progress)
    else:
        if masklets is None:
            raise UserError(f"--dataset {dataset} needs --masklets, the folder with the masks of its videos")
        opened = open_dataset(dataset, Path(annotations), split=split, videos=root)
        boxes = boxes or (masklets if dataset == "vidstg" else None)
        report = assign_samples(VideoSource(opened.samples, root, masklets, boxes=boxes), opened, progress=progress)
    for problem in report.problems[:SHOWN]:
        notes.print(printable(f"cannot be read: {problem.line()}"), markup=False, highlight=False, soft_wrap=True)
    for line in doubtful(report)[:SHOWN]:
        notes.print(printable(line), markup=False, highlight=False, soft_wrap=True)
    Console().print(table(report))
    print(ceilings(report))
    if out is not None:
        write_text(out, "".join(json.dumps(row.to_json()) + "\n" for row in report.rows))
        print(printable(f"wrote {out}"))


def ceilings(report: AssignmentReport) -> str:
    """The best score that the tracking allows."""
    if report.ceiling is None:
        return f"all of the {report.given} rows that can be read name their ID: there is nothing to assign"
    merged = f"with split objects merged: {report.merged_ceiling:.3f}"
    return f"m_vIoU at most, with the right ID and time: {report.ceiling:.3f}; {merged}"


def doubtful(report: AssignmentReport) -> list[str]:
    """A line for each row that is not "ok"."""
    lines = []
    for row in report.rows:
        found = row.found
        second = "" if found.runner_up is None else f", then ID {found.runner_up} by {found.runner_up_overlap:.2f}"
        if found.verdict == "split":
            second = f", IDs {', '.join(map(str, found.parts))} together by {found.merged_overlap:.2f}"
        if found.verdict != "ok":
            best = "none overlaps" if found.best_id is None else f"ID {found.best_id} by {found.overlap:.2f}{second}"
            lines.append(f"{found.verdict}: row {row.row} ({row.id}): {best}")
    return lines


def table(report: AssignmentReport) -> Table:
    """Verdicts and how many rows have each."""
    shown = Table("verdict", "rows", "meaning", title="Whose ID is the truth")
    for verdict, count in report.counts.items():
        shown.add_row(verdict, str(count), MEANING[verdict])
    if report.given:
        shown.add_row("given", str(report.given), "the row names its ID; not in the figure below")
    if report.problems:
        shown.add_row("broken", str(len(report.problems)), "cannot be read; not in the figure below")
    return shown


if __name__ == "__main__":
    run(lambda: tyro.cli(main))
