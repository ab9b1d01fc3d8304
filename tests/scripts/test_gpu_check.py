"""`scripts/gpu_check.py`: no part stops another, what is known is on disk, and its own arithmetic is right."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

sys.path.insert(0, str(Path(__file__).parents[2] / "scripts"))

import gpu_check
from benchmarks.floor import score_and_update_flops
from benchmarks.world import Machine, Shape, build_model
from gpu_parts import attention, runs, stand_ins, steps
from gpu_parts.child import finite
from gpu_parts.conduct import Outcome, conduct
from gpu_parts.parts import PARTS, Part, Place
from gpu_parts.peak import mfu, peak_flops
from gpu_parts.report import FIGURES, TABLE, line, table
from safetensors.torch import save_file

from grounding.core import Answer, UserError
from grounding.policies.shared_attention import Packed
from rewards import Meta

Command = Callable[..., "subprocess.CompletedProcess[str]"]

FAKE = """
import json, os, subprocess, sys, time
from pathlib import Path

def good(place, tell):
    tell(value=1.5, bad=float("nan"), result="all | is\\nwell")

def wrong(place, tell):
    tell(half=1, result="half of it")
    raise ValueError("the other half is not to be had")

def killed(place, tell):
    os.kill(os.getpid(), 9)

def hangs(place, tell):
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    tell(child=child.pid, result="it began")
    time.sleep(600)

def lacks(place, tell):
    import no_such_package

def looks(place, tell):
    tell(seen=sorted(json.loads(Path(os.environ["FIGURES"]).read_text())["parts"]))
"""


def fake(name: str, *, limit: float = 60.0, alone: bool = True) -> Part:
    return Part(name, f"fake_parts:{name}", limit, f"what {name} does", alone)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    """Where parts of `fake_parts` run."""
    (tmp_path / "fake_parts.py").write_text(FAKE)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    (tmp_path / "work").mkdir()
    (tmp_path / "logs").mkdir()
    return Place("cpu", None, True, tmp_path / "work")


def outcomes(parts: list[Part], place: Place, seconds: float = 600.0) -> dict[str, Outcome]:
    return {part.name: outcome for part, outcome in conduct(parts, place, place.folder.parent / "logs", seconds)}


def gone(pid: int) -> bool:
    """Whether a process ends within seconds; one that nobody has waited for yet counts as ended."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except (FileNotFoundError, ProcessLookupError):  # the latter if it ends while it is read
            return True
        time.sleep(0.05)
    return False


@pytest.mark.parametrize("alone", [True, False])
def test_a_part_that_fails_stops_no_other(place: Place, alone: bool) -> None:
    names = ["wrong", "killed", "lacks", "good"]
    found = outcomes([fake(name, alone=alone) for name in names], place)
    assert {name: one.status for name, one in found.items()} == dict.fromkeys(names[:3], "failed") | {"good": "ok"}
    assert found["wrong"].reason == "ValueError: the other half is not to be had"
    assert found["wrong"].figures["half"] == 1  # what it had told stays
    assert "SIGKILL" in found["killed"].reason
    assert found["lacks"].reason.startswith("no_such_package is not installed")
    assert found["good"].figures["value"] == 1.5
    assert found["good"].figures["bad"] is None
    assert "Traceback" in (place.folder.parent / "logs" / "wrong.txt").read_text()


def test_a_part_that_takes_too_long_is_ended_with_all_that_it_started(place: Place) -> None:
    begin = time.monotonic()
    found = outcomes([fake("hangs", limit=10.0), fake("good")], place)
    assert time.monotonic() - begin < 60
    assert (found["hangs"].status, found["hangs"].reason) == ("ended", "it took more than 10 s")
    assert found["hangs"].figures["result"] == "it began"
    assert gone(found["hangs"].figures["child"])
    assert found["good"].status == "ok"


def test_without_time_left_a_part_is_not_begun(place: Place) -> None:
    found = outcomes([fake("good")], place, seconds=6.0)
    assert found == {"good": Outcome("not run", reason="no time was left of 0.1 minutes")}


def test_a_conductor_that_is_stopped_leaves_nobody_behind(place: Place) -> None:
    going = conduct([fake("hangs", alone=False), fake("good", alone=False)], place, place.folder.parent / "logs", 600)
    told = place.folder / "hangs.json"
    assert next(going)[0].name == "good"
    while not told.exists():
        time.sleep(0.05)
    going.close()
    assert gone(json.loads(told.read_text())["child"])


