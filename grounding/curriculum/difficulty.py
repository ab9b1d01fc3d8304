"""Which samples are easy, hard or dead for a policy: it answers each of them several times, and the task scores that.

This is the Difficulty Estimation Agent of VideoTG-R1 (arXiv 2510.23397), which scores samples by a zero-shot
evaluation. How it does so is not public: the numbers in `DifficultyConfig` and the buckets are our defaults.
"""

from __future__ import annotations

import json
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np

from grounding.core import Clip, OnBroken, ParseFailure, Sample, Source, UserError, UserTurn
from grounding.core.checks import shown, unknown, within
from grounding.core.files import write_text
from grounding.core.reading import parse_json, read_text
from grounding.curriculum.replies import MOST, Backend, Request, replies, request_key
from grounding.curriculum.selection import share
from grounding.datasets.problems import Problem
from grounding.tasks.asking import Asked, Asking
from grounding.tasks.task import Said, Task

BUCKETS = ("easy", "medium", "hard", "dead")
AT_ONCE = 16  # samples whose frames are in memory together


ESTIMATES = "difficulty.jsonl"  # in the run folder: an `Estimate` a line
DEAD = "dead.jsonl"  # likewise: dead samples, as `skipped.jsonl` lists rows
REPORT = "difficulty.json"  # likewise: buckets, how many answers can be read, cost; written last

_UNREAD = "train the model to answer in the task's form first"


@dataclass
class DifficultyConfig:
    """How the difficulty of samples is estimated; all numbers are our defaults."""

    replies: int = 8  # answers to each sample
    easy: float = 0.7  # from this mean score on
    hard: float = 0.3  # below this mean score
    dead: float = 0.05  # no answer scores as much: truth or video may be wrong, so it is not called hard
    keep: list[str] = field(default_factory=lambda: ["easy", "medium", "hard"])  # buckets that later stages train on

    def bucket(self, scores: np.ndarray) -> str:
        """The bucket of a sample whose answers scored so, shape (K,)."""
        if scores.max() < self.dead:
            return "dead"
        return "easy" if scores.mean() >= self.easy else "hard" if scores.mean() < self.hard else "medium"


def check_difficulty(config: DifficultyConfig) -> list[str]:
    """What cannot work, a line each."""
    rules = [
        ("replies", config.replies, 1 <= config.replies <= MOST, f"1 to {MOST}"),
        ("dead", config.dead, 0 <= config.dead <= 1, "in [0, 1]"),
        ("hard", config.hard, 0 <= config.hard <= 1, "in [0, 1]"),
        ("easy", config.easy, config.hard <= config.easy <= 1, f"in [difficulty.hard, 1] = [{config.hard:g}, 1]"),
        ("keep", config.keep, bool(config.keep), f"some of {', '.join(BUCKETS)}"),
    ]
    errors = [
        f"difficulty.{name} must be {rule}, got {shown(value)}" for name, value, right, rule in rules if not right
    ]
    return errors + [unknown("difficulty.keep", one, BUCKETS) for one in config.keep if one not in BUCKETS]


@dataclass(frozen=True)
class Estimate:
    """How difficult a sample is.

    Args:
        id: The sample's.
        mean: Of the scores of all answers, by `Task.graded`, in [0, 1]; one that cannot be read scores 0.
        max: The best score.
        std: Standard deviation of the scores, divided by their number.
        parse_rate: Share of the answers that can be read.
        bucket: One of `BUCKETS`.
    """

    id: str
    mean: float
    max: float
    std: float
    parse_rate: float
    bucket: str


@dataclass(frozen=True, eq=False)
class Tried:
    """A sample, and what was answered.

    Args:
        asked: The sample as it was shown.
        texts: The answers, word for word.
        said: What they say.
        scores: Of each, shape (K,).
        estimate: What follows.
    """

    asked: Asked
    texts: Sequence[str]
    said: Sequence[Said]
    scores: np.ndarray
    estimate: Estimate


