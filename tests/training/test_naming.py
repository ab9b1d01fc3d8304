"""Words of visual tokens: which object a token shows, what it is called, and the loss by hand."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from grounding.core import Answer, Clip, Interval, LoadedSample, Masklets, Sample, rle
from grounding.datasets.toy import Question, toy_source
from grounding.policies.policy import Policy
from grounding.training.naming import LEAST, TIME, names, naming_loss, objects_shown, targets_of
from grounding.training.turns import SECONDS, two_frames
from prompting import IdMarker

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
def still(policy: Policy) -> tuple[LoadedSample, Any]:
    source = toy_source(CLIP, 1)
    loaded = two_frames(source.load(source.samples[0]))
    marked, _ = IdMarker("badge", 15.0).annotate_clip(loaded.clip, loaded.masklets)
    return loaded, policy.encode([marked], ["what?"])[0]


def test_targets_share_the_words_of_the_object_and_the_second(policy: Policy, still: Any) -> None:
    loaded, prompt = still
    targets = targets_of(policy, prompt, loaded, marks=True)
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
    loaded, prompt = still
    targets = targets_of(policy, prompt, loaded, marks=False)
    digits = [policy.tokenizer(f" {one}")["input_ids"][0] for one in names(loaded)]
    assert not targets[:, digits].any()
    named = targets[targets.any(1)]
    assert len(named) and named.sum(1).tolist() == pytest.approx([1.0] * len(named))
    assert named[named > 0].tolist() == pytest.approx([1 / 3] * 3 * len(named))  # shape, colour and second


def test_every_patch_has_its_own_second(policy: Policy) -> None:
    source = toy_source(CLIP, 1)
    loaded = source.load(source.samples[0])
    targets = targets_of(policy, policy.encode([loaded.clip], ["what?"])[0], loaded, marks=True).view(4, 36, -1)
    shown = objects_shown(loaded, (4, 6, 6))
    assert [ids.any() for ids in shown].count(True) > 1
    for second, (patch, ids) in enumerate(zip(targets, shown, strict=True)):
        named = patch[torch.from_numpy(ids.ravel() > 0)]
        for other, word in enumerate(SECONDS):
            share = named[:, policy.tokenizer(f" {word}")["input_ids"][0]]
            assert share.tolist() == pytest.approx([TIME if other == second else 0.0] * len(named))


def test_the_loss_by_hand(policy: Policy, still: Any) -> None:
    loaded, prompt = still
    targets = targets_of(policy, prompt, loaded, marks=True)
    least = -(0.85 * np.log(0.85 / 3) + 0.15 * np.log(0.15))  # entropy of the shares
    reader: Any = SimpleNamespace(model=policy.model, tokenizer=policy.tokenizer, head=lambda hidden: hidden)
    unsure = torch.zeros(1, *targets.shape)
    assert naming_loss(reader, [unsure], [prompt], [loaded], marks=True).item() == pytest.approx(
        np.log(targets.shape[1])
    )
    right = targets.clamp(min=1e-30).log()[None]
    assert naming_loss(reader, [right], [prompt], [loaded], marks=True).item() == pytest.approx(least)
    # Tokens that show nothing may say anything.
    anything = torch.where(targets.any(1)[None, :, None], right, torch.rand(right.shape))
    assert naming_loss(reader, [anything], [prompt], [loaded], marks=True).item() == pytest.approx(least)
