"""The chain on held-out rooms of the toy world, with trained policies, a scripted tracker, or the truth."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from PIL import Image

from grounding.core import Sample, UserError
from grounding.core.extras import needs
from grounding.core.files import write_json, write_text
from grounding.core.folders import new_folder
from grounding.datasets.room_queries import ROOMS
from grounding.datasets.room_scenes import SENSOR, RoomScene
from grounding.datasets.toy import HELD_OUT, toy_source
from grounding.ground3d.chain import Options
from grounding.ground3d.follow import TrackedMasks
from grounding.ground3d.oracles import read_oracles
from grounding.ground3d.picture import draw
from grounding.ground3d.scripted import Flaws, ScriptedTracker
from grounding.ground3d.toy import as_row, climb, scores, table
from grounding.ground3d.trace import as_json

SCORES, TABLE, ROWS = "scores.json", "scores.txt", "queries.jsonl"
Guesses = Mapping[str, Callable[..., Any]]


@dataclass(frozen=True)
class ToyRooms:
    """Held-out rooms of the toy world, and what answers instead of models.

    Args:
        toy: How many rooms, in place of a scene; each asks its own question, and every fifth or so fits nothing.
        oracle: Steps that are the truth, of snippet, box and masks, separated by commas. Those that are not are the
            models, and a tracker that follows true masks from the box.
        level: 1: all things have different colours. 2: with twins, told apart by size or by what stands beside them.
        objects: Things in a room, 1 to 4 (level 2 needs at least 2).
        flaws: What the tracker gets wrong.
    """

    toy: int = 0
    oracle: str = ""
    level: int = 1
    objects: int = 3
    flaws: Flaws = field(default_factory=Flaws)

    def samples(self) -> Sequence[Sample]:
        """The first held-out rooms; errors as `toy_source`."""
        if not 1 <= self.toy <= len(HELD_OUT):
            raise UserError(f"--toy must be 1 to {len(HELD_OUT):,} rooms, got {self.toy}")
        return toy_source(HELD_OUT.start, self.toy, level=self.level, objects=self.objects, toy=ROOMS).samples


@dataclass(frozen=True)
class ToyModels:
    """The policies, and how they are asked; arguments as in `scripts/ground3d.py`."""

    model: str | None
    box_model: str | None
    snippets: int
    patience: float
    seed: int
    device: str

    def load(self, oracles: frozenset[str]) -> Guesses:
        """The first two steps, as far as they are no oracles.

        Raises:
            UserError: If a model is missing or cannot be loaded.
        """
        when = None if "snippet" in oracles else self.model
        where = None if "box" in oracles else self.box_model or self.model
        if (when or "snippet" in oracles) and (where or "box" in oracles):
            return self._load(when, where)
        raise UserError("give --model DIR for the steps that are no --oracle, or --oracle snippet,box,masks")

    def _load(self, when: str | None, where: str | None) -> Guesses:
        if when is None and where is None:
            return {}
        with needs("train"):  # heavy
            from grounding.commands.ground3d_models import TASKS, PolicySteps, load_asker
        guesses: dict[str, Callable[..., Any]] = {}
        if when is not None:
            asker = load_asker(when, TASKS["vtg"], self.device)
            guesses["snippet"] = PolicySteps(asker, asker, self.snippets, self.seed).snippets
        if where is not None:
            asker = load_asker(where, TASKS["box"], self.device)
            guesses["box"] = PolicySteps(asker, asker, 1, self.seed).box
        return guesses


def ground_rooms(
    rooms: ToyRooms,
    models: ToyModels,
    out: Path,
    options: Options,
    progress: Callable[[Sequence[Sample]], Iterable[Sample]] = iter,
) -> str:
    """Answer the question of each room, and write `scores.json`, `scores.txt`, `queries.jsonl` and all traces.

    Args:
        rooms: Which rooms.
        models: What answers.
        out: New or empty folder.
        options: How thoroughly things are looked for.
        progress: Wraps the samples on their way, to show how far the work is.

    Returns:
        The table of `scores.txt`.

    Raises:
        UserError: If an option is out of its range, a model cannot be loaded, or the folder cannot be written.
    """
    oracles, samples = read_oracles(rooms.oracle), rooms.samples()
    with new_folder(out) as partial:
        asked = models.load(oracles)

        def guesses(room: RoomScene) -> Guesses:
            tracker = ScriptedTracker(lambda view: room.film.shot(view).labels, rooms.flaws, models.seed)
            return {**asked, "masks": TrackedMasks(tracker, models.patience)}

        climbs = []
        for sample in progress(samples):
            found, results = climb(sample, guesses, oracles, options, SENSOR)
            climbs.append(results)
            folder = partial / "traces" / sample.id
            folder.mkdir(parents=True)
            write_json(folder / "trace.json", as_json(found, {"oracle": sorted(oracles)}))
            Image.fromarray(draw(found)).save(folder / "trace.png")
        made = scores(climbs)
        write_json(partial / SCORES, made)
        write_text(partial / TABLE, table(made))
        write_text(partial / ROWS, "".join(json.dumps(as_row(results)) + "\n" for results in climbs))
    return table(made)
