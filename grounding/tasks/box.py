"""Where a thing that words name is in one picture: one box.

The answer is in thousandths of the picture's width and height, whatever size the model is shown it at, and is read as
pixels of the picture itself. Grammar of the answer block: that of `grounding.tasks.boxes`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from enum import Enum

import numpy as np

from grounding.core import Answer, LoadedSample, UserError
from grounding.core.boxes import paired_box_iou
from grounding.datasets.room_queries import STILL_ROOMS
from grounding.datasets.toy import FPS, Question, ToyObject
from grounding.datasets.toy_stills import STILLS
from grounding.tasks.boxes import parse_box
from grounding.tasks.tags import answered
from grounding.tasks.task import Said, Task
from grounding.tasks.teaching import Lesson, Spot, Teaching

PROMPTS = {
    "full": (
        'Query: "{query}"\n'
        "Find the one thing in the picture that the query names.\n"
        "First think inside <think> </think>: what is to be seen, and which of it is meant. "
        "Then give the box around it, in exactly this form:\n"
        '<think>your thoughts</think> <answer>{{"bbox_2d": [x1, y1, x2, y2]}}</answer>\n'
        "x1 and x2 are its left and right edge, from 0 at the left of the picture to 1000 at the right; "
        "y1 and y2 are its top and bottom edge, from 0 at the top to 1000 at the bottom."
    ),
    # For models too small to read instructions; they learn the form from the warm-up.
    "short": "Where: {query}",
}
THRESHOLD = 0.5  # of Acc@0.5


def answer_text(truth: Answer, thinking: str) -> str:
    """The text that a perfect model would write, to the nearest thousandth.

    Raises:
        UserError: If the truth has no box, or does not say the size of its picture, or the thinking holds one of the
            tags.
    """
    if truth.box is None or truth.size is None:
        raise UserError("the truth of a box sample must have a box and the size of its picture")
    height, width = truth.size
    x1, y1, x2, y2 = (round(1000 * edge / side) for edge, side in zip(truth.box, (width, height) * 2, strict=True))
    return answered(f'{{"bbox_2d": [{x1}, {y1}, {x2}, {y2}]}}', thinking)


def measure(said: Said, truth: Answer) -> dict[str, float]:
    """IoU with the true box; `Acc@0.5` counts an IoU of exactly 0.5, as ScanRefer does.

    Raises:
        UserError: If the truth has no box.
    """
    if truth.box is None:
        raise UserError("a box can only be scored against a truth with a box")
    box = said.box if isinstance(said, Answer) else None
    iou = 0.0 if box is None else float(paired_box_iou(np.array(box), np.array(truth.box)))
    return {"mIoU": iou, f"Acc@{THRESHOLD}": float(iou >= THRESHOLD)}


def _read(text: str, loaded: LoadedSample) -> Said:
    return parse_box(text, loaded.clip.size, "thousandths")


# What the tiny policy is taught: words for the lines that edges are on.

TOKEN = 14  # pixels that a visual token of the tiny policy is wide and high
EDGES = "ltrb"  # left, top, right, bottom, as in xyxy
CUT = 0.5  # how often an edge is taught a cell too far inside; our choice
TIGHT = 0.6  # how often all edges of a box are; our choice
LOOK = 1 / 3  # share of its look among the words of an object; the rest is that of its edges


class Lines(Enum):
    """Lines across a picture and down it, and words for the edges of boxes.

    An enum, for then what a member does is the same in every process to which it is sent.

    Attributes:
        cell: Pixels between two of them.
        names: What they are called, from the first, which is the left or upper side of the picture.
    """

    STILLS = 7, "abcdefghijklm"  # to 84 pixels
    ROOMS = 3.5, "abcdefghijklmnopqrstuvwxy"  # to 84 pixels across, and to the q at 56 down

    def __init__(self, cell: float, names: str) -> None:
        self.cell, self.names = cell, names

    @property
    def vocabulary(self) -> tuple[str, ...]:
        """All words for edges."""
        return tuple(edge + name for edge in EDGES for name in self.names)

    def words_of(self, box: Sequence[float]) -> list[str]:
        """A word for each edge of a box: which edge it is, and on which line."""
        return [edge + self.names[line] for edge, line in zip(EDGES, self._nearest(box), strict=True)]

    def cut_edges(self, question: Question, rng: np.random.Generator) -> Answer:
        """The box on the nearest lines, each edge one further inside with chance `CUT`; GRPO is left to mend that."""
        return self._cut(question.truth, rng.random(4) < CUT)

    def cut_box(self, question: Question, rng: np.random.Generator) -> Answer:
        """As `cut_edges`, but all edges together, with chance `TIGHT`, as somebody would who draws boxes too small."""
        return self._cut(question.truth, np.repeat(rng.random() < TIGHT, 4))

    def _cut(self, truth: Answer, cut: np.ndarray) -> Answer:
        assert truth.box is not None
        lines = self._nearest(truth.box)
        wide = np.tile(lines[2:] - lines[:2] > 2, 2)  # so that something is left
        x1, y1, x2, y2 = (self.cell * (lines + (cut & wide) * np.array([1, 1, -1, -1]))).tolist()
        return replace(truth, box=(x1, y1, x2, y2))

    def recite_taught(self, question: Question, taught: Answer) -> str:
        """The question's own thinking, or else the look of its object, and each edge that is taught after its colour.

        An edge that followed another one was often that of an object whose other edge is the same.
        """
        return self._recite(question, taught)

    def recite_true(self, question: Question, taught: Answer) -> str:
        """As `recite_taught`, but the true edges, also where others are taught."""
        return self._recite(question, question.truth)

    def look_and_edges(self, thing: ToyObject | None, spot: Spot) -> dict[str, float]:
        """Look and edges of the object; of the ground the edges of the token itself, in row and column."""
        if thing is None:
            left, top = TOKEN * spot.column, TOKEN * spot.row
            return dict.fromkeys(self.words_of((left, top, left + TOKEN, top + TOKEN)), 1 / 4)
        look = dict.fromkeys(thing.look, LOOK / len(thing.look))
        return look | dict.fromkeys(self.words_of(thing.box_at(round(spot.at * FPS))), (1 - LOOK) / 4)

    def _recite(self, question: Question, answer: Answer) -> str:
        assert answer.box is not None
        colour = question.about.colour
        look = question.thinking or question.about.name.removesuffix(f" {colour}")
        return " ".join([look, *(f"{colour} {word}" for word in self.words_of(answer.box))])

    def _nearest(self, box: Sequence[float]) -> np.ndarray:
        return np.round(np.array(box) / self.cell).astype(int)


BOX = Task(
    name="box",
    needs=(("box",),),
    prompts=PROMPTS,
    rewards="scene_r1_box",
    read=_read,
    say=answer_text,
    measure=measure,
    toy=STILLS,
    teaching=Teaching(
        steps=800,
        lessons=(Lesson(0.6, asks=False, shows="whole"), Lesson(0.4, shows="whole", pace=0.7)),
        label=Lines.STILLS.cut_edges,
        think=Lines.STILLS.recite_taught,
        says=Lines.STILLS.look_and_edges,
        vocabulary=Lines.STILLS.vocabulary,
    ),
)

# In rooms: on one frame, with lines twice as close, and a thinking that is right where the answer is not.
BOX_ROOMS = replace(
    BOX,
    toy=STILL_ROOMS,
    teaching=Teaching(
        steps=650,
        lessons=(Lesson(0.5, asks=False, shows="whole"), Lesson(0.5, shows="whole", pace=0.7)),
        label=Lines.ROOMS.cut_box,
        think=Lines.ROOMS.recite_true,
        says=Lines.ROOMS.look_and_edges,
        vocabulary=Lines.ROOMS.vocabulary,
    ),
)
