"""`scripts/draw_ids.py` and `scripts/convert_masks.py` as commands."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from grounding.core import write_video
from grounding.core.video import probe

Command = Callable[..., "subprocess.CompletedProcess[str]"]

pytestmark = pytest.mark.slow


@pytest.fixture
def inputs(tmp_path: Path) -> Path:
    """10 frames with two boxes that move right."""
    write_video(tmp_path / "v.mp4", [np.full((60, 80, 3), 90, np.uint8)] * 10, 5.0)
    lines = [f"{t + 1},{i},{5 + t + 30 * i},10,20,30\n" for t in range(10) for i in (1, 2)]
    (tmp_path / "m.txt").write_text("".join(lines))
    return tmp_path


def test_a_video_with_ids_stills_and_legend(command: Command, inputs: Path) -> None:
    arguments = ["--masks", "m.txt", "--out", "o.mp4", "--frames", "stills", "--legend", "l.json"]
    look = ["--anchor", "above", "--palette", "okabe-ito"]
    done = command("draw_ids.py", "v.mp4", *arguments, "--style", "badge+box", "--size", "14", *look)
    assert (done.returncode, done.stdout) == (0, "wrote o.mp4, stills, l.json: 2 objects on 10 frames\n"), done.stderr
    assert "Drawing IDs" in done.stderr
    (first, second) = json.loads((inputs / "l.json").read_text())["frames"][0]
    assert (first["colour"], second["colour"]) == ([230, 159, 0], [86, 180, 233])
    # The boxes are [35, 10, 55, 40] and [65, 10, 85, 40], cut at 80: at their upper edges stand badges of 14.
    assert first["box"][1] == second["box"][1] == 0 and abs(first["box"][0] - 38) <= 1
    assert probe(inputs / "o.mp4").frame_count == 10
    assert len(list((inputs / "stills").iterdir())) == 4  # 2 s at 2 a second
    assert [len(marks) for marks in json.loads((inputs / "l.json").read_text())["frames"]] == [2] * 10


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (["--masks", "none.txt"], "none.txt is neither a file nor a folder"),
        (["--masks", "v.mp4"], "in no known format"),
        (["--masks", "late.txt"], "late.txt, row 1: frame 10 is beyond the video"),
        (["--style", "neon"], "style"),
        (["--size", "0"], "marker size must be"),
        (["--anchor", "left"], "marker anchor must be one of inside, centre, above, got 'left'"),
        (["--palette", "#e20000,blue"], "a palette must be one of distinct, okabe-ito, colours such as"),
        (["--out", "o.avi"], "end"),
        (["--out", "m.txt"], "m.txt"),
        (["--frames", "."], "exists already"),
        (["--frames-per-second", "0"], "must be a number > 0"),
    ],
)
def test_a_mistake_is_one_line_and_status_2(command: Command, inputs: Path, change: list[str], named: str) -> None:
    (inputs / "late.txt").write_text("11,1,0,0,5,5\n")
    before = sorted(inputs.iterdir())
    options = {"--masks": "m.txt", "--out": "o.mp4"} | {change[0]: change[1]}
    done = command("draw_ids.py", "v.mp4", *[word for option in options.items() for word in option])
    errors = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert done.returncode == 2 and len(errors) == 1 and named in errors[0], done.stderr
    assert "Traceback" not in done.stderr
    assert sorted(inputs.iterdir()) == before


def test_a_missing_video_and_a_missing_option(command: Command, inputs: Path) -> None:
    assert "none.mp4: No such file" in command("draw_ids.py", "none.mp4", "--masks", "m", "--out", "o.mp4").stderr
    assert command("draw_ids.py", "v.mp4", "--masks", "m.txt").returncode == 2


def test_nothing_is_overwritten_unasked(command: Command, inputs: Path) -> None:
    (inputs / "o.mp4").write_bytes(b"mine")
    arguments = ["v.mp4", "--masks", "m.txt", "--out", "o.mp4"]
    done = command("draw_ids.py", *arguments)
    assert done.returncode == 2 and "o.mp4 exists already" in done.stderr
    assert (inputs / "o.mp4").read_bytes() == b"mine"
    assert command("draw_ids.py", *arguments, "--overwrite").returncode == 0
    assert probe(inputs / "o.mp4").frame_count == 10


def test_no_output_is_an_input(command: Command, inputs: Path) -> None:
    """Not even with --overwrite: neither the video, nor the masks, nor one of a folder of masks."""
    (inputs / "maps").mkdir()
    assert command("convert_masks.py", "v.mp4", "--masks", "m.txt", "--out", "maps").returncode == 0
    before = {path: path.read_bytes() for path in inputs.rglob("*") if path.is_file()}
    for masks, option, value in (
        ("m.txt", "--out", "v.mp4"),
        ("m.txt", "--legend", "m.txt"),
        ("maps", "--legend", "maps/00003.png"),
        ("maps", "--legend", "v.mp4"),
    ):
        out = [] if option == "--out" else ["--out", "o.mp4"]
        done = command("draw_ids.py", "v.mp4", "--masks", masks, *out, option, value, "--overwrite")
        assert done.returncode == 2 and f"{value} is also an input" in done.stderr, done.stderr
    assert {path: path.read_bytes() for path in inputs.rglob("*") if path.is_file()} == before


def test_names_that_are_not_utf_8(inputs: Path) -> None:
    """The names of outputs are printed after the work is done; that must not undo it."""
    script, name = Path(__file__).parents[2] / "scripts" / "draw_ids.py", b"caf\xe9"
    (inputs / "v.mp4").rename(os.fsdecode(os.fsencode(inputs / "x") + name + b".mp4"))
    line = [sys.executable, str(script), b"x" + name + b".mp4", "--masks", "m.txt", "--out", name + b".mp4"]
    done = subprocess.run(line, cwd=inputs, capture_output=True, timeout=100)
    assert (done.returncode, done.stdout) == (0, b"wrote caf\\udce9.mp4: 2 objects on 10 frames\n"), done.stderr
    assert os.fsdecode(name + b".mp4") in os.listdir(inputs)  # noqa: PTH208 - names, not paths


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_stopping_leaves_nothing(inputs: Path, number: signal.Signals, status: int) -> None:
    write_video(inputs / "long.mp4", (np.full((480, 640, 3), t % 200, np.uint8) for t in range(400)), 25.0)
    (inputs / "long.txt").write_text("".join(f"{t + 1},1,{t % 300},50,100,200\n" for t in range(400)))
    before = sorted(inputs.iterdir())
    script = Path(__file__).parents[2] / "scripts" / "draw_ids.py"
    line = [sys.executable, str(script), "long.mp4", "--masks", "long.txt", "--out", "o.mp4", "--frames", "stills"]
    line += ["--legend", "l.json"]
    child = subprocess.Popen(line, cwd=inputs, stderr=subprocess.PIPE, stdout=subprocess.PIPE)
    deadline = time.monotonic() + 60
    while sorted(inputs.iterdir()) == before and time.monotonic() < deadline:
        time.sleep(0.02)  # until it has begun to write
    child.send_signal(number)
    _, errors = child.communicate(timeout=60)
    assert child.returncode == status and "stopped\n" in errors.decode(), errors
    assert sorted(inputs.iterdir()) == before


def test_masks_are_converted_and_back(command: Command, inputs: Path) -> None:
    for source, target in (("m.txt", "a.masklets.json"), ("a.masklets.json", "maps"), ("maps", "b.txt")):
        done = command("convert_masks.py", "v.mp4", "--masks", source, "--out", target)
        assert (done.returncode, done.stdout) == (0, f"wrote {target}: 2 objects on 10 frames\n"), done.stderr
    # the boxes [35 + t, 10, 55 + t, 40] and [65 + t, ...], the second cut at 80, come back sorted by frame and id
    assert (inputs / "b.txt").read_text().splitlines()[:2] == [
        "1,1,35,10,20,30,1,-1,-1,-1",
        "1,2,65,10,15,30,1,-1,-1,-1",
    ]
    again = command("convert_masks.py", "v.mp4", "--masks", "m.txt", "--out", "b.txt")
    assert again.returncode == 2 and "b.txt exists already" in again.stderr


def test_masks_are_never_converted_over_what_they_are_made_from(command: Command, inputs: Path) -> None:
    mevis = inputs / "mevis"
    mevis.mkdir()
    counts = {"size": [60, 80], "counts": [4800]}
    (mevis / "mask_dict.json").write_text(json.dumps({"3": [counts] * 10}))
    meta = {"videos": {"v": {"expressions": {"0": {"anno_id": [3]}}}}}
    (mevis / "meta_expressions.json").write_text(json.dumps(meta))
    (inputs / "link.txt").symlink_to("m.txt")
    before = {path: path.read_bytes() for path in inputs.rglob("*") if path.is_file()}
    for masks, out in (("m.txt", "m.txt"), ("m.txt", "link.txt"), ("mevis", "mevis/mask_dict.json")):
        done = command("convert_masks.py", "v.mp4", "--masks", masks, "--out", out, "--overwrite")
        assert done.returncode == 2 and "is also an input" in done.stderr, done.stderr
    assert {path: path.read_bytes() for path in inputs.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize("script", ["draw_ids.py", "convert_masks.py", "assign_ids.py"])
def test_help(command: Command, script: str) -> None:
    done = command(script, "--help")
    assert done.returncode == 0 and "--out" in done.stdout


@pytest.mark.shared_data
def test_schoolgirls(command: Command, shared_data: Path, tmp_path: Path) -> None:
    root = shared_data / "stvg" / "schoolgirls"
    done = command("draw_ids.py", str(root / "video.mp4"), "--masks", str(root / "masks"), "--out", "o.mp4")
    assert done.stdout == "wrote o.mp4: 7 objects on 80 frames\n", done.stderr
