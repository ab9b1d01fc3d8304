"""Opened samples as a `grounding.core.Source`: the clip, the masklets and the whole truth of each, read on demand."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from grounding.core.errors import UserError
from grounding.core.masklets import Masklets
from grounding.core.samples import LoadedSample, Sample
from grounding.core.tubes import Tube
from grounding.core.video import VideoInfo, read_clip
from grounding.datasets.masks import read_masklets
from grounding.datasets.masks.mevis import MASKS
from grounding.datasets.media import Media
from grounding.datasets.moments import stem
from prompting.assign import MIN_OVERLAP, assign

_ENDINGS = (".masklets.json", ".json", ".npz", ".txt")  # or a folder of id maps, without one


@dataclass
class VideoSource:
    """Samples of `open_dataset` with their videos; a `grounding.core.Source`.

    Args:
        samples: What to load.
        videos: The folder that their videos are in.
        masklets: The folder with the masks of each video, named like it; or that of a MeViS split. None gives samples
            without objects, for tasks that only ask when or what.
        fps: Frames a second to sample.
        max_frames: Most frames of a clip.
        max_pixels: Most pixels of a frame, or None for all.
        backend: Video decoder, see `grounding.core.video.read_clip`.
    """

    samples: Sequence[Sample]
    videos: Path
    masklets: Path | None = None
    fps: float = 2.0
    max_frames: int = 64
    max_pixels: int | None = None
    backend: str = "auto"
    _media: Media = field(init=False, repr=False)
    _files: dict[str, Path] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._media = Media(self.videos)
        self._files = {} if self.masklets is None else masks_by_name(self.masklets)

    def load(self, sample: Sample) -> LoadedSample:
        """Read the clip and masklets of a sample and complete its truth: the id of its tube, or the tube of its id.

        Raises:
            UserError: Naming the sample, if its video or masks cannot be read, or no mask fits its tube.
        """
        try:
            info = self._media.video(sample.video)
            masklets = self._masks(sample.video, info)
            clip = read_clip(
                self._media.find(sample.video),
                fps=self.fps,
                max_frames=self.max_frames,
                max_pixels=self.max_pixels,
                backend=self.backend,
            )
            return LoadedSample(completed(sample, masklets), clip, masklets)
        except UserError as error:
            raise UserError(f"sample {sample.id}: {error}") from error

    def _masks(self, video: str, info: VideoInfo) -> Masklets:
        """The masklets of a video; without a folder of masks there are no objects."""
        if self.masklets is None:
            return Masklets(info.size, info.fps, info.pts, {})
        path = self.masklets if MASKS.removesuffix(".json") in self._files else self._files.get(stem(video))
        if path is None:
            raise UserError(f"no masks of {video} in {self.masklets}; name them {stem(video)}.masklets.json")
        return read_masklets(path, info)


def masks_by_name(folder: Path) -> dict[str, Path]:
    """The masks in and below a folder by the name of their video; what stands higher up goes first.

    Raises:
        UserError: If it is no folder.
    """
    if not folder.is_dir():
        raise UserError(f"data.masklets={folder} is not a folder; give the folder that holds the masks")
    found: dict[str, Path] = {}
    for parent, folders, files in os.walk(folder):
        for name in [*files, *folders]:
            ending = next((one for one in _ENDINGS if name.endswith(one)), "")
            found.setdefault(name.removesuffix(ending), Path(parent) / name)
    return found


def completed(sample: Sample, masklets: Masklets) -> Sample:
    """The sample with both object id and tube, where its truth and the masks tell one of the two.

    Raises:
        UserError: If no mask fits the tube.
    """
    truth = sample.truth
    if not masklets.tracks or truth.interval is None:
        return sample
    if truth.tube is None and truth.object_id is not None:
        return replace(sample, truth=replace(truth, tube=masklets.tube(truth.object_id, truth.interval)))
    if truth.tube is not None and truth.object_id is None:
        return replace(sample, truth=replace(truth, object_id=_fitting(truth.tube, masklets)))
    return sample


def _fitting(tube: Tube, masklets: Masklets) -> int:
    """The id whose masks the boxes of a tube are drawn around."""
    found = assign([tube], masklets)[0]
    if found.object_id is None or found.overlap < MIN_OVERLAP:
        raise UserError(f"the boxes overlap no masklet by {MIN_OVERLAP} or more, the best by {found.overlap:.2f}")
    return found.object_id
