"""Rewards that cannot score the data are refused before anything trains."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pytest

from grounding.core import LoadedSample, Sample, UserError
from grounding.datasets.toy import toy_source
from grounding.tasks.gqa import GQA
from grounding.tasks.stvg import STVG
from grounding.tasks.task import Task
from grounding.tasks.vtg import VTG
from grounding.training.config import Config
from grounding.training.grpo import TRIED, check_rewards
from rewards import PRESETS

FIRST = 5_000_000
# Of both tasks' truths all times are known; of stvg's also ids and tubes.
WHEN = [
    "when",
    "time_r1",
    "timezero",
    "tvg_r1",
    "temporal_r1",
    "videotg_r1",
    "videochat_r1",
    "tempsamp_r1",
    "museg",
    "scene_r1",
]
# Of gqa's, letters and times.
GROUNDED = ["grounded", "videochat_r1_gqa", "deepvideo_r1_gqa", "deepvideo_r1", "when", "museg", "seed_bench_r1"]

GROUNDED += ["videotg_r1", "scene_r1", "what", "longvila_r1", "video_r1", "primo_r1_qa", "tw_grpo", "vst"]
GROUNDED += ["video_thinker"]
FIT = {
    "vtg": set(WHEN),
    "stvg": {*WHEN, "tubelet", "stvg_r1", "videochat_r1_tracking", "objects"},
    "gqa": set(GROUNDED),
}


@dataclass
class Counted:
    """Toy clips, some of which cannot be loaded, and how many were."""

    task: Task
    count: int = 100
    broken: range = range(0)
    loaded: int = 0

    def __post_init__(self) -> None:
        self.inner = toy_source(FIRST, self.count, toy=self.task.toy)

    @property
    def samples(self) -> Sequence[Sample]:
        return self.inner.samples

    def load(self, sample: Sample) -> LoadedSample:
        if int(sample.video.removeprefix("toy:")) - FIRST in self.broken:
            raise UserError(f"{sample.id} has no frames")
        self.loaded += 1
        return self.inner.load(sample)

    def version(self, sample: Sample) -> str:
        return self.inner.version(sample)


@pytest.fixture
def checked(config: Callable[..., Config]) -> Callable[..., None]:
    def check(source: Counted, skip_broken: bool = False, **task: Any) -> None:
        check_rewards(config(task=task), source.task, source, skip_broken)

    return check


@pytest.mark.parametrize("task", [STVG, VTG, GQA], ids=lambda task: task.name)
@pytest.mark.parametrize("preset", PRESETS)
def test_a_preset_fits_or_is_refused_with_those_that_do(checked: Callable[..., None], task: Task, preset: str) -> None:
    source = Counted(task)
    if preset in FIT[task.name]:
        checked(source, rewards=preset)
        assert source.loaded == 1  # which is enough to know
        return
    with pytest.raises(UserError) as caught:
        checked(source, rewards=preset)
    line = str(caught.value)
    assert "\n" not in line and line.startswith(f"task.rewards={preset}: ")
    assert f" cannot score the answers of task={task.name} to data=toy; presets that fit: " in line
    assert set(line.rpartition("presets that fit: ")[2].split(", ")) == FIT[task.name]
    assert source.loaded == TRIED


def test_it_says_which_rewards_cannot_score(checked: Callable[..., None]) -> None:
    with pytest.raises(UserError, match=r"^task\.rewards=tubelet: id_match, tube_viou cannot"):
        checked(Counted(VTG), rewards="tubelet")
    with pytest.raises(UserError, match=r"^task\.weights: box_iou cannot"):
        checked(Counted(STVG), weights={"box_iou": 1.0})


def test_what_weighs_nothing_is_not_asked(checked: Callable[..., None]) -> None:
    checked(Counted(VTG), rewards="tubelet", weights={"id_match": 0.0, "tube_viou": 0.0})


def test_a_part_that_few_truths_have_is_found(checked: Callable[..., None]) -> None:
    source = Counted(STVG)
    rare = replace(source, task=replace(STVG, name="rare"))

    def load(sample: Sample) -> LoadedSample:
        loaded = source.load(sample)
        if sample.video == f"toy:{FIRST + 99}":  # the last
            return loaded
        truth = replace(loaded.sample.truth, tube=None)
        return replace(loaded, sample=replace(loaded.sample, truth=truth))

    rare.load = load  # type: ignore[method-assign]
    checked(rare, rewards="tubelet")
    assert source.loaded == TRIED


def test_a_sample_that_cannot_be_loaded_stops_or_is_passed_over(checked: Callable[..., None]) -> None:
    with pytest.raises(UserError, match="has no frames"):
        checked(Counted(STVG, broken=range(1)))
    checked(Counted(STVG, broken=range(50)), skip_broken=True)
    checked(Counted(STVG, broken=range(100)), skip_broken=True, rewards="vst")  # nothing is known of such data
