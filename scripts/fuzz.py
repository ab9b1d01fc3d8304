"""Throw random and mutated completions at every parser and every reward: never an exception, always in range.

python scripts/fuzz.py --texts 1000000 --seed 0

It ends at the first text that fails, with its seed and number; `--only N` makes that one again.
"""

from __future__ import annotations

from grounding.cli import run  # first: from here on Ctrl-C ends with one line

# isort: split
import random
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from functools import partial

import numpy as np
import tyro
from rich.console import Console
from rich.progress import track

from grounding.core import Answer, Interval, Mask, ParseFailure, Tube, UserError, rle
from grounding.tasks import answers, boxes, evidence, objects, stvg, vtg
from grounding.tasks.lenient import BOXES, LETTERS, NUMBERS, RANGES, Lenient
from rewards import REWARDS, CitingAnswer, Evidence, Meta

Parser = Callable[[str], Answer | ParseFailure]

TRUTH = CitingAnswer(
    interval=Interval(2.0, 8.0),
    object_id=3,
    tube=Tube(2, np.tile([0.0, 0.0, 10.0, 10.0], (4, 1))),
    intervals=(Interval(2.0, 8.0), Interval(10.0, 12.0)),
    object_ids=frozenset([1, 3]),
    box=(1.0, 2.0, 30.0, 40.0),
    mask=Mask((4, 4), rle.encode(np.eye(4, dtype=bool))),
    choices=frozenset("B"),
    text="the man in the red coat opens the door and walks out of the room",
    number=45.0,
    evidence=(Evidence(4.0, (1.0, 2.0, 30.0, 40.0)), Evidence(4.5, (0.0, 0.0, 5.0, 5.0))),
)
SIZE = (200, 400)
PARSERS: dict[str, Parser] = {
    "stvg": stvg.parse,
    "range": vtg.parse,
    "ranges": vtg.parse_segments,
    "id": objects.parse,
    "ids": objects.parse_all,
    "box": partial(boxes.parse_box, size=SIZE),
    "box_1000": partial(boxes.parse_box, size=SIZE, units="thousandths"),
    "point": partial(boxes.parse_point, size=SIZE),
    "choices": partial(answers.parse_choices, options=4),
    "number": answers.parse_number,
    "progress": answers.parse_progress,
    "words": answers.parse_words,
    "grounded": partial(answers.parse_grounded, options=4),
    "trace": partial(answers.parse_trace, options=4),
    "cited": partial(evidence.parse_cited, parse=answers.parse_words, size=SIZE, units="thousandths"),
}
WANTED = {
    **{"stvg": stvg.GRAMMAR, "range": RANGES, "choices": LETTERS, "grounded": LETTERS, "number": NUMBERS},
    **{"box": BOXES, "cited": LETTERS},
}
FORMS = ("think_answer_format", "planned_think_format", "evidence_format", "overlong", "repetition")
FOR: dict[str, tuple[str, ...]] = {  # the rewards that look at what a parser reads
    "stvg": ("temporal_iou", "id_match", "tube_viou"),
    "range": ("temporal_iou", "boundary_iou", "shaped_iou", "temporal_iop", "temporal_recall", "time_proximity"),
    "ranges": ("segments_iou", "segments_f1", "segments_in_order", "best_segment_iou", "time_proximity"),
    "id": ("id_match",),
    "ids": ("id_set_f1",),
    "box": ("box_iou", "box_giou", "box_format"),
    "box_1000": ("box_iou", "box_giou"),
    "point": ("point_in_mask",),
    "choices": ("choice_match", "choice_soft", "choice_jaccard", "choice_f1", "answer_accuracy", "length_bonus"),
    "number": ("relative_accuracy", "mean_relative_accuracy"),
    "progress": ("progress_nearness", "progress_direction"),
    "words": ("exact_match", "rouge", "rouge_l"),
    "grounded": ("choice_match", "segments_iou", "glue_format"),
    "trace": ("choice_match", "time_caption_format"),
    "cited": ("evidence_iou", "time_proximity", "rouge"),
}

