"""Opened samples as a `grounding.core.Source`: the clip, the masklets and the whole truth of each, read on demand."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Literal

import numpy as np

from grounding.core.checks import within
from grounding.core.clip import Clip
from grounding.core.errors import UserError
from grounding.core.intervals import Interval, frames_within
from grounding.core.masklets import Masklets
from grounding.core.reading import file_version, is_folder
from grounding.core.samples import Answer, LoadedSample, Sample
from grounding.datasets.catalog import Opened
from grounding.datasets.cut import cut, timed, when, within_video
from grounding.datasets.media import ClipOptions, Media
from grounding.datasets.moments import stem
from grounding.datasets.problems import Problem, collecting, settle
from grounding.datasets.records import Action
from grounding.datasets.tracked import nearest_ids
from grounding.datasets.truth import check_seen, completed, sparse
from grounding.datasets.vidstg import with_boxes
from grounding.masks import read_masklets
from grounding.masks.mevis import MASKS
from prompting.assign import assign, merged

Progress = Callable[[Iterable[Sample]], Iterable[Sample]]

_ENDINGS = (".masklets.json", ".json", ".npz", ".txt")  # or a folder of id maps, without one


@dataclass
class VideoSource:
    """Samples of `open_dataset` with their videos; a `grounding.core.Source`.

    A sample whose `meta["segment"]` names a part of its video, as VidSTG's do, has that part for its video: all times
    and frames count from its first frame.

    Args:
        samples: What to load.
        videos: The folder that their videos are in.
        masklets: The folder with the masks of each video, named like it; or that of a MeViS split. None gives samples
            without objects, for tasks that only ask when or what.
        clips: How their clips are read.
        boxes: VidSTG only: the folder with VidOR's annotations, which give the samples their tubes. If it is not that
            of the masklets, these have ids of their own, and the one that fits the tube is taken.
        true_masks: Where the masks of the truth are, if `masklets` are a tracker's: then those of its IDs are true that
            together fit them best.
        merge_splits: Whether ids that a tube follows one after another are made one. The truth is used for that: train
            with it, but do not evaluate.
        beyond: What is done with a truth that reaches past the end of the video file, see `records.Cleaning`.
        skipped: The rows that `usable` left out.
        notes: Findings about rows that are used, such as boxes on few frames.
    """

    samples: Sequence[Sample]
    videos: str | Path
    masklets: str | Path | None = None
    clips: ClipOptions = field(default_factory=ClipOptions)
    boxes: str | Path | None = None
    true_masks: str | Path | None = None
    merge_splits: bool = False
    beyond: Action = "clamp"
    skipped: list[Problem] = field(default_factory=list)
    notes: list[Problem] = field(default_factory=list)
    _media: Media = field(init=False, repr=False)
    _masks: dict[str, Path] = field(init=False, repr=False)
    _boxes: dict[str, Path] = field(init=False, repr=False)
    _true_masks: dict[str, Path] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._media = Media(self.videos)
        self._masks = {} if self.masklets is None else masks_by_name(self.masklets)
        self._boxes = {} if self.boxes is None else masks_by_name(self.boxes)
        self._true_masks = {} if self.true_masks is None else masks_by_name(self.true_masks)

    def load(self, sample: Sample) -> LoadedSample:
        """Read the clip and masklets of a sample and complete its truth: the id of its tube, or the tube of its id.

        Raises:
            UserError: Naming the sample, if its video or masks cannot be read, or no mask fits its tube.
        """
        with within(f"sample {sample.id}"):
            whole, masklets = self.whole(sample, self.masklets_of(sample.video))
            loaded = LoadedSample(whole, self._clip(sample), masklets)
            return cut(loaded, Interval(*sample.meta["segment"])) if "segment" in sample.meta else loaded

    def version(self, sample: Sample) -> str:
        """How the sample is read, and the versions of its video and masks.

        Raises:
            UserError: Naming the sample, if one of them is gone.
        """
        tube = sample.truth.tube if self.merge_splits else None  # decides which ids become one
        followed = tube and (tube.start_frame, tube.boxes.tolist())
        folders = ((self.masklets, self._masks), (self.boxes, self._boxes), (self.true_masks, self._true_masks))
        given = [(folder, found) for folder, found in folders if folder is not None]
        with within(f"sample {sample.id}"):
            masks = [file_version(_masks_file(sample.video, folder, found)) for folder, found in given]
            video = self._media.version(sample.video)
        return repr((self.clips, sample.meta.get("segment"), self.beyond, followed, video, masks))

    def masklets_of(self, video: str) -> Masklets:
        """The masklets of a video; without a folder of masks there are no objects.

        Raises:
            UserError: If video or masks are not there, or cannot be read.
        """
        if self.masklets is None:
            return self._media.no_masklets(video)
        return self._masks_of(video, self.masklets, self._masks)

    def _masks_of(self, video: str, folder: str | Path, found: Mapping[str, Path]) -> Masklets:
        """The masks of a video in a folder in which some were found by name."""
        info = self._media.video(video)
        return read_masklets(_masks_file(video, folder, found), info)

    def has_video(self, video: str) -> bool:
        """Whether a video is there; it may be none that can be read."""
        try:
            return self._media.find(video).exists()
        except UserError:
            return False

    def annotated(self, sample: Sample) -> Sample:
        """The sample with all that its annotators say of its truth, within the video file; masks are not looked at.

        Where they drew boxes frame by frame, the file tells when these frames are shown.

        Raises:
            UserError: If the truth does not fit the video, or VidOR's boxes are missing.
        """
        video = self._media.video(sample.video)
        if "segment" in sample.meta:
            segment = Interval(*sample.meta["segment"])
            if not frames_within(segment, video.pts, video.fps):
                raise UserError(f"the video, {video.duration:g} s long, has no frame {when(segment)}, its segment")
        if self.boxes is not None:
            sample = self._boxed(sample)
        return replace(sample, truth=within_video(timed(sample.truth, video), video, self.beyond))

    def whole(self, sample: Sample, masklets: Masklets) -> tuple[Sample, Masklets]:
        """The sample with its truth completed, and the masklets with split objects merged, if they are to be.

        Raises:
            UserError: If the truth does not fit video and masks.
        """
        sample = self.annotated(sample)
        if self.true_masks is not None and (ids := sample.truth.ids) is not None:
            true = self._masks_of(sample.video, self.true_masks, self._true_masks)
            check_seen(ids, true)
            region = true.region(ids)
            return replace(sample, truth=Answer(object_ids=nearest_ids(region, masklets), region=region)), masklets
        tube = sample.truth.tube
        if self.merge_splits and tube is not None and sample.truth.object_id is None:
            parts = assign([tube], masklets)[0].parts
            masklets = merged(masklets, parts) if len(parts) > 1 else masklets
        return completed(sample, masklets), masklets

    def _boxed(self, sample: Sample) -> Sample:
        """A sample of VidSTG with its tube; its id is VidOR's, which only VidOR's own boxes have."""
        name = f"{stem(sample.video)}.json"
        path = self._boxes.get(stem(sample.video))
        if path is None or path.name != name:
            hint = "with masks of your own in data.masklets, give VidOR's annotations as data.boxes"
            raise UserError(f"no {name} of VidOR in {self.boxes}; add it, or, {hint}")
        boxed = with_boxes(sample, path)
        return boxed if self._boxes == self._masks else replace(boxed, truth=replace(boxed.truth, object_id=None))

    def _clip(self, sample: Sample) -> Clip:
        """The sampled frames; where only a segment will be seen, those outside of it do not count as the most."""
        clips = self.clips
        if "segment" in sample.meta:
            segment, video = Interval(*sample.meta["segment"]), self._media.video(sample.video)
            clips = clips.of_segment(segment, video.duration)
        return clips.read(self._media.find(sample.video))


def usable(
    source: VideoSource,
    opened: Opened,
    check: Callable[[Sample], None],
    on_error: Literal["stop", "skip"] = "stop",
    progress: Progress = iter,
    enough: int | None = None,
) -> VideoSource:
    """The source with the samples that can be used: truth, video and masks, if any, are there and fit each other.

    Args:
        source: With samples of `opened`.
        opened: The annotations; a row that was rejected when they were read is bad, too.
        check: Refuses a sample that cannot be asked about, see `Task.check`.
        on_error: Whether bad rows stop or are left out and kept in `skipped`.
        progress: Wraps the samples on their way, to show how far it is.
        enough: As many good samples are looked for, from the first on, and no more are checked; None checks all.

    Raises:
        UserError: If no row is good, says its truth, or has its video in the folder of the videos.
        UserErrors: If rows are bad and `on_error` is "stop".
    """
    file, problems = str(opened.file), rejected(opened)
    _check_any(source, file)
    notes, good = list[Problem](), set[str]()
    masklets_of = lru_cache(maxsize=1)(source.masklets_of)
    for sample in progress(_by_video(source.samples) if enough is None else _until(enough, good, source.samples)):
        errors: list[str] = []
        with collecting(errors):
            whole, masklets = source.whole(sample, masklets_of(sample.video))
            check(whole)
            if source.masklets is not None:
                _check_seen(whole.truth, masklets)
            good.add(sample.id)
            annotated = sample.truth.tube is not None or source.boxes is not None  # other tubes are those of the masks
            if annotated and whole.truth.tube is not None and (note := sparse(whole.truth.tube)):
                notes.append(Problem(file, sample.meta["row"], sample.id, note))
        if errors:
            problems.append(Problem(file, sample.meta["row"], sample.id, "; ".join(errors)))
    settle(problems, notes, good=len(good), rows=opened.rows, file=file, on_error=on_error)
    samples = [sample for sample in source.samples if sample.id in good]
    return replace(source, samples=samples, skipped=problems, notes=notes)


def _check_any(source: VideoSource, file: str) -> None:
    """What is wrong with all rows is a mistake of the options, and said once."""
    if source.samples and not any(sample.truth.parts for sample in source.samples):
        raise UserError(f"{file} says the truth of none of its rows; take a split whose truth is public")
    names = dict.fromkeys(sample.video for sample in source.samples)
    if names and not any(map(source.has_video, names)):
        missing = f"{next(iter(names))!r}" + (f" and {len(names) - 1:,} more" if len(names) > 1 else "")
        where = f"is in data.root={source.videos} or below"
        raise UserError(f"none of the videos that {file} names ({missing}) {where}; give the folder that holds them")


def _by_video(samples: Sequence[Sample]) -> list[Sample]:
    """Sorted by their videos, so that the masks of each are read once."""
    return sorted(samples, key=lambda sample: sample.video)


def _until(enough: int, good: Collection[str], samples: Sequence[Sample]) -> Iterator[Sample]:
    """As many samples as are still wanted, again and again, until enough of them were found to be good."""
    start = 0
    while start < len(samples) and len(good) < enough:
        part = samples[start : start + enough - len(good)]
        start += len(part)
        yield from _by_video(part)


def rejected(opened: Opened) -> list[Problem]:
    """The rows that became no samples, for their truth cannot be right."""
    found = [one for one in opened.findings if one.action == "rejected"]
    return [Problem(str(opened.file), one.row, one.sample_id, one.message) for one in found]


def _check_seen(truth: Answer, masklets: Masklets) -> None:
    if truth.region is not None:
        return check_seen(truth.ids or (), masklets)
    if truth.object_id is None or truth.interval is None:
        raise UserError("the masks of its video hold no object; track its objects first")
    if np.isnan(masklets.tube(truth.object_id, truth.interval).boxes).all():
        raise UserError(f"object {truth.object_id} is in no mask {when(truth.interval)}; check masks and times")


def _masks_file(video: str, folder: str | Path, found: Mapping[str, Path]) -> Path:
    """Where the masks of a video are in a folder in which some were found by name.

    Raises:
        UserError: If it has none.
    """
    if MASKS.removesuffix(".json") in found:  # one file for all videos
        return Path(folder)
    if stem(video) not in found:
        raise UserError(f"no masks of {video} in {folder}; name them {stem(video)}.masklets.json")
    return found[stem(video)]


def masks_by_name(folder: str | Path) -> dict[str, Path]:
    """The masks in and below a folder by the name of their video; what stands higher up goes first.

    Raises:
        UserError: If it is no folder.
    """
    if not is_folder(folder):
        raise UserError(f"data.masklets={folder} is not a folder; give the folder that holds the masks")
    found: dict[str, Path] = {}
    for parent, folders, files in os.walk(folder):
        for name in [*files, *folders]:
            ending = next((one for one in _ENDINGS if name.endswith(one)), "")
            found.setdefault(name.removesuffix(ending), Path(parent) / name)
    return found
