"""How every bench measures: interleaved turns, medians of paired ratios, counts, peak memory, one table, one file.

Other work on the machine slows whatever runs beside it, so seconds mean little on their own. What is compared runs
in turns, and the ratio is the median over the turns. On one CPU thread the clock is the processor time of this
process, which waiting for a core does not stretch.
"""

from __future__ import annotations

import json
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table
from torch.profiler import ProfilerActivity, profile

Seconds = dict[str, list[float]]


@dataclass(frozen=True)
class Bar:
    """What a figure must reach.

    Args:
        figure: Name of the figure.
        bound: Its least value, or its greatest.
        most: True if `bound` is the greatest value.
    """

    figure: str
    bound: float
    most: bool = False

    def met(self, value: float) -> bool:
        """Whether a value is within the bar."""
        return value <= self.bound if self.most else value >= self.bound

    def __str__(self) -> str:
        return f"{'<=' if self.most else '>='} {self.bound:g}"


def clock(device: str) -> Callable[[], float]:
    """Processor time where one CPU thread works, else wall time with an accelerator's queue waited for."""
    if device == "cpu":
        return time.process_time if torch.get_num_threads() == 1 else time.perf_counter

    def wall() -> float:
        torch.cuda.synchronize()
        return time.perf_counter()

    return wall


def timed(call: Callable[[], Any], now: Callable[[], float]) -> float:
    """Seconds of a call by a clock."""
    begin = now()
    call()
    return now() - begin


def interleave(calls: Mapping[str, Callable[[], Any]], repeats: int, now: Callable[[], float]) -> Seconds:
    """Time the calls in turns, each turn in the opposite order; a first turn is not counted.

    Args:
        calls: What to time, by name.
        repeats: Measured turns.
        now: The clock.

    Returns:
        Seconds of every turn, by name.
    """
    seconds: Seconds = {name: [] for name in calls}
    for turn in range(-1, repeats):
        for name in sorted(calls, reverse=bool(turn % 2)):
            spent = timed(calls[name], now)
            if turn >= 0:
                seconds[name].append(spent)
    return seconds


def ratio(seconds: Seconds, slow: str, fast: str) -> float:
    """How many times longer `slow` took than `fast`: the median over turns."""
    return statistics.median(a / b for a, b in zip(seconds[slow], seconds[fast], strict=True))


def medians(seconds: Seconds) -> dict[str, float]:
    """Median seconds, by name."""
    return {name: statistics.median(values) for name, values in seconds.items()}


def peak_bytes(call: Callable[[], Any], device: str = "cpu") -> int:
    """Most bytes of tensors that were alive at one time, above what was alive before.

    On a CPU this adds up the allocations that torch's profiler records; a process's resident size would also hold
    what earlier work left behind.
    """
    if device != "cpu":
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        call()
        return torch.cuda.max_memory_allocated() - before
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as recorded:
        call()
    with tempfile.TemporaryDirectory() as folder:
        trace = Path(folder) / "trace.json"
        recorded.export_chrome_trace(str(trace))
        events = json.loads(trace.read_text(encoding="utf-8"))["traceEvents"]
    changes = sorted((e["ts"], e["args"]["Bytes"]) for e in events if e.get("name") == "[memory]")
    alive = peak = 0
    for _, change in changes:
        alive += change
        peak = max(peak, alive)
    return peak


def busiest(call: Callable[[], Any], device: str = "cpu", count: int = 6) -> dict[str, float]:
    """The operators that took most time, each with its share of all operators' own time."""
    activity = ProfilerActivity.CPU if device == "cpu" else ProfilerActivity.CUDA
    with profile(activities=[activity]) as recorded:
        call()
    key = "self_cpu_time_total" if device == "cpu" else "self_device_time_total"
    spent = {event.key: getattr(event, key) for event in recorded.key_averages()}
    total = sum(spent.values())
    first = sorted(spent, key=spent.__getitem__, reverse=True)[:count]
    return {name: spent[name] / total for name in first}


def matmul_rate(device: str, dtype: torch.dtype, size: int = 1024) -> float:
    """FLOPs a second of a square matrix product, the best of five."""
    a, b = (torch.randn(size, size, device=device, dtype=dtype) for _ in range(2))
    seconds = min(timed(lambda: a @ b, clock(device)) for _ in range(5))
    return 2 * size**3 / seconds


@dataclass
class Counts:
    """What was done while counting.

    Args:
        frames: Frames that went through the vision tower (a still is one; a video patch in time holds two).
        tokens: Token positions that went through the first text layer.
        prepared: Frames that were resized and cut into patches.
    """

    frames: int = 0
    tokens: int = 0
    prepared: int = 0


@contextmanager
def counting(model: Any, processor: Any) -> Iterator[Counts]:
    """Count the work of a model and a processor for as long as the block lasts."""
    counts = Counts()
    core = model.model

    def tower(_: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        grid = kwargs["grid_thw"] if "grid_thw" in kwargs else args[1]
        counts.frames += _frames(grid)

    def layer(_: Any, args: tuple[Any, ...]) -> None:
        counts.tokens += args[0].shape[:-1].numel()

    hooks = [
        core.visual.register_forward_pre_hook(tower, with_kwargs=True),
        core.language_model.layers[0].mlp.register_forward_pre_hook(layer),
    ]
    makers = [processor.image_processor, processor.video_processor]
    for maker in makers:
        maker.preprocess = _counted(maker.preprocess, counts)
    try:
        yield counts
    finally:
        for hook in hooks:
            hook.remove()
        for maker in makers:
            del maker.preprocess


def report(title: str, lines: Mapping[str, Any], bars: Mapping[str, str], figures: Any, out: Path | None) -> None:
    """Show the figures in a table, each with its bar, and write all of them to a file if asked to."""
    from grounding.core.files import write_json

    table = Table("figure", "value", "bar", title=title, title_justify="left")
    for name, value in lines.items():
        table.add_row(name, f"{value:.4g}" if isinstance(value, float) else str(value), bars.get(name, ""))
    Console(width=120).print(table)
    if out is not None:
        write_json(out, figures, overwrite=True)
        print(f"wrote {out}")


def verdicts(figures: Mapping[str, float], bars: list[Bar]) -> dict[str, str]:
    """What each bar asks for and whether it is met; a figure that was not measured has none."""
    found = [bar for bar in bars if bar.figure in figures]
    return {bar.figure: f"{bar} {'met' if bar.met(figures[bar.figure]) else 'MISSED'}" for bar in found}


def _counted(preprocess: Callable[..., Any], counts: Counts) -> Callable[..., Any]:
    def call(*args: Any, **kwargs: Any) -> Any:
        made = preprocess(*args, **kwargs)
        grid = made["image_grid_thw"] if "image_grid_thw" in made else made["video_grid_thw"]
        counts.prepared += _frames(torch.as_tensor(grid))
        return made

    return call


def _frames(grid: torch.Tensor) -> int:
    """Frames of stills and videos, (N, 3); a grid of one patch in time is a still that was doubled."""
    return sum(int(t) * (1 if t == 1 else 2) for t in grid[:, 0])
