"""Every part in a process of its own and within its limit: one that crashes or hangs stops no other."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from gpu_parts.parts import Part, Place

from grounding.core.checks import printable
from grounding.core.reading import read_json

SCRIPTS = Path(__file__).parents[1]
LEAST = 10.0  # seconds; a part is not begun with less time left
LONGEST_REASON = 300  # characters


@dataclass(frozen=True)
class Outcome:
    """What came of a part.

    Args:
        status: ok; failed; ended (at its limit); or not run.
        seconds: Wall time.
        reason: Why it is not ok.
        figures: What the part told, also if it is not ok.
    """

    status: str
    seconds: float = 0.0
    reason: str = ""
    figures: dict[str, Any] = field(default_factory=dict)


def conduct(parts: Sequence[Part], place: Place, logs: Path, seconds: float) -> Iterator[tuple[Part, Outcome]]:
    """Run parts: first those that need not be alone, side by side, then the others one after another.

    Args:
        parts: The parts.
        place: Where they run; each gets a folder of its own in this one's.
        logs: Takes what each part prints.
        seconds: For all together.

    Yields:
        Each part with its outcome, as soon as it has ended.
    """
    end = time.monotonic() + seconds
    together = [part for part in parts if not part.alone]
    for batch in [together, *([part] for part in parts if part.alone)]:
        with ExitStack() as stack:
            running = []
            for part in batch:
                left = end - time.monotonic()
                if left < LEAST:
                    yield part, Outcome("not run", reason=f"no time was left of {seconds / 60:g} minutes")
                else:
                    running.append(stack.enter_context(_started(part, place, logs, min(part.limit, left))))
            while running:
                for one in list(running):
                    if (outcome := one.look()) is not None:
                        running.remove(one)
                        yield one.part, outcome
                time.sleep(0.05)


@dataclass(frozen=True)
class _Running:
    part: Part
    process: subprocess.Popen[bytes]
    begin: float
    limit: float
    log: Path
    result: Path

    def look(self) -> Outcome | None:
        """What came of it; None while it runs."""
        code, seconds = self.process.poll(), time.monotonic() - self.begin
        if code is None and seconds < self.limit:
            return None
        if code is None:
            _kill(self.process)
            status, reason = "ended", f"it took more than {self.limit:.0f} s"
        elif code < 0:
            status, reason = "failed", f"killed by {signal.Signals(-code).name}; perhaps for want of memory"
        else:
            status, reason = ("failed", _last_line(self.log)) if code else ("ok", "")
        figures = read_json(self.result, "the figures of a part") if self.result.exists() else {}
        return Outcome(status, round(seconds, 1), reason, figures)


@contextmanager
def _started(part: Part, place: Place, logs: Path, limit: float) -> Iterator[_Running]:
    """A part's process; it and all that it started is gone after the block."""
    folder, log, result = place.folder / part.name, logs / f"{part.name}.txt", place.folder / f"{part.name}.json"
    folder.mkdir()
    given = json.dumps({**asdict(place), "folder": str(folder)})
    command = [sys.executable, "-m", "gpu_parts.child", part.call, given, str(result)]
    paths = [str(SCRIPTS), str(SCRIPTS.parent), os.environ.get("PYTHONPATH", "")]
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(filter(None, paths)),
        "TOKENIZERS_PARALLELISM": "false",
        "HF_HUB_OFFLINE": "1",  # nothing is wanted from there, and waiting for it takes long
    }
    if not part.alone or place.device == "cpu":
        # Threads that share cores with others wait for each other.
        environment |= {"OMP_NUM_THREADS": "1", "TORCHINDUCTOR_COMPILE_THREADS": "2"}
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
        try:
            yield _Running(part, process, time.monotonic(), limit, log, result)
        finally:
            _kill(process)


def _kill(process: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)  # its session: what it started, too
    with suppress(subprocess.TimeoutExpired):  # one that hangs in a driver is left behind
        process.wait(timeout=10)


def _last_line(log: Path) -> str:
    lines = [line.strip() for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    last = lines[-1].removeprefix("error: ") if lines else "it printed nothing"
    return printable(last)[:LONGEST_REASON]
