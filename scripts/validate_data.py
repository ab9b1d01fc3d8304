"""Check a dataset before it is trained or scored with: every row, every video, the splits, and the gold check.

python scripts/validate_data.py data=charades data.annotations=charades_sta_test.txt data.root=videos

data=NAME                  hcstvg, vidstg, mevis, ..., or jsonl for your own
data.annotations=PATH      the annotation file, or the folder with the files of all splits
data.split=NAME            which split of that folder; of jsonl, which rows
data.root=DIR              where the videos are, in any layout
task=NAME                  of jsonl, what the rows are for: stvg (default), vtg, progress, ...
data.masklets=DIR          vidstg: VidOR's annotations, for the boxes of its sentences
data.cleaning.KIND=ACTION  keep, clamp or reject what is reversed, empty, beyond (the video), box (out of the picture)
against=NAME:PATH,...      annotations of other splits or benchmarks that no video should be in, too
out=FILE.json              where the report goes; default: validation_NAME.json
--no-videos                do not look at the videos

The exit status is 0 whatever is found: a finding is no error of the command.
"""

from __future__ import annotations

from grounding.cli import run  # first: from here on Ctrl-C ends with one line

# isort: split
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import track
from rich.table import Table

from grounding.core import Sample, UserError
from grounding.core.checks import printable
from grounding.core.files import check_free, write_json
from grounding.datasets.catalog import DATASETS, Opened, open_dataset
from grounding.datasets.gold import gold_failures
from grounding.datasets.jsonl import open_jsonl
from grounding.datasets.media import ClipOptions
from grounding.datasets.records import Cleaning, Finding
from grounding.datasets.validation import Report, validate
from grounding.datasets.video_source import masks_by_name
from grounding.datasets.vidstg import with_boxes
from grounding.evaluation.gold import metric_failures
from grounding.tasks.table import TASKS

SHOWN = 20  # findings on the terminal; the report has all
CLEANING = "data.cleaning."
OPTIONS = ("data", "data.annotations", "data.split", "data.root", "data.masklets", "task", "against", "out")


def main() -> None:
    """Parse, check, print, write."""
    arguments = sys.argv[1:]
    if not arguments or {"-h", "--help"} & set(arguments):
        print(__doc__)
        return
    options = parse([one for one in arguments if one != "--no-videos"])
    out = Path(options.get("out", f"validation_{options['data']}.json"))
    check_free(out)
    notes = Console(stderr=True)
    opened, root = opened_of(options), options.get("data.root")
    report = validate(
        opened,
        videos=Path(root) if root and "--no-videos" not in arguments and looks(options["data"]) else None,
        others=others_of(options.get("against", ""), options["data"]),
        checks=(gold_failures, metric_failures),
        progress=lambda videos: track(videos, "Looking at videos", console=notes),
    )
    for line in lines(report):
        notes.print(printable(line), markup=False, highlight=False, soft_wrap=True)
    Console().print(table(report))
    write_json(out, report.to_json())
    told = f"{report.kept} of {report.rows} rows make samples, {len(report.findings)} findings"
    print(f"wrote {printable(str(out))}: {told}")


def parse(arguments: list[str]) -> dict[str, str]:
    """`key=value` arguments.

    Raises:
        UserError: If one is none, unknown, or `data` or `data.annotations` is missing.
    """
    options = {}
    for argument in arguments:
        key, equals, value = argument.partition("=")
        if not equals or (key not in OPTIONS and not key.startswith(CLEANING)):
            known = ", ".join([*OPTIONS, CLEANING + "KIND", "--no-videos"])
            raise UserError(f"there is no option {argument!r}; known: {known}")
        options[key] = value
    for key in ("data", "data.annotations"):
        if not options.get(key):
            raise UserError(f"{key}=... is missing; see --help")
    return options


