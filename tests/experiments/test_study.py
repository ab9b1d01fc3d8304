"""Studies: which runs they make, what they gather, and that a stopped one goes on."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest

from grounding.core import UserError
from grounding.experiments.study import Reached, Study, interval, reached_by, run_study, table

SMALL = (
    *("task=vtg", "data.eval_samples=2", "data.fps=1", "data.train_clips=4", "model.max_new_tokens=4"),
    *("trainer.prompts=2", "trainer.groups_per_pass=2", "objective.generations=2", "trainer.eval_batch=2"),
)
STUDY = Study(
    name="try",
    options=SMALL,
    start=("stages=[]",),
    arms={"one": ("stages=[grpo]", "trainer.max_steps=1"), "two, more": ("stages=[grpo]", "trainer.max_steps=2")},
    seeds=(0, 1),
    metric="mIoU",
)


def written(folder: Path, arm: str, seed: int, after: float, seconds: float) -> None:
    out = folder / f"{arm}-{seed}"
    out.mkdir()
    cost = {"rollout": {"seconds": seconds, "operations": 2.0}, "update": {"seconds": 1.0, "operations": 6.0}}
    (out / "summary.json").write_text(
        json.dumps({"before": {"mIoU": 0.25}, "after": {"mIoU": after}, "cost": cost}), encoding="utf-8"
    )


def test_an_arm_is_gathered_from_its_summaries(tmp_path: Path) -> None:
    written(tmp_path, "one", 0, 0.5, 3.0)
    written(tmp_path, "one", 1, 0.75, 5.0)
    found = reached_by(STUDY, tmp_path, "one")
    assert (found.before, found.after) == ([0.25, 0.25], [0.5, 0.75])
    assert (found.seconds, found.operations) == ([4.0, 6.0], [8.0, 8.0])
    assert found.costs == {
        "rollout": {"seconds": 4.0, "operations": 2.0},
        "update": {"seconds": 1.0, "operations": 6.0},
    }


def test_what_a_server_took_is_not_known(tmp_path: Path) -> None:
    for seed in STUDY.seeds:
        written(tmp_path, "one", seed, 0.5, 3.0)
    file = tmp_path / "one-0" / "summary.json"
    said = json.loads(file.read_text())
    said["cost"]["rollout"]["operations"] = None
    file.write_text(json.dumps(said))
    found = reached_by(STUDY, tmp_path, "one")
    assert math.isnan(found.operations[0]) and found.operations[1] == 8.0


def test_a_damaged_summary_is_named(tmp_path: Path) -> None:
    written(tmp_path, "one", 0, 0.5, 3.0)
    (tmp_path / "one-1").mkdir()
    (tmp_path / "one-1" / "summary.json").write_text('{"before": {}, "after": {}, "cost": {}}')
    with pytest.raises(UserError, match=r"a summary of one in .* is damaged: .*mIoU"):
        reached_by(STUDY, tmp_path, "one")


def test_an_interval_is_students() -> None:
    # Mean 0.6, standard deviation 0.1; of 3 values half of the interval is 4.303 (t table) x 0.1 / sqrt(3) = 0.248.
    assert interval([0.5, 0.6, 0.7]) == "0.600 ± 0.248"
    assert interval([0.5]) == "0.500"


def test_the_table_holds_each_arm_against_the_first() -> None:
    first = Reached("one", [0.2, 0.2], [0.5, 0.7], [10.0, 10.0], [100.0, 100.0], {"rollout": {"seconds": 10.0}})
    other = replace(first, arm="two", after=[0.6, 0.8], seconds=[2.0, 3.0], operations=[25.0, 25.0])
    rows = table(STUDY, [first, other]).splitlines()
    assert rows[-2] == "| one | 0.200 ± 0.000 | 0.600 ± 1.271 |  | 1.00 | 1.00 | 10 |"
    assert rows[-1] == "| two | 0.200 ± 0.000 | 0.700 ± 1.271 | 0.100 ± 0.000 | 0.25 | 0.25 | 10 |"


@pytest.mark.slow
def test_a_study_runs_and_goes_on_where_it_stopped(tmp_path: Path) -> None:
    wrong = replace(STUDY, arms={**STUDY.arms, "two, more": ("stages=[grpo]", "trainer.max_steps=-2")}, seeds=(0,))
    with pytest.raises(UserError, match=r"two, more-0: .*trainer\.max_steps must be 0 or more, got -2"):
        run_study(wrong, tmp_path, jobs=1)
    made = {path: path.stat().st_mtime_ns for path in tmp_path.glob("*/summary.json")}
    assert {path.parent.name for path in made} == {"start-0", "one-0"}
    reached = run_study(replace(STUDY, seeds=(0,)), tmp_path, jobs=1)
    assert [one.arm for one in reached] == ["one", "two, more"]
    assert all(path.stat().st_mtime_ns == then for path, then in made.items())
    assert reached[0].operations[0] < reached[1].operations[0]
    assert "| two, more |" in (tmp_path / "table.md").read_text()
    assert (tmp_path / "plot.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("jobs", [0, -1, 257])
def test_jobs_are_a_number_of_runs(jobs: int, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=rf"--jobs must be 1 to 256, got {jobs}"):
        run_study(STUDY, tmp_path, jobs)
