"""Questions and answers about toy clips: what they say, and whose token is whose."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from grounding.core import Answer, Interval
from grounding.datasets import toy
from grounding.datasets.toy import toy_source
from grounding.policies.policy import Policy
from grounding.policies.tiny import build_tokenizer
from grounding.tasks.asking import Asking
from grounding.tasks.stvg import STVG
from grounding.tasks.vtg import VTG
from grounding.training.turns import (
    PARTIAL,
    SECONDS,
    Turn,
    answer_text,
    completion_tokens,
    partial,
    toy_corpus,
    turns_of,
    two_frames,
)
from prompting import IdMarker

FIRST = 5_000_000
ASKING = Asking(STVG, "short", IdMarker())


def loaded_clip(objects: int = 2, number: int = FIRST, fps: float = 2.0) -> Any:
    source = toy_source(number, 1, objects=objects, fps=fps)
    return source.load(source.samples[0])


def test_turns_ask_for_every_object_its_own_id_and_times(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("grounding.training.turns.PARTIAL", 0.0)
    loaded = loaded_clip()
    turns = turns_of(loaded, ASKING, still=False)
    own, other = loaded.sample.meta["questions"]
    assert (own.query, own.truth) == (loaded.sample.query, loaded.sample.truth)
    assert [turn.prompt for turn in turns] == [f"Query: {own.query}", f"Query: {other.query}"]
    assert [turn.answer for turn in turns] == [
        answer_text(ASKING, own.query, Answer(own.about.interval, own.about.id)),
        answer_text(ASKING, other.query, Answer(other.about.interval, other.about.id)),
    ]
    assert all(turn.ends for turn in turns)


def test_an_answer_by_hand() -> None:
    assert answer_text(ASKING, "The square in red.", Answer(Interval(1.0, 3.5), 7)) == (
        "<think>square in red 7 1 to 3.5</think> <answer>Target ID: 7, Time range: 1.0 to 3.5</answer>"
    )
    when = Asking(VTG, "short", IdMarker())
    assert answer_text(when, "The square in red.", Answer(Interval(1.0, 3.5))) == (
        "<think>square in red 1 to 3.5</think> <answer>1.0 to 3.5</answer>"
    )


def test_words_that_are_said_are_single_tokens() -> None:
    tokenizer = build_tokenizer(toy_corpus(ASKING))
    said = "<think>square in red 7 1 to 3</think> <answer>Target ID: 7, Time range: 1.0 to 3.0</answer>"
    words = [*said.replace("<think>", "<think> ").replace("</", " </").split(), *SECONDS]
    assert len(SECONDS) == toy.SECONDS
    assert len(tokenizer(said)["input_ids"]) == 28  # 9 of thinking, " <answer>" in 3, 15 in it, and its end
    assert all(len(tokenizer(f" {word}")["input_ids"]) == 1 for word in words if word.isalpha())
    assert len(tokenizer("square")["input_ids"]) == 1  # right after <think>


@pytest.mark.parametrize(
    ("late", "early", "whole", "part"),
    [
        (True, True, (0.0, 4.0), (1.0, 3.0)),
        (True, False, (0.0, 4.0), (1.0, 4.0)),
        (False, True, (1.0, 3.0), (1.0, 2.0)),
        (True, True, (1.0, 3.0), (2.0, 3.0)),  # a second is left, so the end stays
        (True, True, (1.0, 2.0), (1.0, 2.0)),
        (False, False, (0.0, 3.0), (0.0, 3.0)),
    ],
)
def test_partial_annotations_by_hand(
    late: bool, early: bool, whole: tuple[float, float], part: tuple[float, float]
) -> None:
    rng: Any = SimpleNamespace(random=lambda _: np.array([not late, not early], float))
    assert partial(Interval(*whole), rng) == Interval(*part)


def test_partial_annotations_come_as_often_as_said() -> None:
    rng = np.random.default_rng(0)
    parts = [partial(Interval(0.0, 4.0), rng) for _ in range(2000)]
    # 2000 draws at 0.75: standard deviation 0.01
    assert np.mean([part.start == 1.0 for part in parts]) == pytest.approx(PARTIAL, abs=0.05)
    assert np.mean([part.end == 3.0 for part in parts]) == pytest.approx(PARTIAL, abs=0.05)


def test_of_still_frames_one_answer_is_whole_and_the_others_are_thoughts() -> None:
    loaded = loaded_clip()
    still, whole = turns_of(loaded, ASKING, still=True), turns_of(loaded, ASKING, still=False)
    assert [turn.prompt for turn in still] == [turn.prompt for turn in whole]
    assert still[0] == whole[0]
    assert still[1].answer == whole[1].answer.partition(" <answer>")[0]
    assert still[1].answer.endswith("</think>")
    assert [turn.ends for turn in still] == [True, False]


def test_owners_by_hand(policy: Policy) -> None:
    turns = [Turn("q", "12", ends=True), Turn("7", "5", ends=False), Turn("x", "3", ends=True)]
    tokens, owner = completion_tokens(policy, turns)
    pieces: dict[int, list[str]] = {}
    for token, who in zip(tokens.tolist(), owner.tolist(), strict=True):
        pieces.setdefault(who, []).append(policy.tokenizer.decode([token]))
    assert pieces[1] == ["1", "2", "<|im_end|>"]
    assert pieces[2] == ["5"]
    assert pieces[3] == ["3", "<|im_end|>"]
    asked = "\n<|im_start|>user\n{}<|im_end|>\n<|im_start|>assistant\n"
    assert "".join(pieces[0]) == asked.format("7") + "<|im_end|>" + asked.format("x")
    changes = [who for k, who in enumerate(owner.tolist()) if k == 0 or who != owner[k - 1]]
    assert changes == [1, 0, 2, 0, 3]


def test_prompt_and_turns_are_one_chat_as_the_template_writes_it(policy: Policy) -> None:
    turns = [Turn("first?", "one 1", ends=True), Turn("second?", "two 2", ends=True)]
    tokens, _ = completion_tokens(policy, turns)
    said = policy.render("first?") + policy.tokenizer.decode(tokens)
    chat = [
        {"role": "user", "content": [{"type": "text", "text": "first?"}, {"type": "video"}]},
        {"role": "assistant", "content": "one 1"},
        {"role": "user", "content": "second?"},
        {"role": "assistant", "content": "two 2"},
    ]
    assert said + "\n" == policy.processor.apply_chat_template(chat, tokenize=False)


@pytest.mark.parametrize("number", range(FIRST, FIRST + 12))
def test_two_frames_show_the_object_and_drop_those_they_miss(number: int) -> None:
    loaded = loaded_clip(3, number)
    still = two_frames(loaded)
    truth = loaded.sample.truth
    assert len(still.clip) == 2
    at = [int(np.flatnonzero(loaded.clip.pts == time)[0]) for time in still.clip.pts]
    assert at[1] == at[0] + 1
    assert np.array_equal(still.clip.frames, loaded.clip.frames[at])
    assert all(truth.interval.start <= time < truth.interval.end for time in still.clip.pts)
    shown = {
        one.about.id
        for one in loaded.sample.meta["questions"]
        if all(one.about.interval.start <= time < one.about.interval.end for time in still.clip.pts)
    }
    assert {one.about.id for one in still.sample.meta["questions"]} == shown
    assert still.sample.meta["questions"][0].about.id == truth.object_id
    assert two_frames(loaded).clip.pts.tolist() == still.clip.pts.tolist()  # the sample decides, nothing else
