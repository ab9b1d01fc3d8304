"""Find the object of a question in an RGB-D scene, and write it as a 3D mask with every step that led to it.

python scripts/ground3d.py --scene DIR --query "the small red box" --model RUN/model --out DIR
python scripts/ground3d.py --scene DIR --queries FILE --model RUN/model --box-model OTHER/model --out DIR
python scripts/ground3d.py --toy 50 --oracle snippet,box,masks --out DIR
"""

from __future__ import annotations

from grounding.cli import run  # first: from here on Ctrl-C ends with one line

# isort: split
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Annotated

import tyro
from rich.console import Console
from rich.progress import track

from grounding.commands.ground3d import Query, SceneJob, ground, left, one_query, read_queries
from grounding.commands.ground3d_toy import ToyModels, ToyRooms, ground_rooms
from grounding.core import Sample, UserError
from grounding.core.checks import printable
from grounding.core.extras import needs
from grounding.ground3d.chain import Grounded, Options
from grounding.ground3d.footage import FPS
from grounding.ground3d.steps import Steps
from grounding.tracking.models import TrackerName
from lift3d.frames import Frame

FORMAT = "ply,glb,json"
TRACKER, OPTIONS, ROOMS = TrackerName(), Options(), ToyRooms()


def main(
    *,
    out: Path,
    scene: Path | None = None,
    model: str | None = None,
    query: str | None = None,
    queries: Path | None = None,
    box_model: str | None = None,
    tracker: Annotated[TrackerName, tyro.conf.arg(name="")] = TRACKER,
    options: Annotated[Options, tyro.conf.arg(name="")] = OPTIONS,
    rooms: Annotated[ToyRooms, tyro.conf.arg(name="")] = ROOMS,
    snippets: int = 4,
    patience: float = 2.0,
    candidates: Path | None = None,
    layout: str | None = None,
    fps: float = FPS,
    format: str = FORMAT,
    seed: int = 0,
) -> None:
    """Find the object of a question in an RGB-D scene, and write it as a 3D mask with every step that led to it.

    Each query has a folder: trace.json and trace.png say how it ended and show every step; if an object was found, its
    points and boxes lie beside them. Queries that have an answer already are skipped.

    With --toy N the questions of N held-out rooms of the toy world are asked instead; scores.json says how well they
    were answered, and which step loses those that were not.

    Args:
        out: Folder to write; with --queries it holds a folder for each.
        scene: Folder of the scene; `lift3d inspect` says what is in it.
        model: Policy that knows task vtg, and box unless --box-model is given: a folder such as RUN/model, or a name on
            the hub.
        query: What to look for, in words.
        queries: File of many: a query a line, or .jsonl with {"id": "...", "query": "..."} a line.
        box_model: Policy that knows task box.
        tracker: Which tracker.
        options: How thoroughly objects are looked for.
        rooms: Generated rooms, whose truth is known, in place of a scene.
        snippets: Answers about when: the likeliest one, and others that are drawn.
        patience: Seconds that an object out of sight is still looked for by the tracker.
        candidates: File .npz with pred_masks (points, masks) of the scene's mesh; the best one is taken if it fits.
        layout: Layout of the scene, for example scannet or tum; without it the files decide.
        fps: Views a second, for layouts without a clock. Views are counted by the numbers in their names.
        format: One or more of ply, glb, npz, scannet, json and coco, separated by commas.
        seed: What answers are drawn with.
    """
    if rooms.toy:
        given = {"scene": scene, "query": query, "queries": queries, "candidates": candidates, "layout": layout}
        given |= {"fps": fps} if fps != FPS else {}
        given |= {"format": format} if format != FORMAT else {}
        given |= {"tracker": tracker.tracker} if tracker.tracker != TRACKER.tracker else {}
        for name in (name for name, value in given.items() if value is not None):
            raise UserError(f"--toy brings its own scenes, queries and tracker; leave --{name} out")
        models = ToyModels(model, box_model, snippets, patience, seed, tracker.device)
        print(ground_rooms(rooms, models, out, options, _rooms), end="")
        return
    if scene is None or model is None:
        raise UserError("give --scene DIR and --model DIR; or --toy N for generated rooms")
    if rooms != ROOMS:
        raise UserError("--oracle, --level, --objects and --flaws are for rooms; add --toy N, or leave them out")
    if (query is None) == (queries is None):
        raise UserError("give --query WORDS or --queries FILE, one of the two")
    asked = one_query(query, out) if query is not None else read_queries(queries or Path(), out)
    how = {"model": model, "box_model": box_model or model, "tracker": tracker.tracker, "snippets": snippets}
    how |= {"patience": patience, "seed": seed}
    job = SceneJob(scene, layout, fps, format.split(","), candidates, options, how)
    todo = left(asked, job)

    def make() -> Steps:
        with needs("train"):  # heavy; --help is quick
            from grounding.commands.ground3d_models import load_steps
        return load_steps(model, box_model, tracker, answers=snippets, patience=patience, seed=seed)

    _answer(asked, todo, job, make)


def _answer(asked: Sequence[Query], todo: Sequence[Query], job: SceneJob, make: Callable[[], Steps]) -> None:
    ends: Counter[str] = Counter({"answered before": len(asked) - len(todo)})
    for one, found in ground(todo, job, make, _progress):
        ends[found.outcome] += 1
        print(printable(f"{one.out}: {found.outcome}{_detail(found)}"))
    print("; ".join(f"{count} {name}" for name, count in ends.items() if count))


def _detail(found: Grounded) -> str:
    if found.lifted is None:
        return f": {found.reason}" if found.reason else ""
    one = found.lifted.instances[0]
    return f": {len(one.points)} points, confidence {one.ratio:.2f}"


def _progress(frames: Iterable[Frame], title: str) -> Iterable[Frame]:
    return track(frames, title, console=Console(stderr=True))


def _rooms(samples: Sequence[Sample]) -> Iterable[Sample]:
    return track(samples, "Rooms", console=Console(stderr=True))


if __name__ == "__main__":
    run(lambda: tyro.cli(main))