@dataclass(frozen=True)
class Agent:
    """Has every sample of a source answered as it is.

    Args:
        source: The samples.
        asking: What is asked; its changes are not made.
        backend: Who is asked.
        config: How often, and where the buckets end.
        store: The file that keeps the replies; what it knows is not asked again.
        on_broken: Takes each sample that cannot be used, which is left out; if None, the first one stops.
        cost: What was spent: `requests` and `replies`, `known` requests that were not asked again, `frames` shown,
            `seconds`.
    """

    source: Source
    asking: Asking
    backend: Backend
    config: DifficultyConfig
    store: Path
    on_broken: OnBroken | None = None
    cost: dict[str, float] = field(default_factory=lambda: defaultdict(float))

    def tried(self) -> Iterator[Tried]:
        """What came of each sample, in their order; only a few have their frames in memory.

        Raises:
            UserError: If there will be no replies, or a sample cannot be used and none may be left out.
        """
        keys, broken, begin = self._keys(), dict[int, UserError](), time.perf_counter()

        @lru_cache(AT_ONCE)
        def asked(place: int) -> Asked:
            try:
                return self.asking(self.source.load(self.source.samples[place]))
            except UserError as error:
                broken[place] = error
                raise

        while keys:
            requests = [
                Request(key, partial(self._turn, asked, place), f"sample {self.source.samples[place].id}")
                for place, key in keys.items()
            ]
            coming = replies(requests, self.config.replies, self.backend, self.store, self._count)
            try:
                for place, texts in zip(list(keys), coming, strict=True):
                    one = _graded(asked(place), texts, self.asking.task, self.config)
                    del keys[place]
                    self.cost["seconds"] += time.perf_counter() - begin
                    yield one
                    begin = time.perf_counter()
            except UserError:
                if not broken:
                    raise
                for place, why in broken.items():  # the others are asked for again; what was answered is in the store
                    self._left_out(place, why)
                    del keys[place]
                broken.clear()

    def _keys(self) -> dict[int, str]:
        """The key of each sample by its place, of all that can be used as far as is known."""
        keys = {}
        for place, sample in enumerate(self.source.samples):
            try:
                keys[place] = request_key(self.source, sample, self.asking)
            except UserError as error:
                self._left_out(place, error)
        return keys

    def _left_out(self, place: int, why: UserError) -> None:
        if self.on_broken is None:
            raise why
        self.on_broken(self.source.samples[place], str(why))

    def _count(self, answered: int, total: int) -> None:
        self.cost.setdefault("known", answered)
        self.cost["requests"] = answered - self.cost["known"]
        self.cost["replies"] = self.cost["requests"] * self.config.replies

    def _turn(self, asked: Callable[[int], Asked], place: int) -> UserTurn:
        turn = asked(place).turn
        self.cost["frames"] += sum(len(part) for part in turn if isinstance(part, Clip))
        return turn


def _graded(asked: Asked, texts: Sequence[str], task: Task, config: DifficultyConfig) -> Tried:
    sample = asked.loaded.sample
    said = [task.read(text, asked.loaded) for text in texts]
    scores = np.array([task.graded(one, sample.truth) for one in said])
    parsed = [not isinstance(one, ParseFailure) for one in said]
    mean, best, std = float(scores.mean()), float(scores.max()), float(scores.std())
    estimate = Estimate(sample.id, mean, best, std, float(np.mean(parsed)), config.bucket(scores))
    return Tried(asked, texts, said, scores, estimate)


def survey(agent: Agent, found: Iterable[Tried], folder: Path, annotations: str) -> dict[str, Any]:
    """Write what was found: `difficulty.jsonl`, a line an `Estimate`, and `dead.jsonl`, the samples to be looked at.

    Args:
        agent: Who found it.
        found: What it gives.
        folder: The run folder; files that are there are replaced.
        annotations: The file of the rows.

    Returns:
        What `difficulty.json` says of all samples.

    Raises:
        UserError: If no sample could be used.
    """
    estimates, dead = list[Estimate](), list[Problem]()
    for one in found:
        estimates.append(one.estimate)
        if one.estimate.bucket == "dead":
            dead.append(_dead_row(one, agent.config, annotations))
    if not estimates:
        raise UserError(
            f"none of {len(agent.source.samples)} samples can be used to estimate difficulty; mend the data"
        )
    for name, rows in ((ESTIMATES, estimates), (DEAD, dead)):
        write_text(folder / name, "".join(json.dumps(asdict(row)) + "\n" for row in rows), overwrite=True)
    counts = Counter(one.bucket for one in estimates)
    return {
        "samples": len(estimates),
        "left_out": len(agent.source.samples) - len(estimates),  # they could not be used
        "buckets": {bucket: counts[bucket] for bucket in BUCKETS},
        "mean": float(np.mean([one.mean for one in estimates])),
        "parse_rate": float(np.mean([one.parse_rate for one in estimates])),
        "cost": {name: round(value, 3) for name, value in {**agent.cost, **agent.backend.spent}.items()},
        "settings": asdict(agent.config),
    }


