"""What a task is: what a policy is shown and asked, how its text is read, and how good an answer is.

A new task is one file with a `Task`, and one line in `grounding.tasks.table`. Data, training, evaluation and report
know tasks through this class alone.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field

from grounding.core import Answer, Clip, LoadedSample, ParseFailure, Sample, UserError, UserTurn
from grounding.core.samples import normalise_query
from grounding.datasets.toy import Toy
from grounding.tasks.teaching import Teaching

Said = Answer | ParseFailure  # what a text says, or why it says nothing


def query_alone(sample: Sample) -> dict[str, str]:
    """For a task whose prompts hold nothing but the query."""
    return {}


def no_oracles(said: Said, loaded: LoadedSample) -> dict[str, Said]:
    """For a task whose answer has one part: with that known, nothing is left to say."""
    return {}


def nothing_gathered(said: Sequence[tuple[Sample, Said]]) -> list[dict[str, float]]:
    """For a task whose figures are those of single answers."""
    return [{} for _ in said]


def first_figure(figures: Mapping[str, float]) -> float:
    """For a task whose first figure says how good an answer is as a whole."""
    return next(iter(figures.values()))


def text_then_clip(text: str, shown: Clip, loaded: LoadedSample) -> UserTurn:
    """The usual user turn."""
    return text, shown


@dataclass(frozen=True)
class Task:
    """One kind of question about a video.

    All functions are pure and live at the top of a module, so that a task can be sent to another process.

    Args:
        name: What `task=` takes.
        needs: The parts that a truth must have: of each tuple one, named as in `Answer`.
        prompts: The words of the user's turn by kind ("full", "short"); `{query}` is filled in, and what `fill` gives.
        rewards: The preset of `rewards.PRESETS` that is taken by default.
        read: A text -> its answer, complete, or why there is none. Never raises.
        say: A truth and what to think -> the text of a perfect answer, from which `read` gives the truth again.
        measure: What was said and the truth -> figures by name, each in [0, 1], 1 where all is right. A failure has
            the same names, each 0. A run reports their means over the samples that have them.
        score: Figures of `measure` -> how good the answer is as a whole, in [0, 1]; it tells how difficult a sample is.
        gather: All samples of an evaluation and what was said about each -> further figures of each, in units of their
            own. A figure of several samples is given to one of them alone. They are reported as those of `measure`.
        fill: A sample -> what else its prompts hold, by name; nothing that tells its answer. It may refuse a sample.
        turn: The words, the clip with its IDs drawn, and the sample, whose clip is unmarked -> the user's turn: texts
            and clips (a still is a clip of one frame) in any order.
        oracles: What was said with parts of it replaced by the truth's, by name; measured, they are the ceilings.
        marks: Whether IDs are drawn on the video; only then masks are needed.
        toy: The toy world that asks its questions; None if none does.
        teaching: How the warm-up teaches it on that world.
    """

    name: str
    needs: tuple[tuple[str, ...], ...]
    prompts: Mapping[str, str]
    rewards: str
    read: Callable[[str, LoadedSample], Said]
    say: Callable[[Answer, str], str]
    measure: Callable[[Said, Answer], dict[str, float]]
    score: Callable[[Mapping[str, float]], float] = first_figure
    gather: Callable[[Sequence[tuple[Sample, Said]]], Sequence[Mapping[str, float]]] = nothing_gathered
    fill: Callable[[Sample], Mapping[str, str]] = query_alone
    turn: Callable[[str, Clip, LoadedSample], UserTurn] = text_then_clip
    oracles: Callable[[Said, LoadedSample], Mapping[str, Said]] = no_oracles
    marks: bool = False
    toy: Toy | None = None
    teaching: Teaching = field(default_factory=Teaching)

    def prompt(self, sample: Sample, kind: str) -> str:
        """The words of the user's turn about a sample.

        Raises:
            UserError: If there is no such kind of prompt.
        """
        if kind not in self.prompts:
            known = ", ".join(self.prompts)
            raise UserError(f"there is no prompt {kind!r} for task {self.name}; known prompts: {known}")
        return self.prompts[kind].format(query=normalise_query(sample.query), **self.fill(sample))

    def graded(self, said: Said, truth: Answer) -> float:
        """How good an answer is as a whole, in [0, 1]; what says nothing is worth 0."""
        return self.score(self.measure(said, truth))

    def lacks(self, parts: Collection[str]) -> list[str]:
        """What truths that have only these parts still need."""
        return [" or ".join(need) for need in self.needs if not set(need) & set(parts)]

    def asked_of(self, truth: Answer) -> Answer:
        """The parts of a truth that the task asks for; data may know more."""
        asked = {part for need in self.needs for part in need}
        asked |= {"also"} if "text" in asked else set()
        return Answer(**{part: getattr(truth, part) for part in truth.parts if part in asked})

    def check(self, sample: Sample) -> None:
        """Refuse a sample whose truth lacks what is asked, or that no prompt can ask about.

        Raises:
            UserError: Saying what the row lacks.
        """
        if missing := self.lacks(sample.truth.parts):
            raise UserError(f"the row does not say its {' and '.join(missing)}; take a split whose truth is public")
        for kind in self.prompts:
            self.prompt(sample, kind)
