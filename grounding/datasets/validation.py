"""Everything that is wrong with a dataset, in one report: its rows, its videos, its splits, and the gold check."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from grounding.core.errors import UserError
from grounding.core.samples import Answer, Sample
from grounding.core.video import VideoInfo, read_clip
from grounding.datasets.catalog import Opened
from grounding.datasets.gold import gold_failures
from grounding.datasets.media import Media
from grounding.datasets.moments import stem
from grounding.datasets.records import Finding

Check = Callable[[Sample], list[str]]
Progress = Callable[[Sequence[Any]], Iterable[Any]]
_SLACK_SECONDS = 1.0  # durations are often whole seconds, or those of the sound


@dataclass
class Report:
    """What was found.

    Args:
        dataset: Its name.
        file: The annotation file.
        rows: Annotations in it.
        kept: Samples made of them.
        findings: In the order they were found; see `Finding`.
        videos: Of the samples, by how they are: `named`, `good`, `missing`, `unreadable`; without a look at them,
            `named` alone.
        leakage: For each other file, the videos that are in both.
    """

    dataset: str
    file: str
    rows: int
    kept: int
    findings: list[Finding] = field(default_factory=list)
    videos: dict[str, int] = field(default_factory=dict)
    leakage: dict[str, list[str]] = field(default_factory=dict)

    @property
    def counts(self) -> dict[tuple[str, str], int]:
        """How many findings of each kind and action there are."""
        return dict(Counter((one.kind, one.action) for one in self.findings))

    def amounts(self, kind: str) -> tuple[float, float]:
        """Median and largest amount by which this kind was clamped, in seconds or pixels; 0, 0 if none was."""
        sizes = sorted(one.amount for one in self.findings if one.kind == kind and one.amount is not None)
        return (sizes[len(sizes) // 2], sizes[-1]) if sizes else (0.0, 0.0)

    def to_json(self) -> dict[str, Any]:
        """All of it for a file."""
        counts = [{"kind": kind, "action": action, "rows": n} for (kind, action), n in self.counts.items()]
        return {**asdict(self), "counts": counts}


def validate(
    opened: Opened,
    *,
    videos: str | Path | None = None,
    others: Mapping[str, Sequence[Sample]] | None = None,
    checks: Sequence[Check] = (gold_failures,),
    progress: Progress = iter,
) -> Report:
    """Check a dataset.

    Args:
        opened: What `open_dataset` gave.
        videos: The folder of the videos, to look at each of them; None does not.
        others: Samples of other splits or benchmarks by name, none of whose videos should be here.
        checks: What to run on each sample; each line that comes back is a finding.
        progress: Wraps the videos that are looked at, to show how far it is.
    """
    report = Report(opened.name, str(opened.file), opened.rows, len(opened.samples), list(opened.findings))
    report.findings += duplicates(opened.samples)
    for sample in opened.samples:
        for check in checks:
            report.findings += [_kept("gold", sample, line) for line in check(sample)]
    report.videos = {"named": len({sample.video for sample in opened.samples})}
    if videos is not None:
        _look(opened.samples, Media(videos), report, progress)
    here = {source_of(sample.video): sample.video for sample in opened.samples}
    for name, samples in (others or {}).items():
        report.leakage[name] = sorted(here[key] for key in {source_of(one.video) for one in samples} & here.keys())
    return report


def source_of(video: str) -> str:
    """What a video was cut from, to compare data sets by: its name without folder, ending, `v_`, `_<start>_<end>`."""
    name = stem(video).removeprefix("v_")
    parts = name.rsplit("_", 2)
    cut = len(parts) == 3 and all(part.replace(".", "", 1).isdigit() for part in parts[1:])
    return parts[0] if cut else name


def duplicates(samples: Sequence[Sample]) -> list[Finding]:
    """Samples that ask the same of the same part of a video and have the same truth as an earlier one."""
    seen: dict[tuple[Any, ...], str] = {}
    found = []
    for sample in samples:
        query = " ".join(sample.query.lower().split())
        shown = sample.video, *(str(sample.meta.get(part)) for part in ("segment", "frame"))
        first = seen.setdefault((shown, query, *_comparable(sample.truth)), sample.id)
        if first != sample.id:
            found.append(_kept("duplicate", sample, f"the same video, query and truth as {first}"))
    return found


def _comparable(truth: Answer) -> tuple[Any, ...]:
    tube = truth.tube and (truth.tube.start_frame, truth.tube.boxes.tobytes())
    return (truth.segments, truth.ids, truth.box, truth.choices, truth.text, truth.number, tube)


def _look(samples: Sequence[Sample], media: Media, report: Report, progress: Progress) -> None:
    """Open every video once: is it there, does it decode, is it what the annotation says?"""
    by_video: dict[str, list[Sample]] = {}
    for sample in samples:
        by_video.setdefault(sample.video, []).append(sample)
    states = Counter[str]()
    for video in progress(list(by_video)):
        first = by_video[video][0]
        try:
            path = media.find(video)
        except UserError as error:
            states["missing"] += 1
            report.findings.append(_kept("video", first, str(error)))
            continue
        try:
            info = media.video(video)
            read_clip(path, fps=1.0, max_frames=4, max_pixels=128 * 128)
        except UserError as error:
            states["unreadable"] += 1
            report.findings.append(_kept("video", first, str(error)))
            continue
        states["good"] += 1
        report.findings += [
            _kept("video", first, f"{video}: {line}") for line in (*info.flaws, *_differences(first, info))
        ]
        report.findings += [found for sample in by_video[video] for found in _past_the_end(sample, info)]
    report.videos |= dict(states)


def _differences(sample: Sample, info: VideoInfo) -> list[str]:
    """What the annotation says otherwise than the file."""
    said = sample.meta
    lines = []
    if "duration" in said and abs(said["duration"] - info.duration) > _SLACK_SECONDS:
        lines.append(f"lasts {info.duration:.2f} s, the annotation says {said['duration']:.2f} s")
    if "frame_count" in said and said["frame_count"] != info.frame_count:
        lines.append(f"has {info.frame_count} frames, the annotation says {said['frame_count']}")
    if "size" in said and tuple(said["size"]) != info.size:
        told, real = (f"{width} x {height}" for height, width in (said["size"], info.size))
        lines.append(f"is {real} pixels, the annotation says {told}")
    return lines


def _past_the_end(sample: Sample, info: VideoInfo) -> list[Finding]:
    """Truths that reach past the end of the file itself, by more than a frame."""
    ends = [one.end for one in sample.truth.segments or ()]
    over = max(ends, default=0.0) - info.duration
    found = []
    if over > 1 / info.fps:
        found.append(_kept("beyond", sample, f"ends {over:.2f} s after the file, which lasts {info.duration:.2f} s"))
    if sample.truth.tube is not None and sample.truth.tube.frames.stop > info.frame_count:
        last = sample.truth.tube.frames.stop - 1
        found.append(_kept("beyond", sample, f"has boxes up to frame {last}, the file has {info.frame_count} frames"))
    return found


def _kept(kind: str, sample: Sample, message: str) -> Finding:
    return Finding(kind, "kept", sample.meta.get("row", 0), sample.id, message)
