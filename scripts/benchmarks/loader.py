"""`bench.py loader`: decoding, drawing and encoding a batch once a video, against once a completion."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.measure import Bar, Seconds, medians, ratio
from torch.utils.data import DataLoader

from grounding.core import LoadedSample, Sample, Source
from grounding.datasets.jsonl import open_jsonl
from grounding.datasets.media import ClipOptions
from grounding.datasets.toy import FPS, HELD_OUT, toy_source
from grounding.datasets.toy_export import export_toy
from grounding.policies.policy import Policy, load_policy
from grounding.policies.tiny import build_tiny
from grounding.tasks.asking import Asking
from grounding.tasks.stvg import STVG
from grounding.training.examples import Collator, Example, make_examples
from prompting import IdMarker

BARS = [Bar("videos_over_unique", 1.0, most=True)]
PROMPTS = 2  # videos of a batch
ASKING = Asking(STVG, "short", IdMarker())


@dataclass(frozen=True)
class Work:
    """What is loaded: batches of new videos, each video wanted once for every completion.

    Args:
        policy: Whose processor encodes.
        source: The videos, `PROMPTS` a batch.
        generations: Completions of a prompt.
    """

    policy: Policy
    source: Source
    generations: int

    @property
    def batches(self) -> list[list[dict[str, Any]]]:
        """Rows as TRL's sampler orders them."""
        rows = [{"index": i} for i in range(len(self.source.samples)) for _ in range(self.generations)]
        size = PROMPTS * self.generations
        return [rows[start : start + size] for start in range(0, len(rows), size)]


@dataclass
class CountingSource:
    """A source that counts what it loads.

    Args:
        inner: The source.
        loads: Videos loaded so far, in this process.
    """

    inner: Source
    loads: int = field(default=0)

    @property
    def samples(self) -> Any:
        """The source's samples."""
        return self.inner.samples

    def load(self, sample: Sample) -> LoadedSample:
        """Load a sample."""
        self.loads += 1
        return self.inner.load(sample)

    def version(self, sample: Sample) -> str:
        """The source's own."""
        return self.inner.version(sample)


@dataclass(frozen=True)
class RowByRow:
    """A data set as TRL reads it: every row is decoded, drawn and encoded on its own.

    Args:
        work: What is loaded.
    """

    work: Work

    def __len__(self) -> int:
        return len(self.work.source.samples) * self.work.generations

    def __getitem__(self, row: int) -> Example:
        source = self.work.source
        loaded = source.load(source.samples[row // self.work.generations])
        return make_examples([loaded], self.work.policy, ASKING)[0]


def loader(folder: Path, *, batches: int, generations: int, repeats: int, settle: float) -> dict[str, Any]:
    """Seconds a batch with 0 and 2 workers, the first batch left out: workers start with it.

    Args:
        folder: Takes the model and the videos.
        batches: How many, 2 or more.
        generations: Rows of each video.
        repeats: Measured turns.
        settle: Seconds that workers are given after the first batch, to be done with their imports.
    """
    work = Work(_policy(folder / "model"), _videos(folder / "toy", batches), generations)
    calls = {
        f"{name}_{workers}": partial(steady, make, work, workers, settle if workers else 0.0)
        for workers in (0, 2)
        for name, make in (("shared", shared), ("stock", stock))
    }
    seconds: Seconds = {name: [] for name in calls}
    for _ in range(repeats):
        for name, call in calls.items():
            seconds[name].append(call())
    loads = {name: _videos_loaded(make, work) for name, make in (("shared", shared), ("stock", stock))}
    return {
        "ratio": ratio(seconds, "stock_0", "shared_0"),
        "ratio_workers": ratio(seconds, "stock_2", "shared_2"),
        "videos_over_unique": loads["shared"] / len(work.source.samples),
        "videos_loaded": loads,
        "seconds_a_batch": medians(seconds),
    }


def summary(found: dict[str, Any]) -> dict[str, Any]:
    """The lines of the table."""
    lines: dict[str, Any] = {name: found[name] for name in ("ratio", "ratio_workers", "videos_over_unique")}
    for name, seconds in found["seconds_a_batch"].items():
        side, workers = name.split("_")
        lines[f"{side}, {workers} workers, a batch"] = f"{seconds:.3f} s"
    return lines


def shared(work: Work, workers: int) -> Iterator[Any]:
    """Batches of our collator; the next one is asked for when one is taken, as the trainer does."""
    collator = Collator(work.source, work.policy, ASKING, keep=2 * PROMPTS, workers=workers)
    batches = work.batches
    for index, rows in enumerate(batches):
        for ahead in batches[index : index + 2]:
            collator.ask(ahead)
        yield collator(rows)
    collator.close()


def stock(work: Work, workers: int) -> Iterator[Any]:
    """Batches of torch's loader."""
    size = PROMPTS * work.generations
    yield from DataLoader(RowByRow(work), batch_size=size, collate_fn=list, num_workers=workers)  # type: ignore[arg-type]


def steady(make: Callable[[Work, int], Iterator[Any]], work: Work, workers: int, settle: float) -> float:
    """Wall seconds a batch after the first; batches made ahead while settling (4 by torch, 1 by us) are free."""
    data = make(work, workers)
    next(data)
    time.sleep(settle)
    begin = time.perf_counter()
    count = sum(1 for _ in data)
    return (time.perf_counter() - begin) / count


def _videos_loaded(make: Callable[[Work, int], Iterator[Any]], work: Work) -> int:
    counting = CountingSource(work.source)
    for _ in make(Work(work.policy, counting, work.generations), 0):
        pass
    return counting.loads


def _policy(folder: Path) -> Policy:
    build_tiny(folder, ["Query: the blue square"], seed=0)
    return load_policy(str(folder))


def _videos(folder: Path, batches: int) -> Source:
    annotations = export_toy(toy_source(HELD_OUT.stop, batches * PROMPTS, fps=FPS), folder)
    return open_jsonl(folder, annotations.name, ClipOptions(FPS, 32))
