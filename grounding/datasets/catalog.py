"""All datasets by name, and the one way to open them: annotation file, folder of videos, split -> samples.

Adding a dataset is a file with a reader and a line in `DATASETS`.
"""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from grounding.core.errors import UserError
from grounding.core.reading import is_file, is_folder
from grounding.core.samples import Sample
from grounding.datasets.activitynet import read_activitynet
from grounding.datasets.charades import read_charades
from grounding.datasets.hcstvg import read_hcstvg
from grounding.datasets.mevis import mevis_masks, read_mevis
from grounding.datasets.moments import VIDEO_SUFFIXES, stem
from grounding.datasets.nextgqa import read_nextgqa
from grounding.datasets.qvhighlights import read_qvhighlights
from grounding.datasets.records import Cleaning, Finding, Read, Record, Refused, one_line, renamed, sample_of
from grounding.datasets.referit3d import read_nr3d, read_sr3d
from grounding.datasets.refytvos import read_refytvos, refytvos_masks
from grounding.datasets.rextime import read_rextime
from grounding.datasets.scanqa import read_scanqa
from grounding.datasets.scanrefer import read_scanrefer
from grounding.datasets.seedbench import read_seedbench
from grounding.datasets.sqa3d import read_sqa3d
from grounding.datasets.timelens import read_timelens
from grounding.datasets.timerft import read_timerft
from grounding.datasets.tvgbench import read_tvgbench
from grounding.datasets.videohallu import read_videohallu
from grounding.datasets.vidstg import read_vidstg
from grounding.datasets.vsibench import read_vsibench


@dataclass(frozen=True)
class Dataset:
    """How a dataset is read.

    Args:
        read: Gives the records of an annotation file.
        files: Where its files are in its folder, by split, the first that exists.
        truth: The parts of an `Answer` that its annotations have; not every row need have all.
        masks: Annotation file -> where its authors keep the masks of its objects, by video; None where it has none.
        checked: Whether the reader was run on official files; otherwise it follows a description.
        videos: Whether its samples are about video files; otherwise about scenes of ScanNet.
    """

    read: Callable[[Path], Read]
    files: tuple[str, ...]
    truth: tuple[str, ...]
    masks: Callable[[Path], Path] | None = None
    checked: bool = False
    videos: bool = True

    @property
    def parts(self) -> tuple[str, ...]:
        """The parts of an `Answer` that its files tell."""
        return (*self.truth, "region") if self.masks else self.truth


_QUESTIONS = "v1_balanced_questions_{split}_scannetv2.json"

DATASETS: dict[str, Dataset] = {
    "hcstvg": Dataset(
        read_hcstvg, ("{split}.json", "{split}_v2.json", "{split}v2.json", "{split}_proc.json"), ("interval", "tube")
    ),
    "vidstg": Dataset(
        read_vidstg, ("{split}_annotations.json", "{split}.json"), ("interval", "object_id"), checked=True
    ),
    "mevis": Dataset(read_mevis, ("{split}/meta_expressions.json",), ("object_ids",), mevis_masks),
    "refytvos": Dataset(
        read_refytvos, ("meta_expressions/{split}/meta_expressions.json",), ("object_id",), refytvos_masks
    ),
    "charades": Dataset(
        read_charades, ("charades_sta_{split}.txt", "charades_{split}.json"), ("interval",), checked=True
    ),
    "activitynet": Dataset(read_activitynet, ("{split}.json",), ("interval",), checked=True),
    "qvhighlights": Dataset(read_qvhighlights, ("highlight_{split}_release.jsonl",), ("intervals",), checked=True),
    "nextgqa": Dataset(read_nextgqa, ("{split}.csv", "{split}.json"), ("intervals", "choices"), checked=True),
    "rextime": Dataset(
        read_rextime,
        ("rextime_{split}.json", "rextime_{split}.jsonl", "rextime_{split}_release.json"),
        ("interval", "choices"),
        checked=True,
    ),
    "tvgbench": Dataset(read_tvgbench, ("tvgbench.json",), ("interval",), checked=True),
    "timelens": Dataset(read_timelens, ("{split}-timelens.json", "timelens-100k.jsonl"), ("interval",)),
    "timerft": Dataset(read_timerft, ("{split}.jsonl", "{split}.json"), ("interval",), checked=True),
    "scanrefer": Dataset(
        read_scanrefer, ("ScanRefer_filtered_{split}.json",), ("object_id",), checked=True, videos=False
    ),
    "nr3d": Dataset(read_nr3d, ("nr3d_{split}.csv", "nr3d.csv"), ("object_id",), checked=True, videos=False),
    "sr3d": Dataset(read_sr3d, ("sr3d_{split}.csv", "sr3d.csv"), ("object_id",), checked=True, videos=False),
    "sqa3d": Dataset(read_sqa3d, (_QUESTIONS, f"balanced/{_QUESTIONS}"), ("text",), checked=True, videos=False),
    "scanqa": Dataset(read_scanqa, ("ScanQA_v1.0_{split}.json",), ("text",), videos=False),
    "vsibench": Dataset(read_vsibench, ("{split}.jsonl",), ("choices", "number")),
    "seedbench": Dataset(
        read_seedbench, ("{split}.jsonl", "validation_{split}.jsonl", "training_6k.jsonl"), ("choices",)
    ),
    "videohallu": Dataset(
        read_videohallu, ("{split}.json", "{split}.jsonl"), ("text", "choices", "number"), checked=True
    ),
}


