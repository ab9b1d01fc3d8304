"""Queries about scenes on disk: their folders, what is made again and what not, and mistakes in one line."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[2] / "scripts"))

from benchmarks import rooms

from grounding.commands.ground3d import Query, SceneJob, ground, left, one_query, read_queries
from grounding.core import Answer, Interval, UserError
from grounding.ground3d.chain import Options
from grounding.ground3d.footage import Footage
from grounding.ground3d.steps import Box, Steps
from lift3d.formats.exported import read_export

QUERY = "the box"


@pytest.fixture(scope="module")
def made() -> rooms.Room:
    return rooms.room(3, 12, (60, 80), spacing=0.08)


@pytest.fixture
def scene(tmp_path: Path, made: rooms.Room) -> Path:
    """The room in the plain layout."""
    root = tmp_path / "a room"
    for name in ("depth", "color", "pose"):
        (root / name).mkdir(parents=True)
    (root / "scene.json").write_text(json.dumps({"intrinsics": made.scene.views[0].intrinsics.tolist()}))
    for number, view in enumerate(made.scene.views):
        Image.fromarray((view.read_depth() * 1000).astype(np.uint16)).save(root / "depth" / f"{number}.png")
        Image.fromarray((made.labels[number] * 80).astype(np.uint8)).convert("RGB").save(root / f"color/{number}.png")
        np.savetxt(root / "pose" / f"{number}.txt", view.pose)
    return root


@pytest.fixture
def steps(made: rooms.Room) -> Callable[[], Steps]:
    """Steps that know thing 1; "a cat" is not there."""

    def masks(footage: Footage, view: int, box: Box) -> Iterator[tuple[int, np.ndarray]]:
        for other in [view, *(one for one in range(len(footage)) if one != view)]:
            yield other, made.labels[int(footage.scene.views[other].name)] == 1

    def box(query: str, footage: Footage, view: int) -> Answer:
        rows, columns = np.nonzero(made.labels[int(footage.scene.views[view].name)] == 1)
        return Answer(box=(columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)) if len(rows) else Answer()

    def snippets(query: str, footage: Footage) -> list[Answer]:
        return [Answer(intervals=())] if query == "a cat" else [Answer(Interval(0.0, 0.4))]

    return lambda: Steps(snippets, box, masks)


def answered(queries: list[Query], job: SceneJob, steps: Callable[[], Steps]) -> list[str]:
    return [found.outcome for _, found in ground(queries, job, steps)]


def trace(folder: Path) -> dict:
    return json.loads((folder / "trace.json").read_text())


def test_one_query(scene: Path, steps: Callable, tmp_path: Path) -> None:
    assert answered(one_query(QUERY, tmp_path / "out"), SceneJob(scene), steps) == ["found"]
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {
        *("trace.json", "trace.png", "instances.ply", "instances.glb", "boxes.json", "report.json", "preview.png"),
    }
    told = trace(tmp_path / "out")
    assert told["scene"]["name"] == "a_room" and told["how"]["scene"] == str(scene)
    export = read_export(tmp_path / "out")
    assert export.labels == {1: QUERY}
    assert np.allclose(export.boxes[1].centre, told["object"]["obb"]["center"], atol=1e-5)
    assert json.loads((tmp_path / "out" / "boxes.json").read_text()) == [told["object"]]
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


def test_without_an_object_there_are_no_exports(scene: Path, steps: Callable, tmp_path: Path) -> None:
    queries = [*one_query("a cat", tmp_path / "a"), *one_query("x" * 10_000, tmp_path / "b")]
    assert answered(queries, SceneJob(scene), steps) == ["none", "not_asked"]
    for name in ("a", "b"):
        assert {path.name for path in (tmp_path / name).iterdir()} == {"trace.json", "trace.png"}
    assert trace(tmp_path / "b")["query"] == "x" * 10_000


def test_a_stopped_run_goes_on(scene: Path, steps: Callable, tmp_path: Path) -> None:
    job = SceneJob(scene)
    (tmp_path / "q.txt").write_text("the box\n\na cat\nthe box\n")
    queries = read_queries(tmp_path / "q.txt", tmp_path / "out")
    assert [query.out.name for query in queries] == ["0001", "0003", "0004"]

    def stops(footage: Footage, view: int, box: Box) -> Iterator[tuple[int, np.ndarray]]:
        raise KeyboardInterrupt
        yield

    with pytest.raises(KeyboardInterrupt):
        answered(queries[1:], job, lambda: replace(steps(), masks=stops))
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["0003"]  # nothing half-written
    assert [query.out.name for query in left(queries, job)] == ["0001", "0004"]
    before = (tmp_path / "out" / "0003" / "trace.json").stat().st_mtime_ns
    assert answered(left(queries, job), job, steps) == ["found", "found"]
    assert left(queries, job) == []
    assert (tmp_path / "out" / "0003" / "trace.json").stat().st_mtime_ns == before


def test_answers_to_something_else_are_not_taken_for_done(scene: Path, steps: Callable, tmp_path: Path) -> None:
    out, job = tmp_path / "out", SceneJob(scene, how={"model": "A"})
    answered(one_query("a cat", out), job, steps)
    assert left(one_query("a cat", out), job) == []
    for query, other, what in (
        ("a dog", job, "query"),
        ("a cat", replace(job, how={"model": "B"}), "model"),
        ("a cat", replace(job, options=Options(boxes=4), fps=10.0), "fps, options"),
    ):
        with pytest.raises(UserError, match=f"out holds an answer that differs in {what}; choose another --out"):
            left(one_query(query, out), other)


def test_folders_with_other_things_are_left_alone(scene: Path, steps: Callable, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    assert left(one_query(QUERY, tmp_path / "out"), SceneJob(scene))  # an empty folder is free
    (tmp_path / "out" / "mine").write_text("")
    with pytest.raises(UserError, match="exists already"):
        left(one_query(QUERY, tmp_path / "out"), SceneJob(scene))
    (tmp_path / "out" / "trace.json").write_text("[]")
    with pytest.raises(UserError, match="holds an answer that differs in"):
        left(one_query(QUERY, tmp_path / "out"), SceneJob(scene))


def test_a_scene_without_poses_is_an_outcome(scene: Path, tmp_path: Path) -> None:
    for path in (scene / "pose").iterdir():
        path.write_text("-inf -inf -inf -inf\n" * 4)

    def models() -> Steps:
        raise AssertionError("not needed")

    queries = [Query("a", tmp_path / "out" / "a"), Query("b", tmp_path / "out" / "b")]
    assert answered(queries, SceneJob(scene), models) == ["no_scene", "no_scene"]
    told = trace(tmp_path / "out" / "b")
    assert told["outcome"] == "no_scene" and "pose" in told["reason"]
    assert (tmp_path / "out" / "b" / "trace.png").is_file()


def test_a_scene_without_pictures_is_an_outcome(scene: Path, steps: Callable, tmp_path: Path) -> None:
    shutil.rmtree(scene / "color")
    assert answered(one_query(QUERY, tmp_path / "out"), SceneJob(scene), steps) == ["no_scene"]


def test_pictures_that_are_broken_in_the_middle(scene: Path, steps: Callable, tmp_path: Path) -> None:
    for number in (1, 2):
        path = scene / "color" / f"{number}.png"
        path.write_bytes(path.read_bytes()[:100])
    (scene / "depth" / "3.png").write_bytes(b"")
    assert answered(one_query(QUERY, tmp_path / "out"), SceneJob(scene), steps) == ["found"]
    told = trace(tmp_path / "out")
    assert list(told["scene"]["left_out"]) == ["3"]
    assert not {"1", "2"} & {one["view"] for one in told["boxes"]}


def test_a_folder_that_is_no_scene_is_a_mistake(steps: Callable, tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(UserError, match=r"fits no known layout|is no folder"):
            answered(one_query(QUERY, tmp_path / "out"), SceneJob(folder), steps)
    assert not (tmp_path / "out").exists()


def test_candidates_need_a_mesh(scene: Path, steps: Callable, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="has no mesh whose points candidates could be of"):
        answered(one_query(QUERY, tmp_path / "out"), SceneJob(scene, candidates=tmp_path / "c.npz"), steps)


def test_candidates_of_a_mesh(scene: Path, steps: Callable, made: rooms.Room, tmp_path: Path) -> None:
    header = f"ply\nformat binary_little_endian 1.0\nelement vertex {len(made.scene.points)}\n"
    header += "".join(f"property float {axis}\n" for axis in "xyz") + "end_header\n"
    (scene / "mesh.ply").write_bytes(header.encode() + made.scene.points.astype("<f4").tobytes())
    spec = json.loads((scene / "scene.json").read_text())
    (scene / "scene.json").write_text(json.dumps(spec | {"mesh": "mesh.ply"}))
    np.savez(tmp_path / "c.npz", pred_masks=np.column_stack([made.owners == 2, made.owners == 1]))
    job = SceneJob(scene, candidates=tmp_path / "c.npz")
    assert answered(one_query(QUERY, tmp_path / "out"), job, steps) == ["found"]
    told = trace(tmp_path / "out")
    assert told["candidate"]["number"] == 1 and told["candidate"]["taken"]
    assert told["object"]["n_points"] == np.count_nonzero(made.owners == 1)


def test_formats_are_checked_first(scene: Path, tmp_path: Path) -> None:
    job = SceneJob(scene, formats=["obj"])
    with pytest.raises(UserError, match="unknown format 'obj'"):
        answered(one_query(QUERY, tmp_path / "out"), job, lambda: pytest.fail("too late"))


@pytest.mark.parametrize("fps", [0.0, float("nan"), float("inf"), 1e-308])
def test_a_rate_is_checked_before_the_scene(tmp_path: Path, scene: Path, fps: float) -> None:
    """Also for a scene without frames, whose trace would say the rate."""
    shutil.rmtree(scene / "pose")
    with pytest.raises(UserError, match=r"fps must be a number from 0.001 to 1000, got"):
        answered(one_query(QUERY, tmp_path / "out"), SceneJob(scene, fps=fps), lambda: pytest.fail("too late"))
    assert not (tmp_path / "out").exists()


def test_lines_end_where_editors_end_them(tmp_path: Path) -> None:
    """Not at the other marks that Unicode calls line ends: JSON may hold them."""
    (tmp_path / "q.jsonl").write_bytes('{"query": "a\u2028b"}\r\n{"query": "c"}\r\n'.encode())
    assert [query.text for query in read_queries(tmp_path / "q.jsonl", tmp_path)] == ["a\u2028b", "c"]
    (tmp_path / "q.txt").write_bytes(b"a\x0cb\r\nc")
    assert [query.text for query in read_queries(tmp_path / "q.txt", tmp_path)] == ["a\x0cb", "c"]


def test_queries_as_json_lines(tmp_path: Path) -> None:
    rows = [{"query": "a box", "id": "left one"}, {"query": "a ball"}, {"query": "a cat", "id": 7, "more": 1}]
    (tmp_path / "q.jsonl").write_text("\n".join(map(json.dumps, rows)))
    queries = read_queries(tmp_path / "q.jsonl", tmp_path)
    assert queries == [
        Query("a box", tmp_path / "left one"),
        Query("a ball", tmp_path / "0002"),
        Query("a cat", tmp_path / "7"),
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "must have 1 to 100,000 queries, got 0"),
        ("\n \n", "must have 1 to 100,000 queries, got 0"),
        ('{"query": "a"}\nnot json', "line 2: the line is not JSON"),
        ('{"query": ""}', "line 1: expected"),
        ('{"quest": "a"}', "line 1: expected"),
        ("[]", "line 1: expected"),
        ('{"query": "a \\ud800"}', "line 1: the query holds bytes that are no UTF-8"),
        ('{"query": "a", "id": "a/../up"}', "line 1: the id must be a name without slashes"),
        ('{"query": "a", "id": ".hidden"}', "line 1: the id must be a name or a number"),
        ('{"query": "a", "id": 1.5}', "line 1: the id must be a name or a number"),
        ('{"query": "a", "id": "x"}\n{"query": "b", "id": "X"}', "line 2: the id 'X' stands there twice"),
    ],
)
def test_queries_that_cannot_be_used(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "q.jsonl").write_text(text)
    with pytest.raises(UserError, match=message):
        read_queries(tmp_path / "q.jsonl", tmp_path)


@pytest.mark.parametrize("query", ["", " \n"])
def test_an_empty_query_is_a_mistake(query: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="the query is empty"):
        one_query(query, tmp_path)


def test_bytes_that_are_no_text_are_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"the query holds bytes that are no UTF-8, got 'a \\udcff'"):
        one_query("a \udcff", tmp_path)


@pytest.mark.shared_data
def test_a_real_shelf(shared_data: Path, tmp_path: Path) -> None:
    """The tissue box of a real shelf, with true masks: 11 x 12 x 13 cm, as its makers say 4.3 x 4.3 x 5 inches."""
    root = shared_data / "rgbd" / "bookshelf"

    def mask(footage: Footage, view: int) -> np.ndarray:
        path = root / "instance" / f"{footage.scene.views[view].name}.png"
        return np.asarray(Image.open(path)) == 132

    def box(query: str, footage: Footage, view: int) -> Answer:
        rows, columns = np.nonzero(mask(footage, view))
        return Answer(box=(columns.min(), rows.min(), columns.max() + 1, rows.max() + 1))

    def masks(footage: Footage, view: int, box: Box) -> Iterator[tuple[int, np.ndarray]]:
        for other in [view, *(one for one in range(len(footage)) if one != view)]:
            yield other, mask(footage, other)

    known = Steps(lambda query, footage: [Answer(Interval(0.1, 0.2))], box, masks)
    job = SceneJob(root, formats=["glb"])
    assert answered(one_query("the tissue box", tmp_path / "out"), job, lambda: known) == ["found"]
    told = trace(tmp_path / "out")
    assert len(told["masks"]) == 10 and told["confidence"] > 0.95
    assert (tmp_path / "out" / "instances.glb").is_file()
    assert 0.1 < min(told["object"]["obb"]["size"]) < max(told["object"]["obb"]["size"]) < 0.2
