"""`bench.py rewards`: tube vIoU for a group against the loop of HC-STVG's evaluation, and time a text of every part.

Hostile texts are those of `scripts/fuzz.py`: every parser, the forgiving ones and every reward on each of them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
from benchmarks.measure import Bar, interleave, medians, ratio, timed
from fuzz import PARSERS, TRUTH, WANTED, long_texts, meta_of

from grounding.core import Answer, Interval, ParseFailure, Tube
from grounding.tasks import answers, boxes, objects, stvg, vtg
from grounding.tasks.lenient import Lenient
from rewards import PRESETS, REWARDS, Meta, WeightedSum, tube_vious

BARS = [
    Bar("ratio_official_loop", 5.0),
    Bar("ms_slowest_parser_2kB", 1.0, most=True),
    Bar("ms_slowest_hostile_2kB", 1.0, most=True),
    Bar("growth_8_times_the_text", 16.0, most=True),  # 8 is linear, 64 quadratic
]
FRAMES = 100
GROUP = 8


def rewards(calls: int, repeats: int, longest: int = 100_000) -> dict[str, Any]:
    """Every figure of the bench, on one core.

    Args:
        calls: How often a timed turn goes over its work.
        repeats: Measured turns.
        longest: Characters of the longest hostile text.
    """
    said, true = tubes(GROUP), tubes(GROUP)
    forms: dict[str, Callable[[], Sequence[float] | np.ndarray]] = {
        "official_loop": lambda: [official_viou(a, b) for a, b in zip(said, true, strict=True)],
        "single": lambda: [a.viou(b) for a, b in zip(said, true, strict=True)],
        "batched": lambda: tube_vious(said, true),
    }
    for form in forms.values():
        np.testing.assert_allclose(form(), forms["single"](), rtol=1e-9)
    seconds = interleave({n: partial(_often, call, calls) for n, call in forms.items()}, repeats, time.process_time)
    parsers = interleave(
        {name: partial(_often, partial(parse, text), calls) for name, (parse, text) in reading().items()},
        repeats,
        time.process_time,
    )
    hostile = {name: on_hostile(read, repeats, longest) for name, read in readers().items()}
    a_text = {name: value / calls * 1e3 for name, value in medians(parsers).items()}
    return {
        "ratio_official_loop": ratio(seconds, "official_loop", "batched"),
        "ratio_single": ratio(seconds, "single", "batched"),
        "ms_slowest_parser_2kB": max(a_text.values()),
        "ms_slowest_hostile_2kB": max(one["ms_2kB"] for one in hostile.values()),
        "growth_8_times_the_text": max(one["growth"] for one in hostile.values()),
        "hostile": hostile,
        "us_a_tube": {name: value / calls / GROUP * 1e6 for name, value in medians(seconds).items()},
        "us_a_text": {name: value * 1e3 for name, value in a_text.items()},
    }


def summary(found: dict[str, Any]) -> dict[str, Any]:
    """The lines of the table."""
    lines = {name: found[name] for name in (*(bar.figure for bar in BARS), "ratio_single")}
    tubes = {f"{name}, a tube of {FRAMES} frames": f"{value:.1f} us" for name, value in found["us_a_tube"].items()}
    texts = {f"{name}, a text of 2 kB": f"{value:.1f} us" for name, value in found["us_a_text"].items()}
    return {**lines, **tubes, **texts}


def tubes(count: int) -> list[Tube]:
    """Tubes over the same frames, with boxes that overlap in part."""
    rng = np.random.default_rng(0)
    corners = rng.uniform(50, 200, (count, FRAMES, 2))
    return [Tube(10, np.concatenate([one, one + rng.uniform(20, 200, one.shape)], axis=1)) for one in corners]


def official_viou(said: Tube, true: Tube) -> float:
    """Volume IoU frame by frame in plain Python, as HC-STVG's evaluation goes about it (our own writing)."""
    first, last = max(said.start_frame, true.start_frame), min(said.frames.stop, true.frames.stop)
    union = max(said.frames.stop, true.frames.stop) - min(said.start_frame, true.start_frame)
    mine, theirs = said.boxes.tolist(), true.boxes.tolist()
    total = 0.0
    for frame in range(first, last):
        a, b = mine[frame - said.start_frame], theirs[frame - true.start_frame]
        width = min(a[2], b[2]) - max(a[0], b[0])
        height = min(a[3], b[3]) - max(a[1], b[1])
        both = width * height if width > 0 and height > 0 else 0.0
        total += both / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - both)
    return total / union


