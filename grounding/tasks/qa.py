"""Questions about a video: options by their letters, a number, or free words; the truth says which.

Grammar of the answer block, all of it, see `grounding.tasks.answers`: `B` or `A, C`; `3.5`; or any words.
"""

from __future__ import annotations

from dataclasses import replace

from grounding.core import Answer, LoadedSample, Sample, UserError
from grounding.datasets.room_queries import ROOMS
from grounding.datasets.toy import WORLD
from grounding.tasks.answers import parse_choices, parse_number, parse_words
from grounding.tasks.options import options_of, shown_options
from grounding.tasks.room_questions import ask_rooms, first_view
from grounding.tasks.tags import answered
from grounding.tasks.task import Said, Task
from grounding.tasks.teaching import Lesson, Teaching
from grounding.tasks.toy_questions import ask_options, colour_and_second, hasty
from rewards import Meta, choice_match, exact_match, mean_relative_accuracy, rouge_l

PROMPTS = {
    "full": (
        '{situation}Question: "{query}"{options}\n'
        "Answer it from what the video shows.\n"
        "First think inside <think> </think>: go through what happens and where. "
        "Then give {form}, in exactly this form:\n"
        "<think>your thoughts</think> <answer>{example}</answer>"
    ),
    # For models too small to read instructions; they learn the form from the warm-up.
    "short": "{situation}{options_in_line}{query}",
}
FORMS = {
    "choices": ("the letter of the right option, or the letters of all that are right", "A, C"),
    "number": ("one number without a unit", "3.5"),
    "text": ("the answer in a few words", "a red cup"),
}
FIGURES = {
    "accuracy": choice_match,
    "MRA": mean_relative_accuracy,
    "exact_match": exact_match,
    "ROUGE-L": rouge_l,
}


def kind_of(truth: Answer) -> str:
    """The part of a truth that answers its question: choices, number or text.

    Raises:
        UserError: If it has none of them.
    """
    for kind in FORMS:
        if getattr(truth, kind) is not None:
            return kind
    raise UserError("the truth of a question must have choices, a number or a text")


def answer_text(truth: Answer, thinking: str) -> str:
    """The text that a perfect model would write; it is read back the same, but for white space and 13th decimals.

    Raises:
        UserError: If the truth answers no question, or the thinking holds one of the tags.
    """
    kind = kind_of(truth)
    if kind == "choices":
        said = ", ".join(sorted(truth.choices or ()))
    elif kind == "number":
        said = f"{truth.number:.12f}".rstrip("0").rstrip(".")
    else:
        said = " ".join((truth.text or "").split())
    return answered(said, thinking)


def measure(said: Said, truth: Answer) -> dict[str, float]:
    """Of options whether exactly the right ones were taken, of numbers the MRA, of words two likenesses.

    Raises:
        UserError: If the truth answers no question.
    """
    kind_of(truth)
    values = {name: figure(said, truth, Meta()) for name, figure in FIGURES.items()}
    return {name: value for name, value in values.items() if value is not None}


def _read(text: str, loaded: LoadedSample) -> Said:
    kind = kind_of(loaded.sample.truth)
    if kind == "choices":
        return parse_choices(text, len(options_of(loaded.sample)))
    return parse_number(text) if kind == "number" else parse_words(text)


def _fill(sample: Sample) -> dict[str, str]:
    kind, situation = kind_of(sample.truth), sample.meta.get("situation")
    if kind == "choices" and not options_of(sample):
        raise UserError(f"sample {sample.id} asks for an option but has none; take a file that has the options")
    form, example = FORMS[kind]
    return {
        "situation": f"{situation}\n" if situation else "",
        "options": shown_options(sample) if kind == "choices" else "",
        "options_in_line": f"{shown_options(sample, ' ')} ".lstrip() if kind == "choices" else "",
        "form": form,
        "example": example,
    }


QA = Task(
    name="qa",
    needs=(("choices", "number", "text"),),
    prompts=PROMPTS,
    rewards="what",
    read=_read,
    say=answer_text,
    measure=measure,
    fill=_fill,
    toy=replace(WORLD, ask=ask_options),
    teaching=Teaching(
        steps=600,
        lessons=(Lesson(0.2, asks=False), Lesson(0.8, shows="whole", pace=0.7)),
        label=hasty,
        says=colour_and_second,
    ),
)

# In rooms: free answers.
QA_ROOMS = replace(
    QA,
    toy=replace(ROOMS, ask=ask_rooms),
    teaching=replace(
        QA.teaching,
        steps=500,
        lessons=(
            Lesson(0.2, asks=False),
            Lesson(0.15, shows="moment", pace=0.6),
            Lesson(0.65, shows="whole", pace=0.8),
        ),
        label=first_view,
    ),
)