def opened_of(options: Mapping[str, str]) -> Opened:
    """The dataset that is asked for."""
    kinds = {key.removeprefix(CLEANING): action for key, action in options.items() if key.startswith(CLEANING)}
    unknown = sorted(kinds.keys() - vars(Cleaning()).keys())
    if unknown:
        raise UserError(f"there is no {CLEANING}{unknown[0]}; known kinds: {', '.join(vars(Cleaning()))}")
    name, annotations, split = options["data"], options["data.annotations"], options.get("data.split")
    root = options.get("data.root")
    if name == "jsonl":
        if kinds or options.get("data.masklets"):
            raise UserError("data=jsonl has no data.cleaning and no data.masklets: its rows are right or refused")
        return own(Path(root or "."), annotations, split, options.get("task", "stvg"))
    if "task" in options:
        raise UserError(f"task is for data=jsonl, whose rows are checked for it; leave it out for {name}")
    cleaning = Cleaning(**kinds)  # type: ignore[arg-type]
    opened = open_dataset(name, Path(annotations), split=split, videos=Path(root) if root else None, cleaning=cleaning)
    if options.get("data.masklets"):
        add_boxes(opened, Path(options["data.masklets"]))
    return opened


def own(root: Path, annotations: str, split: str | None, name: str) -> Opened:
    """Somebody's own rows; what `data=jsonl` would refuse for a task becomes findings."""
    if name not in TASKS:
        raise UserError(f"there is no task {name!r}; known: {', '.join(TASKS)}")
    task = TASKS[name]
    asked: dict[str, Any] = {"needs": task.needs, "marks": task.marks, "check": lambda truth: task.say(truth, "")}
    source = open_jsonl(root, annotations, ClipOptions(), split=split, on_error="skip", **asked)
    bad = [Finding("row", "rejected", one.row, one.sample_id, one.message) for one in source.skipped]
    few = [Finding("box", "kept", one.row, one.sample_id, one.message) for one in source.notes]
    samples = [replace(one, meta={**one.meta, "row": source.rows[one.id].number}) for one in source.samples]
    return Opened("jsonl", Path(annotations), samples, [*bad, *few], len(samples) + len(bad))


def add_boxes(opened: Opened, folder: Path) -> None:
    """Give VidSTG's samples their tubes; one whose boxes are not there stays without."""
    if opened.name != "vidstg":
        raise UserError("data.masklets is read for data=vidstg only; the other datasets have their truths in one file")
    files = masks_by_name(folder)
    samples = []
    for sample in opened.samples:
        try:
            name = Path(sample.video).stem
            if name not in files:
                raise UserError(f"no boxes of video {name} in {folder}")
            samples.append(with_boxes(sample, files[name]))
        except UserError as error:
            opened.findings.append(Finding("box", "kept", sample.meta["row"], sample.id, str(error)))
            samples.append(sample)
    opened.samples = samples


def others_of(against: str, name: str) -> dict[str, list[Sample]]:
    """The samples of `NAME:PATH,...`; without a name they are of the same dataset."""
    others = {}
    for one in filter(None, against.split(",")):
        other, colon, path = one.partition(":")
        known = bool(colon) and other in DATASETS
        others[one] = list(open_dataset(other if known else name, Path(path if known else one)).samples)
    return others


def looks(name: str) -> bool:
    """Whether the dataset is about video files at all."""
    return name == "jsonl" or DATASETS[name].videos


def lines(report: Report) -> list[str]:
    """The first findings in words."""
    worst = sorted(report.findings, key=lambda one: ("rejected", "clamped", "kept").index(one.action))
    told = [f"{one.action} ({one.kind}): row {one.row} ({one.sample_id}): {one.message}" for one in worst[:SHOWN]]
    leaks = [f"leakage: {len(shared)} videos are in {name}, too" for name, shared in report.leakage.items() if shared]
    more = len(worst) - len(told)
    return [*told, *([f"... and {more} more findings in the report"] if more else []), *leaks]


def table(report: Report) -> Table:
    """How many findings there are of each kind, and how the videos are."""
    title = f"{report.dataset}: {report.kept} of {report.rows} rows make samples"
    shown = Table("what", "rows", "amount", title=title, min_width=60)
    for (kind, action), count in sorted(report.counts.items()):
        middle, most = report.amounts(kind)
        unit = "pixels" if kind == "box" else "s"
        shown.add_row(f"{kind}, {action}", str(count), f"{middle:.2f} {unit}, at most {most:.2f}" if most else "")
    for state, count in report.videos.items():
        shown.add_row(f"videos {state}", str(count), "")
    for name, shared in report.leakage.items():
        shown.add_row(escape(printable(f"videos also in {name}")), str(len(shared)), "")
    if report.dataset in DATASETS and not DATASETS[report.dataset].checked:
        shown.caption = "this reader follows a description, it was not run on official files yet"
    return shown


if __name__ == "__main__":
    run(main)