GOOD = [
    "<think>the red one</think> <answer>Target ID: 3, Time range: 2.0 to 7.0</answer>",
    "<think>it begins at 2</think> <answer>from 2.50s to 7.5 seconds</answer>",
    "<think>twice</think><answer>[(2.0, 6.5), (11.0, 14.2)]</answer>",
    "<think>t</think><answer>2-7 10-12</answer>",
    "<think>two</think> <answer>IDs: [1], #3 and ID 4</answer>",
    '<think>here</think> <answer>{"bbox_2d": [1, 2, 30.5, 40], "label": "chair"}</answer>',
    "<think>here</think> <answer>[1, 2]</answer>",
    "<think>B</think> <answer>(B), D</answer>",
    "<think><planning>a</planning><observation>b</observation><reasoning>c</reasoning></think><answer>-45.5%</answer>",
    "<think>t</think> <answer>the man opens the door</answer>",
    "<think>one</think> <answer>Target ID: 3</answer>",
    "<think>metres</think> <answer>12.75</answer>",
    "<think>t</think><answer>B</answer><glue>[(2.0, 6.5), (11.0, 14.2)]</glue>",
    "<time>2-7</time> <caption>c</caption> <think>t</think> <time>0:10-0:12</time><caption>d</caption><think>u</think>"
    " so <answer>B</answer>",
    "<think><obj>the man</obj><box>[1, 2, 30.5, 40]</box>at<t>4.5</t>s</think><answer>he opens the door</answer>",
]
NAMES = ("think", "answer", "glue", "time", "caption", "planning", "observation", "reasoning", "obj", "box", "t")
PIECES = [
    *(f"<{name}>" for name in NAMES),
    *(f"</{name}>" for name in NAMES),
    *("<ANSWER>", "<answer", "answer>", "<", ">", "</", "<answer><answer>", "</think></think>", "<an\u017fwer>"),
    *("3", "#3", "[3]", "ID 3", "1, 2", "0", "-1", "007", "1.5", "3.", ".5"),
    *("9" * 400, "0." + "1" * 50, "1" + "0" * 30),
    *("2.0 to 7.0", "7 to 2", "2-7", "1:05", "1:99", "00:00:01", "99:99:99", ":", "::", "to", "and", "-", "\u2013"),
    *("nan", "NaN", "inf", "-Infinity", "1e309", "-0.0", "1e-400", "0x10", "1_000", "1,000", "%", "s", "seconds"),
    *("B", "(B)", "B.", "A, C", "ABCD", "[", "]", "(", ")", "{", "}", '"', "[[[[", '{"bbox_2d": [', "null", "true"),
    *(" ", "\n", "\t", "\u3000", "\x00", "\u2028", "\r\n", ",", ";", ".", "\\", "%s", "{0}", "'"),
    *("\u0663", "\uff13", "\u00b2", "\u0969", "\u0130", "\u017f", "\u212a", "\ud800"),
    *("\U0001f534", "\u202e", "B\u0301"),
]


def main(*, texts: int = 100_000, seed: int = 0, only: int | None = None) -> None:
    """Fuzz every parser and every reward.

    Args:
        texts: How many; every thousandth has up to 100 kB.
        seed: Of the texts; the same one makes the same texts.
        only: Check the text of this number alone, and print it.
    """
    if texts < 1 or (only is not None and not 0 <= only < texts):
        raise UserError(f"--texts must be at least 1 and --only below it, got {texts} and {only}")
    found: Counter[str] = Counter()
    made: Iterable[tuple[int, str]] = enumerate(hostile(texts, seed))
    if only is not None:
        made = [one for one in made if one[0] == only]
        print(ascii(made[0][1]))
    for number, text in track(made, "Texts", texts if only is None else 1, console=Console(stderr=True)):
        try:
            found.update(check(text))
        except Exception as error:  # whatever it is, with the text that it comes from
            raise AssertionError(f"text {number} of seed {seed} fails: {text[:300]!a}") from error
    print(f"{texts if only is None else 1} texts of seed {seed}: no exception, every reward within its range")
    print("answers found by " + ", ".join(f"{name}: {found[name]}" for name in PARSERS))