def reading() -> dict[str, tuple[Callable[[str], Any], str]]:
    """Every parser, and the whole sum of a preset, with a text of 2 kB that it reads."""
    blocks: dict[str, tuple[Callable[[str], Answer | ParseFailure], str]] = {
        "stvg": (stvg.parse, "Target ID: 3, Time range: 2.0 to 7.0"),
        "time range": (vtg.parse, "0:02 to 0:07.5"),
        "time ranges": (vtg.parse_segments, " ".join(f"{s}.5-{s + 1}.25" for s in range(64))),
        "ids": (objects.parse_all, ", ".join(map(str, range(1, 65)))),
        "box": (partial(boxes.parse_box, size=(720, 1280)), '{"bbox_2d": [1, 2, 30.5, 40], "label": "chair"}'),
        "choices": (partial(answers.parse_choices, options=5), "A, C"),
        "progress": (answers.parse_progress, "45%"),
    }
    made = {name: (parse, _text(block)) for name, (parse, block) in blocks.items()}
    total, truth = WeightedSum(PRESETS["tubelet"]), Answer(Interval(2.0, 6.0), 3, tubes(1)[0])
    said = Answer(Interval(2.0, 7.0), 3, tubes(2)[1])
    return {**made, "all of preset tubelet": (lambda text: total.parts(said, truth, Meta(text)), _text("3"))}


def readers() -> dict[str, Callable[[str], Any]]:
    """Every parser, every forgiving one and every reward, as functions of a text."""
    lenient = {f"lenient {name}": Lenient(PARSERS[name], wanted) for name, wanted in WANTED.items()}
    return {**PARSERS, **lenient, **{name: partial(_rewarded, name) for name in REWARDS}}


def on_hostile(read: Callable[[str], Any], repeats: int, longest: int) -> dict[str, float]:
    """The slowest text of 2 kB in milliseconds, and how many times longer one takes than its eighth at most.

    Each time is the least of some: what other work on the machine takes is not the parser's. Less than 50
    microseconds count as that.
    """
    short = [_least(partial(read, text), repeats) for text in long_texts(2_000)]
    pairs = zip(long_texts(longest // 8), long_texts(longest), strict=True)
    growth = [
        _least(partial(read, large), repeats) / max(_least(partial(read, small), repeats), 5e-5)
        for small, large in pairs
    ]
    return {"ms_2kB": max(short) * 1e3, "growth": max(growth)}


def _rewarded(name: str, text: str) -> float | None:
    where = {"tube": TRUTH.tube, "box": (1, 2, 3, 4), "point": (1, 2)}
    what = {"object_id": 3, "object_ids": frozenset([3]), "choices": frozenset("B"), "text": text, "number": 40.0}
    said = Answer(interval=Interval(1, 2), intervals=(Interval(1, 2),), **where, **what)  # type: ignore[arg-type]
    return REWARDS[name](said, TRUTH, meta_of(text))


def _least(call: Callable[[], Any], repeats: int) -> float:
    return min(timed(call, time.process_time) for _ in range(repeats + 2))


def _text(block: str) -> str:
    answer = f"</think> <answer>{block}</answer>"
    return f"<think>{'it moves on ' * 200}"[: 2000 - len(answer)] + answer


def _often(call: Callable[[], Any], calls: int) -> None:
    for _ in range(calls):
        call()
