"""A whole scene to rows: ScanNet's instances and masks, and what cannot be used; figures worked out by hand."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from grounding.core import UserError
from grounding.core.video import probe
from grounding.datasets.jsonl import open_jsonl
from grounding.datasets.media import ClipOptions
from grounding.datasets.scene_export import Exported, export_labels, instances, masked
from lift3d.cli import read_masks
from lift3d.scenes import load


def derived(folder: Path, out: Path, names: dict[int, str | int] | None = None, **options: Any) -> Exported:
    """The rows of ScanNet's instances."""
    scene = load(folder)
    return export_labels(
        scene, instances(folder, scene, names or {}), out, folder.name, **{"fps": 30, "boxes": 3, **options}
    )


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_rows_of_scannets_instances(boards: Path, tmp_path: Path) -> None:
    made = derived(boards, tmp_path / "out")
    video = {"video": "scene0000_00.mp4", "query": "board", "meta": {"object": 0}}
    # Seen in frames 0, 1, 5, 10 and 11. Three frames without it last a second, four last longer: 0 to 5 is one run,
    # until frame 6 comes at 2 s. Columns 20 to 39 and rows 30 to 49 of the depth are twice that in the picture.
    assert lines(tmp_path / "out" / "vtg.jsonl") == [{"id": "scene0000_00_0", **video, "intervals": [[0, 2]]}]
    assert lines(tmp_path / "out" / "box.jsonl") == [
        {"id": f"scene0000_00_0_{frame}", **video, "frame": frame, "box": [40, 60, 80, 100]} for frame in (0, 1, 5)
    ]
    assert made.labels.left_out == {
        1: "2 objects that are shown are called 'chair'",
        2: "2 objects that are shown are called ' Chair'",
        3: "no frame shows 50 pixels of it",
        4: "no frame shows it",
        5: "\"label\" holds '<answer>', which is a token or tag of the model's own; reword it",
    }
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert (report["frames"], report["layout"]) == (12, "scannet")
    assert report["clock"] == "the numbers of the frames, 30 a second"
    assert report["objects_left_out"][2] == {"id": 3, "pixels": 49, "reason": "no frame shows 50 pixels of it"}


def test_names_of_ones_own(boards: Path, tmp_path: Path) -> None:
    made = derived(boards, tmp_path / "out", {1: "the left chair", 5: "a sign"})
    assert [row["query"] for row in made.labels.vtg] == ["board", "the left chair", " Chair", "a sign"]
    with pytest.raises(UserError, match=r"--labels names object 9, which .*aggregation.json does not have"):
        derived(boards, tmp_path / "no", {9: "x"})
    assert not (tmp_path / "no").exists()


def test_the_rows_read_back_for_both_tasks(boards: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    derived(boards, out)
    clips = ClipOptions(fps=3)
    found = open_jsonl(out, "vtg.jsonl", clips, needs=[("interval", "intervals")], marks=False)
    clip = found.load(found.samples[0]).clip
    np.testing.assert_allclose(clip.pts, np.arange(12) / 3, atol=1e-3)
    assert clip.duration == pytest.approx(4, abs=1e-3)
    still = open_jsonl(out, "box.jsonl", clips, needs=[("box",)], marks=False)
    assert [sample.truth.box for sample in still.samples] == [(40, 60, 80, 100)] * 3
    picture = still.load(still.samples[2]).clip.frames[0]
    assert abs(int(picture[0, 0, 0]) - 5 * 20) <= 3  # frame 5


def test_masks(boards: Path, tmp_path: Path) -> None:
    masks = tmp_path / "masks"
    masks.mkdir()
    for frame in range(12):  # of the picture's size: half of it in the depth
        label = np.zeros((240, 320), np.uint8)
        label[60:100, 40:80] = 7 if frame in (2, 3) else 0
        Image.fromarray(label).save(masks / f"{10 * frame}.png")
    (masks / "30.png").unlink()
    scene = load(boards)
    made = export_labels(scene, masked(read_masks(masks, scene), {7: "it"}), tmp_path / "out", "s", 30, 1)
    # The third frame has no masks: it is left out, and the one before stays until 4 / 3 s.
    assert made.frames_left_out == {"30": "no masks"} and made.frames == 11
    assert made.labels.vtg[0]["intervals"] == [[0.6667, 1.3333]]
    assert made.labels.box[0]["box"] == [40, 60, 80, 100] and made.labels.box[0]["frame"] == 2
    times = probe(tmp_path / "out" / "s.mp4").pts
    np.testing.assert_allclose(times, np.delete(np.arange(12), 3) / 3, atol=1e-3)


def test_frames_that_cannot_be_used_are_reported(boards: Path, tmp_path: Path) -> None:
    (boards / "pose" / "0.txt").write_text("-inf " * 16)
    Image.fromarray(np.zeros((120, 160), np.uint16)).save(boards / "depth" / "10.png")
    data = (boards / "color" / "20.jpg").read_bytes()
    (boards / "color" / "20.jpg").write_bytes(data[:300])
    (boards / "color" / "30.jpg").unlink()
    made = derived(boards, tmp_path / "out")
    assert list(made.frames_left_out) == ["0", "10", "20", "30"]
    for name, reason in zip(
        made.frames_left_out, ("tracking was lost", "no valid depth", "20.jpg", "no colour"), strict=True
    ):
        assert reason in made.frames_left_out[name]
    assert json.loads((tmp_path / "out" / "report.json").read_text())["frames_left_out"] == made.frames_left_out
    # Frame 40 is the first one of the video; 50, the only one of its run, is shown from 1/3 to 2/3 s; 100 and 110 are
    # shown from 2 s to 2 2/3 s, which is longer.
    assert made.labels.vtg[0]["intervals"] == [[2, 2.6667]]


@pytest.mark.parametrize("gone", ["*.aggregation.json", "*.segs.json", "*_2.ply"])
def test_without_instances_masks_are_asked_for(boards: Path, tmp_path: Path, gone: str) -> None:
    next(boards.glob(gone)).unlink()
    with pytest.raises(UserError, match=r"must hold one <scene>\.aggregation\.json .* for other scenes give --masks"):
        derived(boards, tmp_path / "out")


def test_the_aggregation_of_the_finer_mesh_is_not_taken(boards: Path, tmp_path: Path) -> None:
    shutil.copy(boards / "scene0000_00.aggregation.json", boards / "scene0000_00_vh_clean.aggregation.json")
    assert derived(boards, tmp_path / "out").labels.vtg


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"boxes": 0}, "--boxes must be 1 to 1000, got 0"),
        ({"boxes": 1001}, "--boxes must be 1 to 1000, got 1001"),
        ({"fps": 0}, "fps must be a number from 0.001 to 1000, got 0"),
        ({"fps": float("nan")}, "fps must be"),
    ],
)
def test_options_out_of_range(boards: Path, tmp_path: Path, options: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        derived(boards, tmp_path / "out", **options)


def test_nothing_is_written_where_no_object_gives_a_row(boards: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no object gives a row: its label is the number of a class, not a name"):
        derived(boards, tmp_path / "out", dict.fromkeys(range(6), 4))
    assert [path.name for path in tmp_path.iterdir()] == [boards.name]
    with pytest.raises(UserError, match="masks do not tell what their objects are called; give --labels"):
        masked(read_masks(boards / "depth", load(boards)), {})


def test_what_is_there_stays(boards: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine").touch()
    with pytest.raises(UserError, match="exists already"):
        derived(boards, tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["mine"]