def hostile(count: int, seed: int) -> Iterator[str]:
    """Texts that nobody asked for: mutated good ones, tags and numbers in any order, noise, and very long ones."""
    rng = random.Random(seed)
    kinds = (mutated, mutated, assembled, wrapped, noise)
    for index in range(count):
        yield huge(rng) if index % 1000 == 999 else kinds[index % 5](rng)


def mutated(rng: random.Random) -> str:
    """A good text with up to six places changed."""
    text = list(rng.choice(GOOD))
    for _ in range(rng.randint(0, 6)):
        at = rng.randrange(len(text) + 1)
        cut = rng.choice([0, 0, 1, 1, 3, 20])
        text[at : at + cut] = rng.choice([rng.choice(PIECES), "", chr(rng.randrange(0x3000))])
    return "".join(text)


def assembled(rng: random.Random) -> str:
    """Pieces in any order."""
    return "".join(rng.choice(PIECES) for _ in range(rng.randrange(30)))


def wrapped(rng: random.Random) -> str:
    """A few pieces for an answer."""
    return f"<think>t</think><answer>{''.join(rng.choice(PIECES) for _ in range(rng.randrange(8)))}</answer>"


def noise(rng: random.Random) -> str:
    """Any characters."""
    return "".join(chr(rng.choice([rng.randrange(128), rng.randrange(0x110000)])) for _ in range(rng.randrange(60)))


def huge(rng: random.Random) -> str:
    """Up to 100 kB: one piece or one good text over and over, within tags or not."""
    piece = rng.choice([rng.choice(PIECES), assembled(rng), rng.choice(GOOD)]) or " "
    frame = rng.choice(["{}", "<think>{}</think><answer>3 to 7</answer>", "<answer>{}</answer>", "<time>{}</time>"])
    return frame.replace("{}", piece * (rng.choice([3_000, 100_000]) // len(piece)))


def long_texts(size: int) -> Iterator[str]:
    """Texts of a length that repeat what a parser might stumble over, alone and within tags."""
    bodies = ["a ", "the red door ", "9", "1-2 ", "1, ", "[", "(A), ", "<answer>", "<time>1-2</time>", "</think>", ": "]
    claim = "<obj>a</obj><box>[1, 2, 3, 4]</box>"
    bodies += [claim, f"{claim}at<t>1</t>s", "<t>1</t>s", "<obj>"]
    for body in bodies:
        many = body * (size // len(body))
        yield many
        yield f"<think>{many}</think><answer>{many}</answer>"


def meta_of(text: str) -> Meta:
    """All that a reward may ask for."""
    return Meta(text, duration=20.0, progress=0.3, tokens=len(text) // 4, max_tokens=1000, previous=40.0)


def check(text: str) -> set[str]:
    """Every parser and every reward on one text; `Reward` itself checks the range.

    Returns:
        The parsers that found an answer.

    Raises:
        AssertionError: If a parser returns anything else, a failure is rewarded, or the forgiving way is stricter.
    """
    meta, found = meta_of(text), set()
    for name, parse in PARSERS.items():
        answer = parse(text)
        assert isinstance(answer, (Answer, ParseFailure)), name
        if isinstance(answer, Answer):
            found.add(name)
        for reward in FOR[name]:
            value = REWARDS[reward](answer, TRUTH, meta)
            assert value is not None, reward
            assert not (isinstance(answer, ParseFailure) and value > 0), reward
    for name in FORMS:
        assert REWARDS[name](ParseFailure("not looked at"), TRUTH, meta) is not None, name
    for name, wanted in WANTED.items():
        assert isinstance(Lenient(PARSERS[name], wanted)(text), Answer) or name not in found, name
    return found


if __name__ == "__main__":
    run(lambda: tyro.cli(main))
