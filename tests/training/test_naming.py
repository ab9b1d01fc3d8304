"""Words of visual tokens: which object a token shows, what it is called, and the loss by hand."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from grounding.core import Answer, Clip, Interval, LoadedSample, Masklets, Sample, rle
from grounding.datasets.toy import toy_source
from grounding.policies.policy import Policy
from grounding.training.naming import LEAST, names, naming_loss, objects_shown, targets_of
from grounding.training.turns import two_frames
from prompting import IdMarker

CLIP = 5_000_000


def drawn(tracks: dict[int, list[np.ndarray]]) -> LoadedSample:
    """Two frames of 28 x 28 pixels with the given masks; the first object is the query's, others are asked for too."""
    masks = {object_id: tuple(rle.encode(mask) for mask in frames) for object_id, frames in tracks.items()}
    times = np.array([0.0, 0.5])
    masklets = Masklets((28, 28), 2.0, times, masks)
    clip = Clip(np.zeros((2, 28, 28, 3), np.uint8), times, 2.0, (28, 28), 1.0)
    first, *rest = tracks
    others = [{"query": f"the thing {other}", "object_id": other, "interval": Interval(0, 1)} for other in rest]
    truth = Answer(Interval(0, 1), first)
    return LoadedSample(Sample("a", "a", "The circle in red.", truth, {"others": others}), clip, masklets)


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
    asked = LoadedSample(
        Sample("a", "a", "the circle in red", loaded.sample.truth, {"others": []}), loaded.clip, loaded.masklets
    )
    assert names(asked) == {2: "circle in red"}
    assert objects_shown(asked, (1, 2, 2)).tolist() == [[[2, 0], [0, 0]]]


def test_names_leave_out_article_and_period() -> None:
    assert names(drawn({3: [block(0, 0, 2, 2)] * 2, 5: [block(4, 4, 2, 2)] * 2})) == {3: "circle in red", 5: "thing 5"}


@pytest.fixture(scope="module")
def still(policy: Policy) -> tuple[LoadedSample, Any]:
    source = toy_source(CLIP, 1)
    loaded = two_frames(source.load(source.samples[0]))
    marked, _ = IdMarker("badge", 15.0).annotate_clip(loaded.clip, loaded.masklets)
    return loaded, policy.encode([marked], ["what?"])[0]


def test_targets_share_the_words_of_the_object_equally(policy: Policy, still: Any) -> None:
    loaded, prompt = still
    targets = targets_of(policy, prompt, loaded)
    shown = objects_shown(loaded, (1, 6, 6)).ravel()  # 84 pixels in tokens of 14
    assert targets.shape == (36, len(policy.tokenizer))
    assert set(shown) > {0}
    for row, object_id in zip(targets, shown.tolist(), strict=True):
        if not object_id:
            assert not row.any()
            continue
        words = {policy.tokenizer.decode([token]) for token in row.nonzero()[:, 0].tolist()}
        assert words == {f" {word}" for word in names(loaded)[object_id].split()} | {f" {object_id}"}
        assert row[row > 0].tolist() == [0.25] * 4  # shape, in, colour, ID


def test_the_loss_by_hand(policy: Policy, still: Any) -> None:
    loaded, prompt = still
    targets = targets_of(policy, prompt, loaded)
    reader: Any = SimpleNamespace(model=policy.model, tokenizer=policy.tokenizer, head=lambda hidden: hidden)
    unsure = torch.zeros(1, *targets.shape)
    assert naming_loss(reader, [unsure], [prompt], [loaded]).item() == pytest.approx(np.log(targets.shape[1]))
    sure = 100.0 * (targets > 0)[None]
    assert naming_loss(reader, [sure], [prompt], [loaded]).item() == pytest.approx(np.log(4))
    # Tokens that show nothing may say anything.
    anything = torch.where(targets.any(1)[None, :, None], sure, torch.rand(sure.shape))
    assert naming_loss(reader, [anything], [prompt], [loaded]).item() == pytest.approx(np.log(4))
