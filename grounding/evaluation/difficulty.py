"""A picture of how difficult samples are: how many score what, and some of each bucket with what was answered."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from PIL import Image

from grounding.core import UserError
from grounding.core.files import whole_file
from grounding.curriculum.difficulty import BUCKETS, DifficultyConfig, Estimate, Tried
from grounding.evaluation.drawing import RGB, paragraph
from grounding.evaluation.metrics import score
from grounding.evaluation.report import EDGE, SHEET, Shown, sheet_row
from grounding.tasks.task import Task

# Apart under all common colour blindness (Okabe and Ito), and dark enough for white paper.
COLOURS: dict[str, RGB] = {
    "easy": (0, 158, 115),
    "medium": (86, 180, 233),
    "hard": (230, 159, 0),
    "dead": (85, 85, 85),
}
BARS = 20  # of the histogram, from 0 to 1
HEIGHT = 560  # pixels of the histogram
DOTS = 150  # pixels of an inch of it: the larger, the larger its letters
MOST = 2  # examples of a bucket


@dataclass(frozen=True)
class Examples:
    """The first samples of each bucket that go by, with their frames; and the estimates of all.

    Args:
        task: What was asked.
        shown: Estimates and samples, by bucket.
        estimates: Of all samples.
    """

    task: Task
    shown: dict[str, list[tuple[Estimate, Shown]]] = field(default_factory=dict)
    estimates: list[Estimate] = field(default_factory=list)

    def watch(self, found: Iterable[Tried]) -> Iterator[Tried]:
        """Give on what comes, and keep a few."""
        for one in found:
            kept = self.shown.setdefault(one.estimate.bucket, [])
            if len(kept) < MOST:
                kept.append((one.estimate, self._shown(one)))
            self.estimates.append(one.estimate)
            yield one

    def _shown(self, one: Tried) -> Shown:
        """The sample with the answer that is in the middle of all by its score."""
        middle = int(np.argsort(one.scores, kind="stable")[len(one.scores) // 2])
        loaded, said = one.asked.loaded, one.said[middle]
        told = replace(loaded, sample=replace(loaded.sample, truth=self.task.asked_of(loaded.sample.truth)))
        return Shown(told, one.asked.shown, said, score(self.task, said, loaded.sample.truth))


def difficulty_picture(examples: Examples, config: DifficultyConfig, path: Path, *, overwrite: bool = False) -> None:
    """Write a PNG: a histogram of the samples' mean scores by bucket, and below it the examples of each bucket.

    Of each example the answer is shown that is in the middle of all by its score.

    Args:
        examples: What went by.
        config: Says where buckets end.
        path: Where to write.
        overwrite: Replace an existing file.

    Raises:
        UserError: If nothing went by, matplotlib is missing, or the file exists or cannot be written.
    """
    if not examples.estimates:
        raise UserError("there are no difficulties to draw; give at least one sample")
    rows = [_histogram(examples.estimates, config)]
    for bucket in BUCKETS:
        for estimate, shown in examples.shown.get(bucket, ()):
            rows += [_headline(estimate), sheet_row(shown)]
    with whole_file(path, overwrite=overwrite) as temporary:
        Image.fromarray(np.concatenate(rows)).save(temporary, format="PNG")


def _headline(one: Estimate) -> np.ndarray:
    """What is known of a sample, in a line under a stripe in its bucket's colour."""
    figures = f"mean score {one.mean:.2f}, best {one.max:.2f}, deviation {one.std:.2f}"
    text = f"{one.bucket}: {one.id}: {figures}, {one.parse_rate:.0%} of the answers can be read"
    words = np.pad(paragraph(SHEET - 2 * EDGE, text, 20, 1), ((8, 0), (EDGE, EDGE), (0, 0)), constant_values=255)
    return np.concatenate([np.full((8, SHEET, 3), COLOURS[one.bucket], np.uint8), words])


def _histogram(estimates: Sequence[Estimate], config: DifficultyConfig) -> np.ndarray:
    """Samples over their mean score, the buckets one above another, shape (`HEIGHT`, `SHEET`, 3)."""
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg  # here, for it comes with the extra
        from matplotlib.figure import Figure
    except ImportError as error:
        raise UserError("this picture needs matplotlib; install it with: pip install 'tubelet[train]'") from error

    counts = Counter(one.bucket for one in estimates)
    there = [bucket for bucket in BUCKETS if counts[bucket]]
    figure = Figure(figsize=(SHEET / DOTS, HEIGHT / DOTS), dpi=DOTS, layout="constrained")
    canvas, axes = FigureCanvasAgg(figure), figure.add_subplot()
    axes.hist(
        [[one.mean for one in estimates if one.bucket == bucket] for bucket in there],
        bins=BARS,
        range=(0.0, 1.0),
        stacked=True,
        color=["#{:02x}{:02x}{:02x}".format(*COLOURS[bucket]) for bucket in there],
        label=[f"{bucket}: {counts[bucket]} ({counts[bucket] / len(estimates):.0%})" for bucket in there],
    )
    for end in (config.hard, config.easy):
        axes.axvline(end, color="black", linestyle="--", linewidth=1)
    axes.set_xlim(0.0, 1.0)
    axes.set_xlabel(
        f"mean score of {config.replies} answers; no answer to a dead sample scores {config.dead:g} or more"
    )
    axes.set_ylabel("samples")
    axes.set_title(f"difficulty of {len(estimates)} samples: left is hard, right is easy")
    axes.legend()
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3]
