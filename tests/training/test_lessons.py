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
from grounding.datasets.toy import Question, toy_source
from grounding.policies.policy import Policy
from grounding.policies.tiny import build_tokenizer
from grounding.tasks.asking import Asked, Asking
from grounding.tasks.stvg import STVG
from grounding.tasks.vtg import VTG
from grounding.training.dense import Turn, completion_tokens
from grounding.training.lessons import (
    LEAST,
    PARTIAL,
    SECONDS,
    TIME,
    answer_text,
    names,
    naming_loss,
    objects_shown,
    partial,
    targets_of,
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
    monkeypatch.setattr("grounding.training.lessons.PARTIAL", 0.0)
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
        "<think>square in red 7 one two three</think> <answer>Target ID: 7, Time range: 1.0 to 3.5</answer>"
    )
    when = Asking(VTG, "short", IdMarker())
    assert answer_text(when, "The square in red.", Answer(Interval(1.0, 3.5))) == (
        "<think>square in red one two three</think> <answer>1.0 to 3.5</answer>"
    )


def test_words_that_are_said_are_single_tokens() -> None:
    tokenizer = build_tokenizer(toy_corpus(ASKING))
    said = "<think>square in red 7 one two</think> <answer>Target ID: 7, Time range: 1.0 to 3.0</answer>"
    words = [*said.replace("<think>", "<think> ").replace("</", " </").split(), *SECONDS]
    assert len(SECONDS) == toy.SECONDS
    assert len(tokenizer(said)["input_ids"]) == 27  # 8 of thinking, " <answer>" in 3, 15 in it, and its end
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


CLIP = 5_000_000


def drawn(tracks: dict[int, list[np.ndarray]]) -> LoadedSample:
    """Two frames of 28 x 28 pixels with the given masks; the first object is the query's, others are asked for too."""
    masks = {object_id: tuple(rle.encode(mask) for mask in frames) for object_id, frames in tracks.items()}
    times = np.array([0.0, 0.5])
    masklets = Masklets((28, 28), 2.0, times, masks)
    clip = Clip(np.zeros((2, 28, 28, 3), np.uint8), times, 2.0, (28, 28), 1.0)
    first, *rest = tracks
    queries = {first: "The circle in red.", **{other: f"the thing {other}" for other in rest}}
    asked = [Question(query, Answer(Interval(0, 1), one), SimpleNamespace(id=one)) for one, query in queries.items()]  # type: ignore[arg-type]
    return LoadedSample(Sample("a", "a", asked[0].query, asked[0].truth, {"questions": asked}), clip, masklets)


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


def test_objects_that_nobody_asks_for_stay_unnamed() -> None:
    loaded = drawn({2: [block(0, 0, 14, 14)] * 2, 6: [block(14, 14, 14, 14)] * 2})
    own = loaded.sample.meta["questions"][:1]
    asked = replace(loaded, sample=replace(loaded.sample, meta={"questions": own}))
    assert names(asked) == {2: "circle red"}
    assert objects_shown(asked, (1, 2, 2)).tolist() == [[[2, 0], [0, 0]]]


def test_names_are_shape_and_colour_alone() -> None:
    assert names(drawn({3: [block(0, 0, 2, 2)] * 2, 5: [block(4, 4, 2, 2)] * 2})) == {3: "circle red", 5: "thing 5"}


@pytest.fixture(scope="module")
def still(policy: Policy) -> tuple[Asked, Any]:
    source = toy_source(CLIP, 1)
    asked = ASKING(two_frames(source.load(source.samples[0])))
    return asked, policy.encode([asked.turn])[0]


def test_targets_share_the_words_of_the_object_and_the_second(policy: Policy, still: Any) -> None:
    (asked, prompt), loaded = still, still[0].loaded
    targets = targets_of(policy, prompt, asked, marks=True)
    shown = objects_shown(loaded, (1, 6, 6)).ravel()  # 84 pixels in tokens of 14
    now = f" {SECONDS[int(loaded.clip.pts[0])]}"
    assert targets.shape == (36, len(policy.tokenizer))
    assert set(shown) > {0}
    for row, object_id in zip(targets, shown.tolist(), strict=True):
        if not object_id:
            assert not row.any()
            continue
        words = {policy.tokenizer.decode([token]): float(row[token]) for token in row.nonzero()[:, 0].tolist()}
        what = [*(f" {word}" for word in names(loaded)[object_id].split()), f" {object_id}"]
        assert words == pytest.approx({**dict.fromkeys(what, 0.85 / 3), now: 0.15})


def test_an_id_that_is_not_drawn_is_no_word(policy: Policy, still: Any) -> None:
    (asked, prompt), loaded = still, still[0].loaded
    targets = targets_of(policy, prompt, asked, marks=False)
    digits = [policy.tokenizer(f" {one}")["input_ids"][0] for one in names(loaded)]
    assert not targets[:, digits].any()
    named = targets[targets.any(1)]
    assert len(named) and named.sum(1).tolist() == pytest.approx([1.0] * len(named))
    assert named[named > 0].tolist() == pytest.approx([1 / 3] * 3 * len(named))  # shape, colour and second


def test_every_patch_has_its_own_second(policy: Policy) -> None:
    source = toy_source(CLIP, 1)
    loaded = source.load(source.samples[0])
    asked = ASKING(loaded)
    targets = targets_of(policy, policy.encode([asked.turn])[0], asked, marks=True).view(4, 36, -1)
    shown = objects_shown(loaded, (4, 6, 6))
    assert [ids.any() for ids in shown].count(True) > 1
    for second, (patch, ids) in enumerate(zip(targets, shown, strict=True)):
        named = patch[torch.from_numpy(ids.ravel() > 0)]
        for other, word in enumerate(SECONDS):
            share = named[:, policy.tokenizer(f" {word}")["input_ids"][0]]
            assert share.tolist() == pytest.approx([TIME if other == second else 0.0] * len(named))


def test_the_loss_by_hand(policy: Policy, still: Any) -> None:
    asked, prompt = still
    targets = targets_of(policy, prompt, asked, marks=True)
    least = -(0.85 * np.log(0.85 / 3) + 0.15 * np.log(0.15))  # entropy of the shares
    reader: Any = SimpleNamespace(model=policy.model, tokenizer=policy.tokenizer, head=lambda hidden: hidden)
    unsure = torch.zeros(1, *targets.shape)
    assert naming_loss(reader, [unsure], [prompt], [asked], marks=True).item() == pytest.approx(
        np.log(targets.shape[1])
    )
    right = targets.clamp(min=1e-30).log()[None]
    assert naming_loss(reader, [right], [prompt], [asked], marks=True).item() == pytest.approx(least)
    # Tokens that show nothing may say anything.
    anything = torch.where(targets.any(1)[None, :, None], right, torch.rand(right.shape))
    assert naming_loss(reader, [anything], [prompt], [asked], marks=True).item() == pytest.approx(least)