def test_all_that_is_known_is_on_disk_after_each_part(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    monkeypatch.setenv("FIGURES", str(out / FIGURES))
    monkeypatch.setattr(gpu_check, "PARTS", (fake("good"), fake("wrong"), fake("looks")))
    monkeypatch.setattr(gpu_check, "alone", lambda *_: {"device": "cpu", "card": None, "tiny": True})
    with pytest.raises(SystemExit) as ended:
        gpu_check.main(gpu_check.Options(out, tiny=True))
    assert ended.value.code == 1  # a part failed
    found = json.loads((out / FIGURES).read_text())["parts"]
    assert found["looks"]["figures"]["seen"] == ["good", "wrong"]
    assert [one["status"] for one in found.values()] == ["ok", "failed", "ok"]
    lines = capsys.readouterr().out.splitlines()
    assert [text.split()[:2] for text in lines[:3]] == [["good", "ok"], ["wrong", "failed"], ["looks", "ok"]]
    assert "the other half is not to be had; until then: half of it" in lines[1]
    rows = [text for text in (out / TABLE).read_text().splitlines() if text.startswith("| ")][1:]
    assert [row.split(" | ")[0] for row in rows] == ["| good", "| wrong", "| looks"]
    assert "all \\| is well" in rows[0]
    with pytest.raises(UserError, match="out exists already"):
        gpu_check.main(gpu_check.Options(out, tiny=True))


def test_every_part_has_one_row_and_a_function() -> None:
    found = {part.name: Outcome("not run", reason="no GPU") for part in PARTS}
    rows = table({"card": None, "torch": "2.11"}, PARTS, found).splitlines()
    assert rows[0] == "torch 2.11"
    assert [row.split(" | ")[0].removeprefix("| ") for row in rows[4:]] == [part.name for part in PARTS]
    for part in PARTS:
        module, _, function = part.call.partition(":")
        assert (
            f"def {function}(place: Place, tell: Tell)"
            in (Path(gpu_check.__file__).parent / f"{module.replace('.', '/')}.py").read_text()
        )
        assert part.name in line(part, found[part.name])


def test_numbers_that_json_cannot_hold_become_none() -> None:
    assert finite({"a": [1.0, float("inf")], 2: (float("nan"), "x")}) == {"a": [1.0, None], "2": [None, "x"]}


@pytest.mark.parametrize(
    ("card", "peak"),
    [
        ("NVIDIA H200", 989e12),
        ("NVIDIA H100 80GB HBM3", 989e12),
        ("NVIDIA H100 PCIe", None),
        ("NVIDIA H200 NVL", None),
        ("NVIDIA GH200 480GB", None),
        ("NVIDIA A100-SXM4-80GB", None),
        (None, None),
    ],
)
def test_a_cards_peak_is_known_by_its_name_or_not_at_all(card: str | None, peak: float | None) -> None:
    assert peak_flops(card) == peak


def test_mfu_of_a_group_worked_out_by_hand() -> None:
    model, _ = build_model(Machine(size="trial"), frozen=False)
    shape = Shape(frames=1, side=2, completion=3, generations=2)
    # Text, P = 10: matrices of 4 layers: 4 (4 x 128^2 + 3 x 128 x 256) = 655,360; tokens 10 + 2 x 3 = 16; pairs
    # 10^2 / 2 + 6 (10 + 1.5) = 119; so 2 x 655,360 x 16 + 4 x 128 x 4 x 119 + 2 x 128 x 512 x 6.
    text = 20_971_520 + 243_712 + 786_432
    # Tower: 16 patches. A patch: layers 655,360, its embedding 3 x 2 x 14^2 x 128 = 150,528, a quarter of the merger
    # (512^2 + 512 x 128) / 4 = 81,920; it sees all 16 patches in each of 4 layers.
    tower = 16 * (2 * (655_360 + 150_528 + 81_920) + 4 * 128 * 64)
    flops = score_and_update_flops(model, shape, prompt=10)
    assert flops == 4 * text + 3 * tower == 174_809_088
    assert mfu(989e12, 2.0, "NVIDIA H200") == 0.5
    assert mfu(flops, 1.0, "some other card") is None


def test_a_dense_mask_shows_a_completion_its_prompt_and_itself() -> None:
    case = attention.Case([2, 1], [[1, 2], [1]], (1, 1, 8))
    mask = attention.dense_mask(case, "cpu").int().tolist()
    assert mask == [
        [1, 0, 0, 0, 0, 0, 0],
        [1, 1, 0, 0, 0, 0, 0],
        [0, 0, 1, 0, 0, 0, 0],  # the second prompt
        [1, 1, 0, 1, 0, 0, 0],
        [1, 1, 0, 0, 1, 0, 0],
        [1, 1, 0, 0, 1, 1, 0],
        [0, 0, 1, 0, 0, 0, 1],
    ]


def test_a_kernel_that_is_wrong_is_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    case = [attention.Case([6], [[3, 2]], (4, 2, 16))]
    right = attention.differences(case, torch.float32, "cpu")
    assert all(0 < value < 1e-5 for pair in right.values() for value in pair)
    original = Packed.attend

    def without_prompt(self: Any, layer: int, query: Any, key: Any, value: Any, scale: float) -> Any:
        return original(self, layer, query, key * torch.linspace(1, 2, key.shape[1])[:, None, None], value, scale)

    monkeypatch.setattr(Packed, "attend", without_prompt)
    wrong = attention.differences(case, torch.float32, "cpu")
    assert all(kernel > 0.01 and dense < 1e-5 for kernel, dense in wrong.values())


def test_a_side_that_runs_out_of_memory_is_said_and_the_others_are_told() -> None:
    def too_large(*_: Any) -> Any:
        raise torch.OutOfMemoryError("CUDA out of memory")

    shape = Shape(completion=4, generations=2)
    assert steps.measured(too_large, shape, Machine(), Place("cpu", None, True, Path())) is None
    figures = {"prompt_tokens": 50, "seconds": 0.5, "peak_gib": 1.0, "mfu": None}
    ours = steps.Measured(figures, torch.zeros(2, 4), {}, None)
    found = steps.row(shape, {"ours": ours, "TRL": None})
    assert found["sides"]["TRL"] is None
    assert found["sides"]["ours"]["over_ours"] == 1.0
    assert steps.sentence(found).startswith(
        "P 50, C 4, G 2: out of memory / - / 0.5 s (out of memory / - / 1.00 x ours)"
    )


def test_completions_without_a_word_are_rewarded_differently() -> None:
    truth, meta = Answer(), Meta("")
    drawn = [stand_ins.in_turn(Answer(), truth, meta) for _ in range(4)]
    assert drawn in ([0.0, 1.0] * 2, [1.0, 0.0] * 2)
    assert stand_ins.letters(Answer(), truth, Meta("ab")) == 0.8  # 97 + 98 = 17 x 11 + 8


def write_run(folder: Path, losses: list[float], weight: float) -> Path:
    (folder / "model").mkdir(parents=True)
    rows = [{"phase": "grpo", "step": n, "loss": x, "seconds/step": n * weight} for n, x in enumerate(losses, start=1)]
    (folder / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    save_file({"a": torch.zeros(3), "b": torch.tensor([1.0, weight])}, folder / "model" / "model.safetensors")
    return folder


def test_runs_are_compared_by_figures_and_weights_but_not_by_time(tmp_path: Path) -> None:
    one = write_run(tmp_path / "one", [0.5, 0.25], 2.0)
    same = runs.compared(one, one)
    assert same == {"equal": True, "first": None, "largest_figure": 0.0, "largest_weight": 0.0, "steps": 2}
    other = runs.compared(one, write_run(tmp_path / "other", [0.5, 0.5], 2.5))
    assert other == {
        "equal": False,
        "first": ["grpo", 2, "loss"],
        "largest_figure": 0.25,
        "largest_weight": 0.5,
        "steps": 2,
    }
    assert runs.sentence(other).startswith("not equal: first loss at step 2 of grpo")
    assert not runs.compared(one, write_run(tmp_path / "weights", [0.5, 0.25], 3.0))["equal"]
    assert not runs.compared(one, write_run(tmp_path / "shorter", [0.5], 2.0))["equal"]


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--only", "atention"], "there is no part atention; choose of attention, "),
        (["--minutes", "0"], "--minutes must be more than 0, got 0"),
    ],
)
def test_a_mistake_is_one_line_and_status_2(command: Command, tmp_path: Path, arguments: list[str], named: str) -> None:
    done = command("gpu_check.py", "--out", "out", *arguments)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert done.stderr.startswith(f"error: {named}")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