def summed_up(report: Mapping[str, Any]) -> str:
    """What a report says, in a line."""
    counts, rate = report["buckets"], report["parse_rate"]
    line = f"difficulty: {', '.join(f'{counts[bucket]} {bucket}' for bucket in BUCKETS)}"
    if rate == 0:
        return f"{line}; no answer can be read: {_UNREAD}"
    look = f"; what is dead may be wrong, see {DEAD}" if counts["dead"] else ""
    return f"{line}; {rate:.1%} of the answers can be read{look}"


def _dead_row(one: Tried, config: DifficultyConfig, annotations: str) -> Problem:
    """What to look at in a dead sample, for a truth that is wrong looks hard."""
    count, sample, text = len(one.texts), one.asked.loaded.sample, one.texts[0]
    if one.estimate.parse_rate == 0:
        why = f"none of {count} answers can be read; one begins {shown(text)}"
    else:
        why = f"none of {count} answers scores {config.dead:g} or more; check its truth and video; "
        why += f"one ends {shown(text[-40:])}"
    return Problem(annotations, sample.meta.get("row", 0), sample.id, why)


def read_estimates(path: Path) -> list[Estimate]:
    """The estimates that `survey` wrote.

    Raises:
        UserError: Naming file and row, if one is no estimate, or the file cannot be read.
    """
    found: dict[str, Estimate] = {}
    for row, line in enumerate(read_text(path, "difficulties").splitlines(), start=1):
        with within(f"{path}, row {row}"):
            one = _estimate(parse_json(line, "the line"))
            if one.id in found:
                raise UserError(f"sample {shown(one.id)} has a line already; remove one of the two")
            found[one.id] = one
    return list(found.values())


def _estimate(row: object) -> Estimate:
    names = [one.name for one in fields(Estimate)]
    if not isinstance(row, dict) or sorted(row) != sorted(names) or not isinstance(row["id"], str):
        raise UserError(f"expected an object with {', '.join(names)}, got {shown(row)}")
    if row["bucket"] not in BUCKETS:
        raise UserError(unknown("bucket", row["bucket"], BUCKETS))
    mean, best, std, parse_rate = (share(row[name], name) for name in names[1:5])
    return Estimate(row["id"], mean, best, std, parse_rate, row["bucket"])


def estimated(samples: Sequence[Sample], estimates: Sequence[Estimate], keep: Collection[str]) -> list[Sample]:
    """The samples of some buckets, with `difficulty` (the mean), `difficulty_std` and `bucket` in their meta.

    Samples without an estimate could not be used and are left out.

    Raises:
        UserError: If an estimate is of none of the samples, or none is left.
    """
    known = {one.id: one for one in estimates}
    if foreign := known.keys() - {sample.id for sample in samples}:
        raise UserError(f"there is no sample {shown(min(foreign))}, which has a difficulty; it is that of other data")
    chosen = [sample for sample in samples if sample.id in known and known[sample.id].bucket in keep]
    if not chosen:
        raise UserError(f"no sample is {' or '.join(keep)}: {_why_none(estimates)}")
    return [replace(sample, meta={**sample.meta, **_meta(known[sample.id])}) for sample in chosen]


def _why_none(estimates: Sequence[Estimate]) -> str:
    if estimates and not any(one.parse_rate for one in estimates):
        return f"no answer to the {len(estimates)} samples can be read; {_UNREAD}"
    counts = Counter(one.bucket for one in estimates)
    found = ", ".join(f"{counts[bucket]} {bucket}" for bucket in BUCKETS if counts[bucket])
    return f"of {len(estimates)} samples there are {found or 'none'}; change difficulty.keep or where buckets end"


def _meta(one: Estimate) -> dict[str, Any]:
    return {"difficulty": one.mean, "difficulty_std": one.std, "bucket": one.bucket}
