"""What is shown of an export: with a stand-in for rerun every entity by hand, with rerun itself a file."""

from __future__ import annotations

import errno
import json
import math
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from grounding.core import UserError
from lift3d.boxes import boxes_of
from lift3d.export import export
from lift3d.formats.result import Result, id_colour
from lift3d.lift import Instance, Lifted
from lift3d.scene import Scene, View
from lift3d.view import view

POINTS = np.array([[0, 0, 1], [1, 0, 1], [0, 1, 1], [5, 5, 5], [6, 5, 5]], float)
OBB = {"center": [0, 0, 0], "size": [1, 1, 1], "R": np.eye(3).tolist()}
BOX = {"id": 3, "label": "chair", "obb": OBB}
K = np.array([[8.0, 0, 3.5], [0, 8, 2.5], [0, 0, 1]])  # of a depth image of 6 x 8 pixels


class Recording:
    """Keeps what is logged: path -> things, each a name with its arguments."""

    def __init__(self, _name: str) -> None:
        self.logged: dict[str, list[tuple[Any, ...]]] = {}
        self.moments: list[tuple[int, str]] = []
        self.now = -1

    def log(self, path: str, *things: Any, static: bool = False) -> None:
        self.logged[path] = list(things)
        if not static:
            self.moments.append((self.now, path))

    def set_time(self, timeline: str, *, sequence: int) -> None:
        assert timeline == "frame"
        self.now = sequence

    def binary_stream(self) -> SimpleNamespace:
        return SimpleNamespace(read=lambda: b"recorded")

    def spawn(self) -> None:
        self.searched = os.environ["PATH"].split(os.pathsep)

    def flush(self) -> None:
        raise RuntimeError("connection severed\nand nine lines more")


@pytest.fixture
def recordings(monkeypatch: pytest.MonkeyPatch) -> list[Recording]:
    """The recordings that were begun with a stand-in for rerun."""
    begun: list[Recording] = []

    def begin(name: str) -> Recording:
        begun.append(Recording(name))
        return begun[-1]

    def kind(name: str) -> Any:
        return lambda *args, **kwargs: SimpleNamespace(name=name, args=args, **kwargs)

    names = ("Points3D", "Boxes3D", "Transform3D", "Pinhole", "LineStrips3D", "Clear")
    module = SimpleNamespace(RecordingStream=begin, **{name: kind(name) for name in names})
    module.ViewCoordinates = SimpleNamespace(RIGHT_HAND_Z_UP="z up", RIGHT_HAND_Y_DOWN="y down")
    module.Image = lambda pixels: SimpleNamespace(compress=lambda jpeg_quality: pixels)
    monkeypatch.setitem(sys.modules, "rerun", module)
    return begun


def a_view(name: str, *, pose: np.ndarray | None = None, picture: np.ndarray | None = None) -> View:
    def colour() -> np.ndarray:
        if picture is None:
            raise UserError("no picture")
        return picture

    return View(name, None, np.eye(4) if pose is None else pose, K, lambda: np.ones((6, 8), np.float32), colour)


def instance(number: int, points: list[int], alignment: np.ndarray | None) -> Instance:
    return Instance(number, np.array(points), 0.5, 2.0, 2.5, 3, boxes_of(POINTS[points], alignment, (0.0, 0.0, 1.0)))


def exported(folder: Path, alignment: np.ndarray | None = None, up: tuple[float, float, float] = (0, 0, 1)) -> Path:
    scene = Scene(
        [a_view("0")], POINTS, None, np.full((5, 3), 100, np.uint8), axis_alignment=alignment, up=up, layout="folder"
    )
    owner, ratio = np.array([3, 3, 3, 0, 8], np.int32), np.array([1, 0.5, 0.5, 0, 1], np.float32)
    made = (instance(3, [0, 1, 2], alignment), instance(8, [4], alignment))
    export(folder, Result("room", Lifted(scene, owner, ratio, made, {}, 1, {}), {3: "chair"}), ["ply"])
    return folder


