"""The command: a video, a folder, and mistakes in one line; with a tiny random SAM 2 and boxes from a file."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from grounding.core import load_masklets, write_video

Command = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def video(tmp_path: Path) -> Path:
    pictures = np.full((9, 48, 80, 3), 90, np.uint8)
    pictures[:, 10:30, 10:40] = (200, 40, 40)
    path = tmp_path / "videos" / "a.mp4"
    path.parent.mkdir()
    write_video(path, pictures, 6.0)
    return path


@pytest.fixture
def boxes(tmp_path: Path) -> Path:
    path = tmp_path / "boxes.json"
    path.write_text('{"3": [[10, 10, 40, 30]]}')
    return path


@pytest.fixture(scope="session")
def detector(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a tiny random RT-DETR, which sees a person everywhere."""
    torch = pytest.importorskip("torch")
    import transformers as hf

    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("detector")
    backbone = {
        "model_type": "rt_detr_resnet",
        "embedding_size": 8,
        "hidden_sizes": [8, 8, 8, 8],
        "depths": [1, 1, 1, 1],
        "out_features": ["stage2", "stage3", "stage4"],
        "layer_type": "basic",
    }
    config = hf.RTDetrConfig(
        backbone_config=backbone,
        encoder_in_channels=[8, 8, 8],
        encoder_hidden_dim=16,
        d_model=16,
        decoder_in_channels=[16, 16, 16],
        encoder_ffn_dim=16,
        decoder_ffn_dim=16,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        decoder_layers=1,
        num_queries=5,
        num_denoising=0,
        id2label={0: "person"},
    )
    hf.RTDetrForObjectDetection(config).save_pretrained(folder)
    hf.RTDetrImageProcessor(size={"height": 64, "width": 64}).save_pretrained(folder)
    return folder


def refused(done: subprocess.CompletedProcess[str], said: str) -> None:
    assert done.returncode == 2, done.stderr
    lines = [line for line in done.stderr.splitlines() if line.startswith("error:")]
    assert len(lines) == 1 and said in lines[0], done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_one_video(command: Command, video: Path, boxes: Path, sam2_folder: Path, tmp_path: Path) -> None:
    line = (str(video), "--boxes", str(boxes), "--tracker", str(sam2_folder), "--out", "a.masklets.json")
    done = command("track.py", *line, "--device", "cpu", "--smallest", "1")
    assert done.returncode == 0, done.stderr
    # Born on frame 3 of 9; the tracker begins to look there, 6 frames. Frames 3, 2, ... backwards while it is seen.
    assert "on 9 frames; 6 frame passes forwards" in done.stdout
    assert "damaged" not in done.stdout and "refused" not in done.stdout
    masklets = load_masklets(tmp_path / "a.masklets.json")
    assert masklets.ids == [1] and masklets.size == (48, 80) and len(masklets.pts) == 9
    assert all(counts is not None for counts in masklets.tracks[1][3:4])
    before = (tmp_path / "a.masklets.json").read_bytes()
    refused(command("track.py", *line), "exists already")
    assert (tmp_path / "a.masklets.json").read_bytes() == before


@pytest.mark.slow
def test_a_folder(command: Command, video: Path, detector: Path, sam2_folder: Path, tmp_path: Path) -> None:
    (video.parent / "b.mp4").write_bytes(b"no video")
    (video.parent / "c.mp4").write_bytes(video.read_bytes())
    line = (str(video.parent), "--prompt", "person", "--out", "out", "--workers", "2", "--device", "cpu")
    names = ("--detector", str(detector), "--tracker", str(sam2_folder), "--threshold", "0", "--smallest", "1")
    done = command("track.py", *line, *names)
    refused(done, "1 of 3 videos failed")
    assert "wrote 2 files to out, skipped 0" in done.stdout
    assert "done: " in done.stderr and "a.mp4: " in done.stderr and "on 9 frames" in done.stderr
    out = tmp_path / "out"
    assert sorted(path.name for path in out.iterdir()) == ["a.masklets.json", "c.masklets.json", "failed.jsonl"]
    (failure,) = [json.loads(text) for text in (out / "failed.jsonl").read_text().splitlines()]
    assert failure["video"] == "b.mp4" and "b.mp4" in failure["error"]
    assert load_masklets(out / "a.masklets.json").tracks == load_masklets(out / "c.masklets.json").tracks
    (video.parent / "b.mp4").unlink()
    again = command("track.py", *line, *names)
    assert again.returncode == 0 and "wrote 0 files to out, skipped 2" in again.stdout
    assert not (out / "failed.jsonl").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["no.mp4", "--prompt", "person"], "cannot read video no.mp4: No such file"),
        (["boxes.json", "--prompt", "person"], "boxes.json"),
        (["videos/a.mp4", "--boxes", "no.json"], "cannot read boxes no.json"),
        (["videos", "--boxes", "boxes.json"], "belongs to one video"),
        (["videos", "--workers", "0"], "workers must be 1"),
    ],
)
def test_mistakes(command: Command, video: Path, boxes: Path, tmp_path: Path, arguments: list[str], said: str) -> None:
    refused(command("track.py", *arguments, "--out", "out.json"), said)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["boxes.json", "videos"]


@pytest.mark.slow
def test_no_such_model(command: Command, video: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    names = ("--detector", "empty", "--tracker", "empty", "--prompt", "person")
    refused(command("track.py", str(video), "--out", "a.json", *names), "cannot load model 'empty'")
    assert not (tmp_path / "a.json").exists()


def test_help(command: Command) -> None:
    done = command("track.py", "--help")
    assert done.returncode == 0
    assert all(option in done.stdout for option in ("--prompt", "--boxes", "--no-reentry", "--workers", "--similarity"))


@pytest.mark.parametrize(
    ("line", "extra"),
    [
        (["train.py", "--help"], "train"),
        (["evaluate.py", "model=x"], "train"),
        (["bench.py", "draw", "--quick"], "train"),
        (["track.py", "videos/a.mp4", "--prompt", "a", "--out", "a.json"], "tracking"),
    ],
)
def test_a_base_installation_says_what_is_missing(video: Path, tmp_path: Path, line: list[str], extra: str) -> None:
    """As `command`, but where only the base packages are installed."""
    script = Path(__file__).parents[2] / "scripts" / line[0]
    program = f"""
import runpy, sys
class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("torch", "transformers", "trl", "hydra", "omegaconf"):
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Missing())
sys.path.insert(0, {str(script.parent)!r})
sys.argv = {[str(script), *line[1:]]!r}
runpy.run_path(sys.argv[0], run_name="__main__")
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, timeout=120)
    refused(done, f"is not installed; get it with: pip install 'tubelet[{extra}]'")
