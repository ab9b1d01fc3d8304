"""What stands beside the pictures of an answer, by the parts that truth and answer have: words, options, bars."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import zip_longest

import numpy as np

from grounding.core import Answer, ParseFailure, Sample
from grounding.evaluation.bars import LABELS, in_digits, number_line, time_line
from grounding.evaluation.drawing import PREDICTED, RGB, TRUE, draw_box, paper, paragraph, taller
from grounding.tasks.options import options_of
from grounding.tasks.task import Said

SWATCH = 6, 56  # pixels (height, width) of the line that shows how an answer is drawn
GAP = 8  # pixels around an option; its frames lie in it
OPTION = 400  # pixels that an option takes in width, where there is room for more than one
SHORT = 60  # characters of an answer that stands beside others
MANY = 6  # options; more stand closer

Drawn = tuple[RGB, bool]  # a line's colour, and whether it is dashed
SOLID: Drawn = (TRUE, False)
DASHED: Drawn = (PREDICTED, True)


def in_words(answer: Answer) -> str:
    """The parts of an answer in one line: `A, ID 3, 0.50 to 2.00 s`; no time at all is `never`, no object `no ID`."""
    said = sorted(answer.choices or ())
    said += [in_digits(answer.number)] if answer.number is not None else []
    texts = [] if answer.text is None else [answer.text, *(answer.also or ())]
    said += [" or ".join(f"“{one}”" for one in texts)] if texts else []
    said += [f"ID {one}" for one in sorted(answer.ids or ())]
    said += ["no ID"] if answer.object_ids == frozenset() else []
    for name, corners in (("box", answer.box), ("point", answer.point)):
        said += [f"{name} [{', '.join(in_digits(round(one, 1)) for one in corners)}]"] if corners is not None else []
    said += [f"{one.start:.2f} to {one.end:.2f} s" for one in answer.segments or ()]
    said += ["never"] if answer.segments == () else []
    return ", ".join(said)


def answers(width: int, size: int, truth: Answer, said: Said, figures: Mapping[str, float]) -> np.ndarray:
    """What is true, what was said or why nothing, and how good that is, with the lines that both are drawn in.

    Each takes at most two lines. Figures at thresholds are left out.

    Args:
        width: Pixels.
        size: Of the letters, in pixels.
        truth: The parts that were asked for.
        said: The answer.
        figures: Of the answer, by name.
    """
    true = _line(width, size, "true", in_words(truth), SOLID)
    rated = ", ".join(f"{name} {value:.2f}" for name, value in figures.items() if "@" not in name)
    if isinstance(said, ParseFailure):
        reply = _line(width, size, "predicted", f"nothing: {said.reason}", None)
    else:
        reply = _line(width, size, "predicted", in_words(said), DASHED)
        rated = "; ".join(filter(None, [_compared(truth, said), rated]))
    return np.concatenate([true, reply, _line(width, size, "", rated, None)])


def controls(width: int, size: int, said: Mapping[str, Said]) -> np.ndarray:
    """What was said without seeing the video, in at most two lines; nothing where that was not wanted."""
    if not said:
        return paper(0, width)
    replies = []
    for name, one in said.items():
        words = "nothing" if isinstance(one, ParseFailure) else in_words(one)
        replies.append(f"{name}: {words if len(words) <= SHORT else words[:SHORT] + '…'}")
    return _line(width, size, "unseeing", "; ".join(replies), None)


def _compared(truth: Answer, said: Answer) -> str:
    """Which of several objects are right, missed and wrong."""
    if truth.ids is None or said.ids is None or (truth.object_ids is None and said.object_ids is None):
        return ""
    parts = {"right": truth.ids & said.ids, "missed": truth.ids - said.ids, "wrong": said.ids - truth.ids}
    return "; ".join(f"{name} {', '.join(f'ID {one}' for one in sorted(ids))}" for name, ids in parts.items() if ids)


def _line(width: int, size: int, name: str, text: str, drawn: Drawn | None) -> np.ndarray:
    """A text behind its name and the line that it is drawn in."""
    left = LABELS + SWATCH[1] + 2 * GAP
    words = paragraph(width - left, text, size, 2)
    row = np.concatenate([taller(paragraph(left, name, size, 1), len(words)), words], axis=1)
    if drawn is not None:
        (colour, dashed), (height, long) = drawn, SWATCH
        top = round(size * 1.35) // 2 - height // 2
        swatch = row[top : top + height, LABELS : LABELS + long]
        draw_box(swatch, np.array([0, 0, long, height]), (height, long), colour, dashed=dashed)
    return row


def options(width: int, size: int, sample: Sample, said: Answer) -> np.ndarray:
    """The options of a question with their letters: the true ones in a solid frame, the said ones in a dashed one.

    There is nothing where no letter is true or said. Options whose texts are not known are letters alone.

    Args:
        width: Pixels.
        size: Of the letters, in pixels.
        sample: With its truth, and the texts in `meta["options"]`.
        said: The answer.
    """
    true, taken = sample.truth.choices or frozenset(), said.choices or frozenset()
    if not true and not taken:
        return paper(0, width)
    texts = options_of(sample)
    count = max(len(texts), *(ord(letter) - ord("A") + 1 for letter in true | taken))
    columns = min(count, max(width // OPTION, 2 if count > MANY else 1))
    room, lines = width // columns - 4 * GAP, 1 if count > MANY else 2
    letters = [chr(ord("A") + place) for place in range(count)]
    words = [f"{one}: {text}" if text else one for one, text in zip_longest(letters, texts, fillvalue="")]
    written = [paragraph(room, one, size, lines) for one in words]
    height = max(map(len, written))
    cells = [
        _option(taller(one, height), letter in true, letter in taken)
        for one, letter in zip(written, letters, strict=True)
    ]
    cells += [paper(*cells[0].shape[:2])] * (-count % columns)
    rows = [np.concatenate(cells[start : start + columns], axis=1) for start in range(0, len(cells), columns)]
    grid = np.concatenate(rows)
    return np.concatenate([grid, paper(len(grid), width - grid.shape[1])], axis=1)


def _option(words: np.ndarray, true: bool, said: bool) -> np.ndarray:
    """An option in its frames."""
    height, width = words.shape[:2]
    cell = paper(height + 2 * GAP, width + 4 * GAP)
    cell[GAP:-GAP, 2 * GAP : -2 * GAP] = words
    for drawn, (colour, dashed) in ((true, SOLID), (said, DASHED)):
        if drawn:
            draw_box(cell, np.array([GAP, GAP, width + 3 * GAP, height + GAP]), cell.shape[:2], colour, dashed=dashed)
    return cell


def bars(
    width: int, duration: float, truth: Answer, said: Answer, ticks: Sequence[float] = (), cursor: float | None = None
) -> np.ndarray:
    """A time line where times are true or said, and a line of numbers where a number is."""
    parts = [paper(0, width)]
    if truth.segments is not None or said.segments is not None:
        parts.append(time_line(width, duration, truth.segments, said.segments, ticks=ticks, cursor=cursor))
    if truth.number is not None or said.number is not None:
        parts.append(number_line(width, truth.number, said.number))
    return np.concatenate(parts)
