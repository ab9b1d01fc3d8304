"""The curriculum that masks: frames outside the truth of hard samples are hidden, and come back as training goes on.

VideoTG-R1 (arXiv 2510.23397) masks the videos of hard samples as a function of the training step. Which frames it
hides, how many and how is not public: all numbers and rules here are our defaults.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import cv2
import numpy as np

from grounding.core import Interval, LoadedSample, Sample, UserError
from grounding.core.checks import plain, unknown
from grounding.core.intervals import frame_midpoints, nearest_frames
from grounding.core.masklets import Masklets
from grounding.core.seeds import generator
from grounding.curriculum.difficulty import BUCKETS
from grounding.datasets.cut import cut
from grounding.datasets.toy import ToySamples
from grounding.policies.settings import MERGED
from grounding.tasks.asking import Moment
from grounding.tasks.task import Task

if TYPE_CHECKING:  # it brings torch, and options must be read quickly
    from grounding.policies.policy import Policy

OFF = "none"
LATEST = 0.6  # of a run: the last 40 % of its steps show everything
STEPS = 3  # that the shape `step` falls by
WELL = 0.5  # a group's mean score from which the shape `adaptive` hides less


@dataclass
class MaskingConfig:
    """Which frames of which samples are hidden, and how."""

    shape: str = OFF  # how the share of hidden frames falls: linear, cosine, step or adaptive; none hides nothing
    r0: float = 0.6  # share of what may be hidden that is at the beginning; our leak probe finds 0.9 to tell too much
    p_end: float = LATEST  # share of the run after which nothing is hidden
    gamma: float = 1.0  # > 1 falls sooner, < 1 later
    margin: float = 0.15  # of the duration: beside the truth, up to so much is never hidden, drawn for each sample
    fill: str = "blank"  # what is shown in place of hidden frames: blank, freeze, drop or window
    buckets: list[str] | None = field(default_factory=lambda: ["hard"])  # of samples that are masked; null masks all


# From what is left of the masked part of the run to a share of r0; both fall from 1 to 0.
SHAPES: dict[str, Callable[[float], float]] = {
    "linear": lambda left: left,
    "cosine": lambda left: (1 - math.cos(math.pi * left)) / 2,
    "step": lambda left: math.ceil(STEPS * left) / STEPS,
    "adaptive": lambda left: left,  # and less where the sample is answered well already
}


def ratio(config: MaskingConfig, now: Moment) -> float:
    """The share of frames that is hidden, in [0, 1); it falls as the run goes on, and from `p_end` on it is 0.

    Under `adaptive` it is that of `linear`, less where the sample's newest group was answered well: it falls from there
    to 0 as the mean score goes from `WELL` to 1. It rises again where the score falls.
    """
    if now.progress >= config.p_end:
        return 0.0
    share = config.r0 * SHAPES[config.shape]((1 - now.progress / config.p_end) ** config.gamma)
    if config.shape == "adaptive" and now.score is not None:
        share *= min(1.0, (1 - now.score) / (1 - WELL))
    return share


@dataclass(frozen=True)
class Masking:
    """A `Change`: hides frames outside of the truth.

    What is hidden follows from the run's seed, the sample and the ratio alone. A frame that is shown at some ratio is
    shown at every smaller one.
    """

    config: MaskingConfig

    def __call__(self, loaded: LoadedSample, now: Moment) -> LoadedSample:
        """The sample with frames hidden; the very same one where none are."""
        share = ratio(self.config, now) if self.masks(loaded.sample) else 0.0
        hidden = self.hidden(loaded, share, now.seed) if share else np.zeros(0, bool)
        return FILLS[self.config.fill](loaded, hidden) if hidden.any() else loaded

    def masks(self, sample: Sample) -> bool:
        """Whether the sample is one of those that are masked; one that is true at no time never is."""
        chosen = self.config.buckets is None or sample.meta.get("bucket") in self.config.buckets
        return chosen and bool(sample.truth.segments)

    def hidden(self, loaded: LoadedSample, share: float, seed: int) -> np.ndarray:
        """Which frames of the clip are hidden, bool, shape (T,); those of a temporal patch are hidden together."""
        rng = generator(seed, loaded.sample.id, "masking")
        before, after = rng.uniform(0, self.config.margin * loaded.clip.duration, 2)
        free = outside(loaded, before, after)
        if self.config.fill == "window":
            pairs = beyond_window(free, share, rng.random(2))
        else:
            pairs = free & (rng.random(len(free)) < share)
        return np.repeat(pairs, MERGED)[: len(loaded.clip)]


def outside(loaded: LoadedSample, before: float, after: float) -> np.ndarray:
    """Which temporal patches of a clip may be hidden.

    Their frames are shown at no moment of the truth, and their middle lies beyond its margins. Nor are they the patches
    before and after those of the truth: or the edge of what is hidden would be the answer, as finely as the model sees,
    and what is true would be seen to last where the last frame that is shown stays.

    Args:
        loaded: A sample whose truth has times.
        before: Seconds before a segment of the truth that belong to it too.
        after: And after.

    Returns:
        Bool, shape (patches,).
    """
    clip = loaded.clip
    starts, close = clip.pts[::MERGED], clip.pts[-1] + 1 / clip.sampled_fps
    ends = np.append(starts[1:], close)
    middles = (starts + ends) / 2
    free = np.ones(len(starts), bool)
    for one in true_times(loaded):
        first = min(int(np.searchsorted(ends, one.start, "right")), len(free) - 1)
        last = max(int(np.searchsorted(starts, one.end, "left")), first + 1)
        free[max(0, first - 1) : last + 1] = False
        free &= (middles < one.start - before) | (middles >= one.end + after)
    return free


def true_times(loaded: LoadedSample) -> Sequence[Interval]:
    """The segments of the truth, and when its tube is there."""
    truth, masklets = loaded.sample.truth, loaded.masklets
    times = [*(truth.segments or ())]
    if truth.tube is not None and (frames := truth.tube.frames):
        shown = masklets.pts[frames.start : frames.stop]
        times += [Interval(float(shown[0]), float(shown[-1]) + 1 / masklets.fps)] if len(shown) else []
    return times


def beyond_window(free: np.ndarray, share: float, draws: np.ndarray) -> np.ndarray:
    """Which temporal patches lie outside of a window around all that is not free, bool, shape (patches,).

    Args:
        free: Which may be hidden, shape (patches,), not all of them.
        share: How much is hidden on each side.
        draws: For each side, when its number is rounded up, in [0, 1).
    """
    needed = np.flatnonzero(~free)
    sides = needed[0], len(free) - 1 - needed[-1]
    first, last = (math.floor(share * side + draw * (side > 0)) for side, draw in zip(sides, draws, strict=True))
    place = np.arange(len(free))
    return (place < first) | (place >= len(free) - last)


def blank(loaded: LoadedSample, hidden: np.ndarray) -> LoadedSample:
    """Hidden frames have the mean colour of the clip; times stay."""
    frames = loaded.clip.frames.copy()
    frames[hidden] = np.round(cv2.mean(frames.reshape(-1, *frames.shape[2:]))[:3])  # NumPy's takes 80 times as long
    return replace(loaded, clip=loaded.clip.with_frames(frames), masklets=without(loaded, hidden))


def freeze(loaded: LoadedSample, hidden: np.ndarray) -> LoadedSample:
    """In place of hidden frames the last one before that is shown stays, at the beginning the first; times stay."""
    shown = np.where(hidden, -1, np.arange(len(hidden)))
    shown = np.maximum.accumulate(shown)
    shown[shown < 0] = np.flatnonzero(~hidden)[0]
    clip = loaded.clip.with_frames(loaded.clip.frames[shown])
    return replace(loaded, clip=clip, masklets=without(loaded, hidden, shown))


def drop(loaded: LoadedSample, hidden: np.ndarray) -> LoadedSample:
    """Hidden frames are left out; those that are shown keep their times, which some models cannot be told."""
    clip = loaded.clip
    left = replace(clip, frames=clip.frames[~hidden], pts=clip.pts[~hidden])
    return replace(loaded, clip=left, masklets=without(loaded, hidden))


def window(loaded: LoadedSample, hidden: np.ndarray) -> LoadedSample:
    """The video is cut to what is shown, one piece around the truth; all times count from its beginning."""
    shown, clip = np.flatnonzero(~hidden), loaded.clip
    begin = float(clip.pts[shown[0]]) if shown[0] else 0.0
    end = clip.duration if shown[-1] == len(hidden) - 1 else float(clip.pts[shown[-1] + 1])
    return cut(loaded, Interval(begin, end))


FILLS: dict[str, Callable[[LoadedSample, np.ndarray], LoadedSample]] = {
    one.__name__: one for one in (blank, freeze, drop, window)
}


def without(loaded: LoadedSample, hidden: np.ndarray, instead: np.ndarray | None = None) -> Masklets:
    """The masklets without the masks of source frames that are shown while a frame of the clip is hidden.

    Args:
        loaded: The sample.
        hidden: Which frames of the clip are hidden, shape (T,).
        instead: The frame of the clip that is shown in place of each, whose masks it takes, shape (T,).
    """
    pts, masklets = loaded.clip.pts, loaded.masklets
    at = np.searchsorted(pts, frame_midpoints(masklets.pts, masklets.fps), "right").clip(1) - 1
    gone = hidden[at]
    gone[nearest_frames(masklets.pts, pts[hidden])] = True  # whose masks would be drawn
    stand_in = np.full(len(gone), -1) if instead is None else nearest_frames(masklets.pts, pts[instead[at]])
    take = np.where(gone, stand_in, np.arange(len(gone))).tolist()
    tracks = {i: tuple(None if t < 0 else track[t] for t in take) for i, track in masklets.tracks.items()}
    return replace(masklets, tracks=tracks)


def check_masking(config: MaskingConfig, task: Task) -> list[str]:
    """What cannot work, a line each."""
    choices = [("shape", config.shape, (OFF, *SHAPES)), ("fill", config.fill, FILLS)]
    choices += [("buckets", one, BUCKETS) for one in config.buckets or ()]
    rules = [
        ("r0", config.r0, 0 < config.r0 < 1, f"in (0, 1); curriculum.mask.shape={OFF} hides nothing"),
        ("p_end", config.p_end, 0 < config.p_end <= LATEST, f"in (0, {LATEST:g}]: the last 40 % of a run show all"),
        ("gamma", config.gamma, 0 < config.gamma <= 100, "in (0, 100]"),
        ("margin", config.margin, 0 <= config.margin <= 1, "in [0, 1]"),
    ]
    wrong = [unknown(name, value, known) for name, value, known in choices if value not in known]
    wrong += [f"{name} must be {rule}, got {plain(value)}" for name, value, right, rule in rules if not right]
    if config.buckets == []:
        wrong.append(f"buckets must be null (all) or some of {', '.join(BUCKETS)}, got []")
    errors = [f"curriculum.mask.{line}" for line in wrong]
    if config.shape != OFF and not any({"interval", "intervals"} & set(need) for need in task.needs):
        errors.append(f"curriculum.mask hides what is outside of true times; task={task.name} has none; leave it out")
    return errors


def check_told(config: MaskingConfig, policy: Policy) -> None:
    """Refuse a fill that leaves frames at times that the model cannot be told.

    Raises:
        UserError: If it does.
    """
    if config.shape != OFF and config.fill == "drop" and not policy.family.uneven:
        others = ", ".join(name for name in FILLS if name != "drop")
        raise UserError(
            f"curriculum.mask.fill=drop leaves uneven frames, and this model is told one rate a video; choose {others}"
        )


def check_buckets(config: MaskingConfig, samples: Sequence[Sample]) -> None:
    """Refuse samples none of which would be masked.

    Raises:
        UserError: If none would be.
    """
    if config.shape == OFF or config.buckets is None:
        return
    made = isinstance(samples, ToySamples)  # each is made when it is asked for, and none knows how hard it is
    if made or not any(sample.meta.get("bucket") in config.buckets for sample in samples):
        names = " or ".join(config.buckets)
        raise UserError(
            f"curriculum.mask hides frames of samples whose bucket is {names}, and no sample says so; "
            "put the stage difficulty before this one, or mask all with curriculum.mask.buckets=null"
        )