@dataclass
class Opened:
    """The samples of an annotation file, and all that was wrong with it.

    Args:
        name: Of the dataset.
        file: The annotation file.
        samples: In the order of the file.
        findings: Rows that were refused, and what was kept or mended in others.
        rows: How many annotations there were, refused ones too.
    """

    name: str
    file: Path
    samples: Sequence[Sample]
    findings: list[Finding] = field(default_factory=list)
    rows: int = 0


def open_dataset(
    name: str,
    annotations: str | Path,
    *,
    split: str | None = None,
    videos: str | Path | None = None,
    cleaning: Cleaning | None = None,
) -> Opened:
    """Read the annotations of a dataset; videos are looked for, but not opened.

    Args:
        name: A key of `DATASETS`.
        annotations: The annotation file; or the folder with the files of all splits as their authors name them.
        split: Which of them; of a file, nothing.
        videos: Folder below which the videos are, in whatever layout: they are found by name.
        cleaning: What is done with truths that cannot be right.

    Returns:
        Samples with unique ids. A video that is not found keeps the name that the annotation gives it.

    Raises:
        UserError: If the name, file or folder is none, the file cannot be read, or no row becomes a sample.
    """
    if name not in DATASETS:
        raise UserError(f"there is no dataset {name!r}; known: {', '.join(DATASETS)}")
    cleaning = cleaning or Cleaning()
    file = find_annotations(name, annotations, split)
    located = Located(videos)
    opened = Opened(name, file, [])
    samples: dict[str, Sample] = {}
    with _uncollected():
        for item in DATASETS[name].read(file):
            opened.rows += 1
            sample = item if isinstance(item, Finding) else _sample(item, cleaning, samples, opened.findings)
            if isinstance(sample, Finding):
                opened.findings.append(sample)
            else:
                samples[sample.id] = renamed(sample, located.path(sample.video))
    if not samples:
        first = f"; the first: row {opened.findings[0].row}: {opened.findings[0].message}" if opened.findings else ""
        raise UserError(f"{file}: none of {opened.rows} rows is an annotation of {name}{first}")
    opened.samples = list(samples.values())
    return opened


@contextmanager
def _uncollected() -> Iterator[None]:
    """Look for no cycles of objects: rows make none, and the search takes up to half of the time of a large file."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()


def _sample(
    record: Record, cleaning: Cleaning, samples: dict[str, Sample], findings: list[Finding]
) -> Sample | Finding:
    """The sample of a record, or why there is none."""
    try:
        sample, found = sample_of(record, cleaning)
    except Refused as error:
        return Finding(error.kind, "rejected", record.row, one_line(record.id), str(error))
    if sample.id in samples:
        message = f"the id is used by row {samples[sample.id].meta['row']} already"
        return Finding("id", "rejected", record.row, sample.id, message)
    findings.extend(found)
    return sample


def find_annotations(name: str, path: str | Path, split: str | None) -> Path:
    """The annotation file: the path itself, or that of the split in a folder.

    Raises:
        UserError: If there is none, naming where it was looked for.
    """
    path = Path(path)
    if is_file(path):
        return path
    if not is_folder(path):
        raise UserError(f"data.annotations={path} is neither a file nor a folder; mend the path")
    if split is not None and not all(part.isalnum() or part in "_-." for part in split):
        raise UserError(f"a split must be a plain name such as train or val, got {split[:80]!r}")
    named = [one for one in DATASETS[name].files if split is not None or "{split}" not in one]
    tried = [one.format(split=split) for one in named]
    found = next((path / one for one in tried if is_file(path / one)), None)
    if found is None:
        hint = f"none of {', '.join(tried)}" if tried else "name the split, or the file itself"
        raise UserError(f"no annotations of {name} in the folder {path}: {hint}")
    return found


class Located:
    """Where videos are below a folder, by name; links to elsewhere are not followed.

    Args:
        root: The folder, or None to leave every name as it is.

    Raises:
        UserError: If it is no folder.
    """

    def __init__(self, root: str | Path | None) -> None:
        self._by_name: dict[str, list[str]] = {}
        if root is None:
            return
        if not is_folder(root):
            raise UserError(f"data.root={root} is not a folder; give the folder that holds the videos")
        for folder, _, files in os.walk(root):
            for file in files:
                if file.lower().endswith(VIDEO_SUFFIXES):
                    relative = os.path.relpath(os.path.join(folder, file), root)  # noqa: PTH118
                    self._by_name.setdefault(stem(file), []).append(relative.replace(os.sep, "/"))

    def path(self, video: str) -> str:
        """The path of a video relative to the folder: the one of its name that is most alike, if it is one only."""
        found = self._by_name.get(stem(video), [])
        if video in found or not found:
            return video
        ends = [one for one in found if one.endswith("/" + video)] or found
        return ends[0] if len(ends) == 1 else video
