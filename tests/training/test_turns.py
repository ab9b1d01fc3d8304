"""Questions and answers about toy clips: what they say, what is scored, and whose token is whose."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from grounding.core import Interval
from grounding.datasets.toy import toy_source
from grounding.policies.policy import Policy
from grounding.training.turns import (
    PARTIAL,
    Turn,
    completion_tokens,
    partial,
    turns_of,
    two_frames,
    unscored_seconds,
)

FIRST = 5_000_000


def loaded_clip(objects: int = 2, number: int = FIRST, fps: float = 2.0) -> Any:
    source = toy_source(number, 1, objects=objects, fps=fps)
    return source.load(source.samples[0])


def whole_text(turn: Turn) -> str:
    return "".join(piece for piece, _ in turn.answer)


def scored(text: str) -> Turn:
    return Turn("q", [(text, True)], ends=True)


def test_turns_ask_for_every_object_its_own_id_and_times(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("grounding.training.turns.PARTIAL", 0.0)
    loaded = loaded_clip()
    turns = turns_of(loaded, "short", still=False)
    truth, other = loaded.sample.truth, loaded.sample.meta["others"][0]
    query = loaded.sample.query
    assert [turn.prompt for turn in turns] == [f"Query: {query}", f"Query: {other['query']}"]
    words = query.removeprefix("the ")
    start, end = truth.interval.start, truth.interval.end
    said = (
        f"<think>{words} {truth.object_id}</think> "
        f"<answer>Target ID: {truth.object_id}, Time range: {start} to {end}</answer>"
    )
    assert turns[0].answer == [(said, True)]
    assert f"Target ID: {other['object_id']}, Time range: {other['interval'].start} to" in whole_text(turns[1])
    assert all(turn.ends for turn in turns)


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
    # 2000 draws at 0.7: standard deviation 0.01
    assert np.mean([part.start == 1.0 for part in parts]) == pytest.approx(PARTIAL, abs=0.05)
    assert np.mean([part.end == 3.0 for part in parts]) == pytest.approx(PARTIAL, abs=0.05)


def test_still_frames_score_who_but_never_when() -> None:
    loaded = loaded_clip()
    still, whole = turns_of(loaded, "short", still=True), turns_of(loaded, "short", still=False)
    assert [turn.prompt for turn in still] == [turn.prompt for turn in whole]
    assert whole_text(still[0]) == whole_text(whole[0])
    assert [piece for piece, is_scored in still[0].answer if not is_scored]
    assert whole_text(still[1]) == whole_text(whole[1]).partition(" <answer>")[0]
    assert [turn.ends for turn in still] == [True, False]


def test_unscored_seconds_by_hand() -> None:
    text = "<think>square in red 3</think> <answer>Target ID: 3, Time range: 1.0 to 12.5</answer>"
    assert unscored_seconds(text) == [
        ("<think>square in red 3</think> <answer>Target ID: 3, Time range:", True),
        (" 1", False),
        (".", True),
        ("0", False),
        (" to", True),
        (" 1", False),
        ("2", False),
        (".", True),
        ("5", False),
        ("</answer>", True),
    ]


def test_pieces_make_the_same_tokens_as_the_whole_answer(policy: Policy) -> None:
    loaded = loaded_clip()
    for still, whole in zip(turns_of(loaded, "short", True)[:1], turns_of(loaded, "short", False)[:1], strict=True):
        assert completion_tokens(policy, [still])[0].tolist() == completion_tokens(policy, [whole])[0].tolist()


def test_owners_by_hand(policy: Policy) -> None:
    turns = [
        Turn("q", [("12", True)], ends=True),
        Turn("7", [("5", True)], ends=False),
        Turn("x", [("3", True), ("4", False), ("5", True)], ends=True),
    ]
    tokens, owner = completion_tokens(policy, turns)
    pieces: dict[int, list[str]] = {}
    for token, who in zip(tokens.tolist(), owner.tolist(), strict=True):
        pieces.setdefault(who, []).append(policy.tokenizer.decode([token]))
    assert pieces[1] == ["1", "2", "<|im_end|>"]
    assert pieces[2] == ["5"]
    assert pieces[3] == ["3", "5", "<|im_end|>"]
    asked = "\n<|im_start|>user\n{}<|im_end|>\n<|im_start|>assistant\n"
    assert "".join(pieces[0]) == asked.format("7") + "<|im_end|>" + asked.format("x") + "4"
    changes = [who for k, who in enumerate(owner.tolist()) if k == 0 or who != owner[k - 1]]
    assert changes == [1, 0, 2, 0, 3, 0, 3]


def test_prompt_and_turns_are_one_chat_as_the_template_writes_it(policy: Policy) -> None:
    turns = [replace(scored("one 1"), prompt="first?"), replace(scored("two 2"), prompt="second?")]
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
        other["object_id"]
        for other in loaded.sample.meta["others"]
        if all(other["interval"].start <= time < other["interval"].end for time in still.clip.pts)
    }
    assert {other["object_id"] for other in still.sample.meta["others"]} == shown
    assert two_frames(loaded).clip.pts.tolist() == still.clip.pts.tolist()  # the sample decides, nothing else