@pytest.mark.skipif(torch.cuda.is_available(), reason="is no mistake here")
def test_a_missing_gpu_is_said(command: Command, tmp_path: Path) -> None:
    done = command("gpu_check.py", "--out", "out")
    assert done.returncode == 2
    assert done.stderr.startswith("error: no CUDA GPU")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_the_cheap_parts_run_at_the_smallest_sizes(command: Command, tmp_path: Path) -> None:
    names = ["attention", "step_7b_lora", "rollout"]
    done = command("gpu_check.py", "--out", "out", "--tiny", "--only", *names)
    assert done.returncode == 0, done.stdout + done.stderr
    parts = json.loads((tmp_path / "out" / FIGURES).read_text())["parts"]
    assert sorted(parts) == sorted(names)
    for kind, most in (("bfloat16", 0.05), ("float32", 1e-5)):
        for pair in parts["attention"]["figures"][kind].values():
            assert all(0 < value < most for value in pair)
    rollout = parts["rollout"]["figures"]["trial"]
    assert rollout["equal_tokens"] == 1.0  # step by step, as graphs do it, and as the engine does
    assert rollout["graphs"] is None
    assert rollout["whole"] > 0
    taken = parts["step_7b_lora"]["figures"]["steps"]
    assert [step["grad_norm"] > 0 for step in taken] == [True, True]
    assert (tmp_path / "out" / "logs" / "attention.txt").is_file()
