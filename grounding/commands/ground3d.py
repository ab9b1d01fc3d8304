"""Queries about one scene on disk, each with a folder of its own that appears whole or not at all."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from PIL import Image

from grounding.core import UserError
from grounding.core.checks import file_name, shown, within
from grounding.core.files import check_free, write_json
from grounding.core.folders import new_folder
from grounding.core.reading import is_file, is_folder, parse_json, read_json, read_text
from grounding.datasets.scene_views import check_fps
from grounding.ground3d.candidates import Candidates
from grounding.ground3d.chain import OBJECT, Grounded, Options, run
from grounding.ground3d.footage import FPS, Footage
from grounding.ground3d.picture import draw
from grounding.ground3d.steps import Steps
from grounding.ground3d.trace import as_json
from lift3d.cli import scene_name
from lift3d.export import check_formats, export
from lift3d.formats.result import Result
from lift3d.frames import Progress, plain
from lift3d.scenes import open_scene
from lift3d.scenes.raw import NoFrames

TRACE, PICTURE = "trace.json", "trace.png"
MOST = 100_000  # queries of a file


@dataclass(frozen=True)
class Query:
    """A question and where its answer goes.

    Args:
        text: The question.
        out: Its folder.
    """

    text: str
    out: Path


@dataclass(frozen=True)
class SceneJob:
    """What is asked of one scene, but for the queries.

    Args:
        scene: The scene's folder.
        layout: Its layout; None: found out from the files.
        fps: Views a second where the layout has no clock.
        formats: Keys of `lift3d.export.FORMATS`.
        candidates: An `.npz` of masks on the points of the scene's mesh, or None.
        options: How thoroughly objects are looked for.
        how: What else the answers depend on (models, seeds), for the trace; a query that is asked again must agree.
    """

    scene: Path
    layout: str | None = None
    fps: float = FPS
    formats: Sequence[str] = ("ply", "glb", "json")
    candidates: Path | None = None
    options: Options = field(default_factory=Options)
    how: Mapping[str, Any] = field(default_factory=dict)

    def told(self) -> dict[str, Any]:
        """All of it as plain values."""
        files = {"scene": str(self.scene), "candidates": None if self.candidates is None else str(self.candidates)}
        rest = {"layout": self.layout, "fps": self.fps, "formats": list(self.formats)}
        return files | rest | dict(self.how) | {"options": asdict(self.options)}


def one_query(text: str, out: Path) -> list[Query]:
    """The one query of a command line; its folder is the output itself.

    Raises:
        UserError: If it is empty, or no text.
    """
    if not text.strip():
        raise UserError("the query is empty; give --query WORDS")
    return [Query(_whole(text), out)]


def _whole(text: str) -> str:
    """A query that is text: no halves of surrogate pairs, which stand for bytes that are not UTF-8."""
    if any("\ud800" <= char <= "\udfff" for char in text):
        raise UserError(f"the query holds bytes that are no UTF-8, got {shown(text)}; write it again")
    return text


def read_queries(path: Path, out: Path) -> list[Query]:
    """The queries of a file, each with a folder in the output.

    A file whose name ends with .jsonl or .json has an object a line, {"query": "...", "id": "..."}; the id names the
    folder. Any other file has a query a line. Without an id, the number of the line names the folder. Empty lines are
    passed over.

    Raises:
        UserError: Naming the line that cannot be used.
    """
    rows = [(number, line) for number, line in enumerate(read_text(path, "queries").split("\n"), 1) if line.strip()]
    if not 0 < len(rows) <= MOST:
        raise UserError(f"queries {path} must have 1 to {MOST:,} queries, got {len(rows):,}")
    in_json = path.suffix.lower() in (".jsonl", ".json")
    found: dict[str, Query] = {}
    for number, line in rows:
        with within(f"queries {path}, line {number}"):
            name, text = _row(line) if in_json else (None, line.strip())
            name = f"{number:04}" if name is None else name
            if name.casefold() in found:
                raise UserError(f"the id {shown(name)} stands there twice; ids name folders")
            found[name.casefold()] = Query(text, out / name)
    return list(found.values())


def _row(line: str) -> tuple[str | None, str]:
    row = parse_json(line, "the line", finite=True)
    if not isinstance(row, dict) or not isinstance(row.get("query"), str) or not row["query"].strip():
        raise UserError('expected {"query": "words"}, perhaps with an id, got ' + shown(row))
    name = row.get("id")
    name = str(name) if type(name) is int else name
    if name is not None and (not isinstance(name, str) or name.startswith(".")):
        raise UserError(f"the id must be a name or a number, got {shown(name)}")
    return (None if name is None else file_name(name, "the id")), _whole(row["query"])


def left(queries: Sequence[Query], job: SceneJob) -> list[Query]:
    """The queries that have no answer yet.

    Raises:
        UserError: If a folder holds the answer to something else, or anything but an answer.
    """
    return [query for query in queries if not _is_answered(query, job.told() | {"query": query.text})]


def _is_answered(query: Query, asked: Mapping[str, Any]) -> bool:
    trace = query.out / TRACE
    if not is_folder(query.out) or not is_file(trace):
        check_free(query.out, folder=True)
        return False
    told = read_json(trace)
    before = told.get("how") if isinstance(told, dict) else None
    held = {**before, "query": told.get("query")} if isinstance(before, dict) else {}
    other = [key for key in asked if held.get(key) != asked[key]]
    if other:
        raise UserError(f"{query.out} holds an answer that differs in {', '.join(other)}; choose another --out")
    return True


def ground(
    queries: Sequence[Query], job: SceneJob, make: Callable[[], Steps], progress: Progress = plain
) -> Iterator[tuple[Query, Grounded]]:
    """Answer queries about a scene, one folder each: the trace, its picture, and the object in the formats if found.

    Args:
        queries: Those that are `left`.
        job: About what.
        make: Loads the models; called once, and not at all if the scene cannot be used or no query is left.
        progress: Shows the views that are lifted.

    Yields:
        Each query with what was found, when its folder is there.

    Raises:
        UserError: If the folder is no scene, or candidates, models or a folder to write cannot be used.
    """
    if not queries:
        return
    check_formats(job.formats)
    check_fps(job.fps)
    try:
        footage = _open(job)
    except NoFrames as error:
        for query in queries:
            found = Grounded(query.text, None, "no_scene", str(error))
            _write(query, found, job, progress)
            yield query, found
        return
    candidates = _candidates(job, footage)
    steps = make()
    for query in queries:
        found = run(query.text, footage, steps, job.options, candidates, progress)
        _write(query, found, job, progress)
        yield query, found


def _open(job: SceneJob) -> Footage:
    return Footage.of(open_scene(job.scene, job.layout), job.fps, scene_name(job.scene))


def _candidates(job: SceneJob, footage: Footage) -> Candidates | None:
    if job.candidates is None:
        return None
    points = footage.scene.points
    if points is None or not len(points):
        raise UserError(f"{job.scene} has no mesh whose points candidates could be of; leave --candidates out")
    return Candidates.read(job.candidates, len(points))


def _write(query: Query, found: Grounded, job: SceneJob, progress: Progress) -> None:
    """The folder of a query, whole or not at all."""
    with new_folder(query.out) as partial:
        if found.lifted is not None and found.footage is not None:
            export(partial, Result(found.footage.name, found.lifted, {OBJECT: query.text}, progress), job.formats)
        Image.fromarray(draw(found)).save(partial / PICTURE)
        write_json(partial / TRACE, as_json(found, job.told()))
