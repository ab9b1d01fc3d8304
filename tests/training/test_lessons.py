"""What a toy clip teaches: words of visual tokens, questions and answers, and whose token is whose."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from grounding.core import Answer, Clip, Interval, LoadedSample, Masklets, Sample, rle
from grounding.datasets import toy
from grounding.datasets.toy import NAMES, Question, toy_source
from grounding.datasets.toy_sets import SETS
from grounding.policies.policy import Policy
from grounding.policies.tiny import build_tokenizer
from grounding.tasks.asking import Asked, Asking
from grounding.tasks.gqa import GQA
from grounding.tasks.qa import QA_ROOMS
from grounding.tasks.stvg import STVG
from grounding.tasks.teaching import TIME, look_and_second, recite
from grounding.training.lessons import (
    LEAST,
    asked_anew,
    last_frames,
    naming_loss,
    objects_shown,
    targets_of,
    toy_corpus,
    turns_of,
    two_frames,
)
from grounding.training.talks import Turn, completion_tokens
from prompting import IdMarker

FIRST = 5_000_000
ASKING = Asking(STVG, "short", IdMarker())
SAYS = STVG.teaching.says


def loaded_clip(objects: int = 2, number: int = FIRST, fps: float = 2.0) -> Any:
    source = toy_source(number, 1, objects=objects, fps=fps)
    return source.load(source.samples[0])


def test_turns_ask_for_every_object_its_own_id_and_times(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("grounding.tasks.teaching.PARTIAL", 0.0)
    loaded = loaded_clip()
    turns = turns_of(loaded, ASKING, still=False)
    own, other = loaded.sample.meta["questions"]
    assert (own.query, own.truth) == (loaded.sample.query, loaded.sample.truth)
    assert [turn.prompt for turn in turns] == [f"Query: {own.query}", f"Query: {other.query}"]
    assert [turn.answer for turn in turns] == [
        STVG.say(one.truth, recite(one, Answer(one.about.interval, one.about.id))) for one in (own, other)
    ]
    assert all(turn.ends for turn in turns)


def test_questions_with_the_same_words_have_labels_of_their_own() -> None:
    labels: dict[str, list[Answer]] = {}
    loaded = loaded_clip()

    def label(question: Question, rng: np.random.Generator) -> Answer:
        labels.setdefault(question.query, []).append(drawn := Answer(number=float(rng.random())))
        return drawn

    one = loaded.sample.meta["questions"][0]
    asked = [replace(one, meta={"options": options}) for options in (["red", "blue"], ["red", "white"])]
    teaching = replace(STVG.teaching, label=label)
    task = replace(STVG, teaching=teaching, say=lambda truth, thinking: "")
    sample = replace(loaded.sample, meta={**loaded.sample.meta, "questions": asked})
    for _ in range(2):
        turns_of(replace(loaded, sample=sample), replace(ASKING, task=task), still=False)
    first, second, again, _ = labels[one.query]
    assert first == again != second


def test_words_that_are_said_are_single_tokens() -> None:
    tokenizer = build_tokenizer(toy_corpus(ASKING))
    said = "<think>square in red 7 one two</think> <answer>Target ID: 7, Time range: 1.0 to 3.0</answer>"
    words = [*said.replace("<think>", "<think> ").replace("</", " </").split(), *NAMES]
    assert len(NAMES) == toy.SECONDS
    assert len(tokenizer(said)["input_ids"]) == 27  # 8 of thinking, " <answer>" in 3, 15 in it, and its end
    assert all(len(tokenizer(f" {word}")["input_ids"]) == 1 for word in words if word.isalpha())
    assert len(tokenizer("square")["input_ids"]) == 1  # right after <think>


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
    still = Clip(np.zeros((1, 28, 28, 3), np.uint8), np.zeros(1), 1.0, (28, 28), 1.0)
    said = policy.render(["first?", still]) + policy.tokenizer.decode(tokens)
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
    second = int(still.clip.pts[0])  # both frames are of this second
    assert {one.truth.interval for one in still.sample.meta["questions"]} == {Interval(second, second + 1)}
    assert two_frames(loaded).clip.pts.tolist() == still.clip.pts.tolist()  # the sample decides, nothing else


def test_answers_in_several_ranges_say_the_time_of_the_two_frames() -> None:
    source = toy_source(FIRST, 12, toy=GQA.toy)
    for sample in source.samples:
        still = two_frames(source.load(sample))
        second = int(still.clip.pts[0])
        assert {one.truth.intervals for one in still.sample.meta["questions"]} == {(Interval(second, second + 1),)}


@pytest.mark.parametrize("number", range(FIRST, FIRST + 12))
def test_two_frames_drop_questions_that_mean_an_object_that_they_miss(number: int) -> None:
    source = toy_source(number, 1, toy=SETS)
    still = two_frames(source.load(source.samples[0]))
    intervals = {thing.id: thing.interval for thing in still.sample.meta["objects"]}
    start, end = still.clip.pts.tolist()
    shown = {one for one, interval in intervals.items() if interval.start <= start and end < interval.end}
    kept = [one.query for one in still.sample.meta["questions"]]
    assert kept == [q.query for q in source.samples[0].meta["questions"] if q.truth.object_ids <= shown] != []


@pytest.mark.parametrize("number", range(FIRST, FIRST + 6))
def test_two_frames_that_are_asked_about_anew_are_all_there_is(number: int) -> None:
    source = toy_source(number, 1, toy=QA_ROOMS.toy)
    still = two_frames(source.load(source.samples[0]))
    anew = asked_anew(still, source.toy)
    assert anew.clip is still.clip and anew.sample.meta["objects"] == still.sample.meta["objects"]
    second = int(still.clip.pts[0])
    shown = {one.colour for one in still.sample.meta["objects"] if one.interval.shared(Interval(second, second + 1))}
    own, *others = anew.sample.meta["questions"]
    assert (own.query, own.truth) == (anew.sample.query, anew.sample.truth)
    kinds = {one.query.split()[0] for one in (own, *others)}
    assert kinds == {"is", "how"}  # nothing comes before anything
    for one in (own, *others):
        words = one.query.replace("?", "").split()
        there = [word in shown for word in words if word in toy.COLOURS]
        assert one.truth.text == (str(sum(there)) if words[0] == "how" else "yes" if there[0] else "no")
        assert {*one.thinking.split()} & {*toy.COLOURS} - {*words} == set()
    assert [one.query for one in asked_anew(still, source.toy).sample.meta["questions"]] == [own.query, others[0].query]


def test_the_last_two_frames_keep_their_times_and_all_questions() -> None:
    loaded = loaded_clip(3, FIRST)
    last = last_frames(loaded)
    assert last.clip.pts.tolist() == loaded.clip.pts[-2:].tolist() and last.clip.duration == loaded.clip.duration
    assert np.array_equal(last.clip.frames, loaded.clip.frames[-2:])
    assert last.sample is loaded.sample


CLIP = 5_000_000


def drawn(tracks: dict[int, list[np.ndarray]]) -> LoadedSample:
    """Two frames of 28 x 28 pixels with the given masks."""
    masks = {object_id: tuple(rle.encode(mask) for mask in frames) for object_id, frames in tracks.items()}
    times = np.array([0.0, 0.5])
    masklets = Masklets((28, 28), 2.0, times, masks)
    clip = Clip(np.zeros((2, 28, 28, 3), np.uint8), times, 2.0, (28, 28), 1.0)
    return LoadedSample(Sample("a", "a", "the circle in red", Answer()), clip, masklets)


def block(top: int, left: int, height: int, width: int) -> np.ndarray:
    mask = np.zeros((28, 28), bool)
    mask[top : top + height, left : left + width] = True
    return mask


def test_a_token_shows_the_object_with_most_of_its_pixels() -> None:
    # Tokens of 14 x 14 pixels. Object 3 fills the first one; 5 takes 10 of 14 rows of the second on both frames,
    # 3 the other 4; the third has 5 on half of one frame, a quarter of its pixels, which is not more than the least.
    three = block(0, 0, 14, 14) | block(10, 14, 4, 14)
    five = block(0, 14, 10, 14)
    loaded = drawn({3: [three, three], 5: [five | block(14, 0, 7, 14), five]})
    assert LEAST == 0.25
    assert objects_shown(loaded, (1, 2, 2)).tolist() == [[[3, 5], [0, 0]]]


def test_times_are_told_apart() -> None:
    four = drawn({2: [block(0, 0, 14, 14)] * 2})
    twice = np.concatenate([four.clip.frames, four.clip.frames])
    times = np.array([0.0, 0.1, 0.4, 0.5])
    masks = [rle.encode(block(0, 0, 14, 14))] * 2 + [rle.encode(block(14, 14, 14, 14))] * 2
    masklets = Masklets((28, 28), 2.0, times, {2: tuple(masks)})
    loaded = LoadedSample(four.sample, Clip(twice, times, 2.0, (28, 28), 1.0), masklets)
    assert objects_shown(loaded, (2, 2, 2)).tolist() == [[[2, 0], [0, 0]], [[0, 0], [0, 2]]]


@pytest.fixture(scope="module")
def still(policy: Policy) -> tuple[Asked, Any]:
    source = toy_source(CLIP, 1)
    asked = ASKING(two_frames(source.load(source.samples[0])))
    return asked, policy.encode([asked.turn])[0]


def test_targets_share_the_words_of_the_object_and_the_second(policy: Policy, still: Any) -> None:
    (asked, prompt), loaded = still, still[0].loaded
    targets = targets_of(policy, prompt, asked, SAYS)
    shown = objects_shown(loaded, (1, 6, 6)).ravel()  # 84 pixels in tokens of 14
    now = f" {NAMES[int(loaded.clip.pts[0])]}"
    assert targets.shape == (36, len(policy.tokenizer))
    assert set(shown) > {0}
    for row, object_id in zip(targets, shown.tolist(), strict=True):
        if not object_id:
            assert not row.any()
            continue
        words = {policy.tokenizer.decode([token]): float(row[token]) for token in row.nonzero()[:, 0].tolist()}
        thing = next(one for one in loaded.sample.meta["objects"] if one.id == object_id)
        what = [f" {thing.shape}", f" {thing.colour}", f" {object_id}"]
        assert words == pytest.approx({**dict.fromkeys(what, 0.85 / 3), now: 0.15})


def test_an_id_that_is_not_drawn_is_no_word(policy: Policy, still: Any) -> None:
    (asked, prompt), loaded = still, still[0].loaded
    targets = targets_of(policy, prompt, asked, look_and_second)
    digits = [policy.tokenizer(f" {one.id}")["input_ids"][0] for one in loaded.sample.meta["objects"]]
    assert not targets[:, digits].any()
    named = targets[targets.any(1)]
    assert len(named) and named.sum(1).tolist() == pytest.approx([1.0] * len(named))
    assert named[named > 0].tolist() == pytest.approx([1 / 3] * 3 * len(named))  # shape, colour and second


def test_every_patch_has_its_own_second(policy: Policy) -> None:
    source = toy_source(CLIP, 1)
    loaded = source.load(source.samples[0])
    asked = ASKING(loaded)
    targets = targets_of(policy, policy.encode([asked.turn])[0], asked, SAYS).view(4, 36, -1)
    shown = objects_shown(loaded, (4, 6, 6))
    assert [ids.any() for ids in shown].count(True) > 1
    for second, (patch, ids) in enumerate(zip(targets, shown, strict=True)):
        named = patch[torch.from_numpy(ids.ravel() > 0)]
        for other, word in enumerate(NAMES):
            share = named[:, policy.tokenizer(f" {word}")["input_ids"][0]]
            assert share.tolist() == pytest.approx([TIME if other == second else 0.0] * len(named))


def test_the_loss_by_hand(policy: Policy, still: Any) -> None:
    asked, prompt = still
    targets = targets_of(policy, prompt, asked, SAYS)
    least = -(0.85 * np.log(0.85 / 3) + 0.15 * np.log(0.15))  # entropy of the shares
    reader: Any = SimpleNamespace(model=policy.model, tokenizer=policy.tokenizer, head=lambda hidden: hidden)
    unsure = torch.zeros(1, *targets.shape)
    assert naming_loss(reader, [unsure], [prompt], [asked], SAYS).item() == pytest.approx(np.log(targets.shape[1]))
    right = targets.clamp(min=1e-30).log()[None]
    assert naming_loss(reader, [right], [prompt], [asked], SAYS).item() == pytest.approx(least)
    # Tokens that show nothing may say anything.
    anything = torch.where(targets.any(1)[None, :, None], right, torch.rand(right.shape))
    assert naming_loss(reader, [anything], [prompt], [asked], SAYS).item() == pytest.approx(least)