def test_points_by_instance_and_boxes(tmp_path: Path, recordings: list[Recording]) -> None:
    view(exported(tmp_path / "out"), save=tmp_path / "a.rrd")
    logged = recordings[0].logged
    assert set(logged) == {
        "world", "world/rest", "world/boxes",
        *(f"world/{what}/{n}" for what in ("instances", "boxes") for n in (3, 8)),
    }  # fmt: skip
    assert logged["world"] == ["z up"]
    (rest,), (chair,) = logged["world/rest"], logged["world/instances/3"]
    assert (rest.args[0].tolist(), rest.colors.tolist()) == ([[5, 5, 5]], [[100, 100, 100]])
    assert chair.args[0].tolist() == POINTS[:3].tolist()
    mixed = [round(0.75 * part + 25) for part in id_colour(3)]  # a quarter of the grey 100
    assert chair.colors.tolist() == [mixed] * 3
    place, box = logged["world/boxes/8"]
    assert (place.translation.tolist(), box.labels) == ([6, 5, 5], ["8 object"])
    np.testing.assert_array_equal(box.half_sizes, [[0, 0, 0]])
    assert logged["world/boxes/3"][1].labels == ["3 chair"]
    assert sorted(logged["world/boxes/3"][1].half_sizes[0]) == pytest.approx([0, 0.5, 0.5])
    assert (tmp_path / "a.rrd").read_text() == "recorded"


def test_boxes_of_an_aligned_frame_are_put_back(tmp_path: Path, recordings: list[Recording]) -> None:
    """A quarter turn about z and 10 m on: (x, y, z) -> (10 - y, x, z); back: (x', y', z') -> (y', 10 - x', z')."""
    alignment = np.array([[0, -1, 0, 10], [1, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]], float)
    view(exported(tmp_path / "out", alignment), save=tmp_path / "a.rrd")
    (back,), (box, _) = recordings[0].logged["world/boxes"], recordings[0].logged["world/boxes/8"]
    assert box.translation.tolist() == [5, 6, 5]
    np.testing.assert_allclose(back.mat3x3 @ box.translation + back.translation, [6, 5, 5], atol=1e-12)


def test_up_is_the_scenes(tmp_path: Path, recordings: list[Recording]) -> None:
    view(exported(tmp_path / "out", up=(0, -1, 0)), save=tmp_path / "a.rrd")
    assert recordings[0].logged["world"] == ["y down"]


def test_cameras_move_along_the_frames(tmp_path: Path, recordings: list[Recording]) -> None:
    moved = np.eye(4)
    moved[:3, 3] = [1, 2, 3]
    lost = np.full((4, 4), np.nan)
    picture = np.full((480, 640, 3), 7, np.uint8)
    views = [a_view("0", picture=picture), a_view("1", pose=lost), a_view("2", pose=moved)]
    view(exported(tmp_path / "out"), Scene(views), tmp_path / "a.rrd")
    (found,) = recordings
    assert found.moments == [(n, path) for n in (0, 2) for path in ("world/camera", "world/camera/picture")]
    place, lens = found.logged["world/camera"]  # of frame 2, which has no picture: the lens is that of the depth
    assert (place.translation.tolist(), lens.resolution) == ([1, 2, 3], [8, 6])
    np.testing.assert_allclose(lens.image_from_camera, K)
    assert found.logged["world/camera/picture"][0].name == "Clear"
    assert np.array(found.logged["world/way"][0].args[0]).tolist() == [[[0, 0, 0], [1, 2, 3]]]


def test_pictures_are_small_and_the_lens_fits_them(tmp_path: Path, recordings: list[Recording]) -> None:
    # 640 x 480 becomes 320 x 240, forty times the depth: f = 320, (3.5 + 0.5) * 40 - 0.5 = 159.5, likewise 119.5
    picture = np.full((480, 640, 3), 7, np.uint8)
    view(exported(tmp_path / "out"), Scene([a_view("0", picture=picture)]), tmp_path / "a.rrd")
    logged = recordings[0].logged
    assert logged["world/camera"][1].image_from_camera.tolist() == [[320, 0, 159.5], [0, 320, 119.5], [0, 0, 1]]
    assert logged["world/camera/picture"][0].tolist() == np.full((240, 320, 3), 7).tolist()


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of scripts with rerun's viewer in it, as of an environment that is not activated; and a display."""
    scripts = tmp_path / "bin"
    scripts.mkdir()
    (scripts / "rerun").touch(0o755)
    monkeypatch.setattr("sysconfig.get_path", lambda name: str(scripts))
    monkeypatch.setenv("PATH", str(tmp_path / "elsewhere"))
    monkeypatch.setenv("DISPLAY", ":0")
    return scripts


def test_the_viewer_is_found_beside_the_interpreter(
    tmp_path: Path, recordings: list[Recording], environment: Path
) -> None:
    with pytest.raises(UserError):
        view(exported(tmp_path / "out"))
    assert recordings[0].searched == [str(environment), str(tmp_path / "elsewhere")]
    assert os.environ["PATH"] == str(tmp_path / "elsewhere")
    assert "world/rest" in recordings[0].logged


