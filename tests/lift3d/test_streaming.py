"""A scene of 2,000 frames passes through the command: memory does not grow with the frames, time grows with them."""

from __future__ import annotations

from pathlib import Path

import pytest
from benchmarks import lift, lift_work


@pytest.mark.slow
def test_two_thousand_frames_stream(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(lift, "COLOUR", (120, 160))
    found = {}
    for frames in (200, 2000):
        found[frames] = lift.command(tmp_path / str(frames), lift_work.Work(20_000, frames, 6, (120, 160)))
    with capsys.disabled():
        print(f"\n200 and 2,000 frames: {found}")
    assert found[2000]["mb_command"] <= 1.3 * found[200]["mb_command"]
    assert found[2000]["seconds_command"] <= 12 * found[200]["seconds_command"]
