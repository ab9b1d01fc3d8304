"""What the benches measure with: turns, ratios, bars, counts, peak memory, the floor. No time is asserted."""

from __future__ import annotations

import itertools
import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn

sys.path.insert(0, str(Path(__file__).parents[2] / "scripts"))

from benchmarks.floor import repeated_flops, score_and_update_flops, text_flops, vision_flops
from benchmarks.measure import (
    Bar,
    busiest,
    clock,
    counting,
    interleave,
    matmul_rate,
    medians,
    peak_bytes,
    ratio,
    report,
    verdicts,
)
from benchmarks.world import Shape

MIB = 2**20


def test_turns_alternate_and_the_first_is_not_counted() -> None:
    order: list[str] = []
    ticks = itertools.count()  # each call is between two looks at the clock: one tick
    calls = {name: (lambda n=name: order.append(n)) for name in ("a", "b")}
    seconds = interleave(calls, 2, lambda: float(next(ticks)))
    assert order == ["b", "a", "a", "b", "b", "a"]
    assert seconds == {"a": [1.0, 1.0], "b": [1.0, 1.0]}


def test_ratio_is_the_median_of_the_turns() -> None:
    seconds = {"stock": [2.0, 9.0, 4.0], "shared": [1.0, 3.0, 4.0]}
    assert ratio(seconds, "stock", "shared") == 2.0  # of 2, 3 and 1; of the medians it would be 4 / 3
    assert medians(seconds) == {"stock": 4.0, "shared": 3.0}


@pytest.mark.parametrize(
    ("bar", "value", "met", "shown"),
    [
        (Bar("x", 4.0), 4.0, True, ">= 4"),
        (Bar("x", 4.0), 3.9, False, ">= 4"),
        (Bar("x", 2e-5, most=True), 2e-5, True, "<= 2e-05"),
        (Bar("x", 2e-5, most=True), 3e-5, False, "<= 2e-05"),
    ],
)
def test_bars(bar: Bar, value: float, met: bool, shown: str) -> None:
    assert bar.met(value) is met
    assert str(bar) == shown
    assert verdicts({"x": value}, [bar, Bar("unmeasured", 1.0)]) == {"x": f"{shown} {'met' if met else 'MISSED'}"}


def test_peak_is_what_was_alive_together() -> None:
    def work() -> None:
        first = torch.zeros(1024, 1024)  # 4 MiB
        del first
        second = torch.zeros(2048, 1024)  # 8 MiB
        second.repeat(2, 1)  # and 16 MiB beside it

    assert peak_bytes(work) / MIB == pytest.approx(24.0, abs=0.01)


def test_busiest_are_shares_of_the_whole() -> None:
    a = torch.zeros(256, 256)
    shares = busiest(lambda: a @ a, count=2)
    assert "aten::mm" in shares
    assert 0 < sum(shares.values()) <= 1


def test_clock_of_one_cpu_thread_is_not_stretched_by_waiting() -> None:
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        one = clock("cpu")
        torch.set_num_threads(2)
        two = clock("cpu")
    finally:
        torch.set_num_threads(threads)
    assert (one.__name__, two.__name__) == ("process_time", "perf_counter")


def test_matmul_rate_is_a_rate() -> None:
    assert matmul_rate("cpu", torch.float32, size=256) > 1e6


class Tower(nn.Module):
    """Takes `grid_thw` as transformers' towers do."""

    def forward(self, pixels: torch.Tensor, grid_thw: torch.Tensor) -> torch.Tensor:
        return pixels


def fake_model() -> Any:
    layer = nn.Module()
    layer.mlp = nn.Linear(3, 3)
    core = nn.Module()
    core.visual = Tower()
    core.language_model = SimpleNamespace(layers=[layer])
    return SimpleNamespace(model=core)


def test_counting_and_that_it_leaves_nothing_behind() -> None:
    class Maker:
        def __init__(self, name: str, grid: list[list[int]]) -> None:
            self.made = {name: torch.tensor(grid)}

        def preprocess(self) -> dict[str, torch.Tensor]:
            return self.made

    model = fake_model()
    processor = SimpleNamespace(
        image_processor=Maker("image_grid_thw", [[1, 4, 4], [1, 4, 4]]),
        video_processor=Maker("video_grid_thw", [[3, 4, 4]]),
    )

    def work() -> None:
        model.model.visual(torch.zeros(1), grid_thw=torch.tensor([[1, 4, 4], [3, 4, 4]]))
        model.model.visual(torch.zeros(1), torch.tensor([[1, 4, 4]]))
        model.model.language_model.layers[0].mlp(torch.zeros(2, 5, 3))
        processor.image_processor.preprocess()
        processor.video_processor.preprocess()

    with counting(model, processor) as counts:
        work()
    # a still and a video of 3 x 2 frames, then a still; 2 x 5 tokens; two stills and 3 x 2 frames
    assert vars(counts) == {"frames": 8, "tokens": 10, "prepared": 8}
    work()
    assert vars(counts) == {"frames": 8, "tokens": 10, "prepared": 8}


def sized_model() -> Any:
    """One text layer of 10 weights, width 4, 5 tokens known; a tower of 12 + 6 weights and a merger of 8."""
    layers = nn.ModuleList([nn.Linear(5, 2, bias=False)])
    visual = nn.Module()
    visual.block = nn.Linear(4, 3, bias=False)
    visual.merger = nn.Linear(8, 1, bias=False)
    visual.patch_embed = nn.Module()
    visual.patch_embed.proj = nn.Conv1d(1, 2, 3, bias=False)
    config = SimpleNamespace(
        text_config=SimpleNamespace(hidden_size=4, num_hidden_layers=1, vocab_size=5),
        vision_config=SimpleNamespace(
            spatial_merge_size=2, window_size=14, patch_size=7, fullatt_block_indexes=[1], depth=3, hidden_size=3
        ),
    )
    return SimpleNamespace(
        config=config, model=SimpleNamespace(language_model=SimpleNamespace(layers=layers), visual=visual)
    )


def test_flops_by_hand() -> None:
    shape = Shape(frames=2, side=2, completion=4, generations=3)
    model = sized_model()
    # Text: 10 prompt tokens and 12 of answers through 10 weights, 2 FLOPs each: 440.
    # Pairs: 10 * 10 / 2 = 50 in the prompt, 12 * (10 + 4 / 2) = 144 from answers; 4 * 4 FLOPs each: 3104.
    # Head: 12 answer tokens, 4 x 5 weights: 480.
    assert text_flops(model, shape, prompt=10) == 440 + 3104 + 480
    # Vision: 16 patches a frame, 32 in all, through 12 + 6 weights, and the merger's 8 for every 4 patches: 2 * 20.
    # A patch sees 16 patches in the full block and 4 (a window) in each of the other two: 24 pairs, 4 * 3 FLOPs each.
    assert vision_flops(model, shape) == 32 * (40 + 288)
    assert score_and_update_flops(model, shape, prompt=10) == 4 * 4024 + 3 * 10496
    # Repeated, each of 3 completions has 14 tokens (280), 50 + 4 * 12 = 98 pairs (1568), a head (160) and the tower.
    assert repeated_flops(model, shape, prompt=10) == 3 * 4 * (280 + 1568 + 160 + 10496)


def test_report_shows_and_writes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "figures.json"
    for value in (7.25, 8.0):  # a second run overwrites the file
        report("A bench", {"ratio": value, "size": "P 3"}, {"ratio": ">= 7 met"}, {"ratio": value}, out)
    shown = capsys.readouterr().out
    assert all(word in shown for word in ("A bench", "7.25", ">= 7 met", "P 3", str(out.name)))
    assert json.loads(out.read_text()) == {"ratio": 8.0}