def test_a_viewer_that_goes_away_is_said_in_one_line(
    tmp_path: Path, recordings: list[Recording], environment: Path
) -> None:
    with pytest.raises(
        UserError, match=r"viewer does not start \(connection severed\); write a file with --save FILE.rrd$"
    ):
        view(exported(tmp_path / "out"))


def test_no_viewer_and_no_display_are_said_before(
    tmp_path: Path, recordings: list[Recording], environment: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(sys, "platform", "linux")
    with pytest.raises(UserError, match="there is no display; write a file with --save"):
        view(exported(tmp_path / "out"))
    (environment / "rerun").unlink()
    with pytest.raises(UserError, match=r'viewer is not installed; pip install "tubelet\[viz\]", or write a file'):
        view(tmp_path / "out")


def test_a_full_disk_is_said_and_leaves_nothing(
    tmp_path: Path, recordings: list[Recording], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_path: Path, _data: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    folder = exported(tmp_path / "out")
    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(UserError, match=r"cannot write .*a\.rrd: No space left on device"):
        view(folder, save=tmp_path / "a.rrd")
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_an_existing_file_is_kept(tmp_path: Path, recordings: list[Recording]) -> None:
    (tmp_path / "a.rrd").write_text("mine")
    with pytest.raises(UserError, match="exists already"):
        view(exported(tmp_path / "out"), save=tmp_path / "a.rrd")
    assert (tmp_path / "a.rrd").read_text() == "mine"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"instances": 5}, "expected 'instances' to be a list"),
        ({"instances": [{"id": "3"}]}, "expected 'id' to be a int"),
        ({"instances": [{"id": 3, "obb": {"center": [1]}}]}, "center: expected 3 numbers, got 1"),
        ({"instances": [{**BOX, "id": 10**30}]}, "id must be a whole number of 1 or more, got 1000000"),
        ({"instances": [{**BOX, "id": 0}]}, "id must be a whole number of 1 or more, got 0"),
        ({"instances": [BOX, BOX]}, "instance 3 stands there twice"),
        ({"instances": [{**BOX, "obb": {**OBB, "size": [1, 1, 1e300]}}]}, "box of instance 3 has no place"),
        ({"instances": [{**BOX, "obb": {**OBB, "center": [1, math.inf, 0]}}]}, "box of instance 3 has no place"),
        ({"instances": [{**BOX, "obb": {**OBB, "R": [[0] * 3] * 3}}]}, "box of instance 3 has no place"),
        ({"axis_alignment": [1, 2]}, "axis_alignment: expected 16 numbers, got 2"),
        ({"axis_alignment": [0] * 16}, "axis_alignment is no rotation with a translation"),
        ({"up": None}, "expected 'up' to be a list"),
    ],
)
def test_a_report_of_something_else(
    tmp_path: Path, recordings: list[Recording], changes: dict[str, Any], message: str
) -> None:
    path = exported(tmp_path / "out") / "report.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))
    with pytest.raises(UserError, match=message):
        view(tmp_path / "out", save=tmp_path / "a.rrd")
    assert not (tmp_path / "a.rrd").exists()


def test_a_folder_of_something_else(tmp_path: Path, recordings: list[Recording]) -> None:
    with pytest.raises(UserError, match=r"has no instances\.ply; give a folder of lift3d export"):
        view(tmp_path)
    path = exported(tmp_path / "out") / "instances.ply"
    path.write_bytes(path.read_bytes().replace(b"int instance", b"int somebody"))
    with pytest.raises(UserError, match="does not say which instance a point belongs to"):
        view(tmp_path / "out")


def test_without_rerun_one_line_says_what_to_install(tmp_path: Path) -> None:
    code = "import sys; sys.modules['rerun'] = None; from lift3d.cli import main; main()"
    done = subprocess.run([sys.executable, "-c", code, "view", str(tmp_path)], capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr == 'error: lift3d view needs rerun; pip install "tubelet[viz]"\n'


def test_rerun_itself_writes_a_file(tmp_path: Path) -> None:
    pytest.importorskip("rerun")
    scene = Scene([a_view("0", picture=np.full((480, 640, 3), 7, np.uint8)), a_view("1")])
    view(exported(tmp_path / "out"), scene, tmp_path / "a.rrd")
    data = (tmp_path / "a.rrd").read_bytes()
    assert data[:3] == b"RRF"
    for path in (b"world/instances/3", b"world/boxes/8", b"world/camera/picture", b"world/way"):
        assert b"/" + path in data
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []
