"""The leak probe, by hand: a policy that says what is not hidden, asked in other samples' words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pytest

from grounding.core import Answer, Clip, Interval, LoadedSample, Masklets, Sample, UserError
from grounding.curriculum.masking import Masking, MaskingConfig
from grounding.evaluation import evaluate as evaluation
from grounding.evaluation.leak import Strange, leak, paired
from grounding.policies.policy import Policy, VideoPrompt, load_policy
from grounding.policies.tiny import build_tiny
from grounding.tasks.asking import Asking, Moment
from grounding.tasks.vtg import VTG
from prompting import IdMarker

ASKING = Asking(VTG, "short", IdMarker("badge", 15.0))
MASKING = Masking(MaskingConfig(shape="linear", r0=0.999, margin=0.0))  # so that all that may be is hidden


def sample(name: str, query: str, start: float = 4.0, end: float = 6.0) -> Sample:
    return Sample(name, f"{name}.mp4", query, Answer(Interval(start, end)), {"bucket": "easy"})


@dataclass
class Clips:
    """A second of shade 20, one of shade 40 and so on, eight of each video."""

    samples: Sequence[Sample]

    def load(self, sample: Sample) -> LoadedSample:
        shades = np.arange(20, 180, 20, dtype=np.uint8)
        frames = np.broadcast_to(shades[:, None, None, None], (8, 56, 56, 3)).copy()
        pts = np.arange(8.0)
        clip = Clip(frames, pts, 1.0, (56, 56), 8.0)
        return LoadedSample(sample, clip, Masklets((56, 56), 1.0, pts, {}))

    def version(self, sample: Sample) -> str:
        return sample.id


@pytest.fixture(scope="session")
def policy(tmp_path_factory: pytest.TempPathFactory) -> Policy:
    folder = tmp_path_factory.mktemp("tiny") / "model"
    build_tiny(folder, ["When: the dog the cat", "<think>so</think> <answer>1.0 to 2.0</answer>"] * 4, seed=0)
    return load_policy(str(folder))


@pytest.fixture
def asked(policy: Policy, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The policy says from where to where a video is not of its mean shade; gives all that it was asked."""
    words: list[str] = []

    def say(policy: Policy, prompts: Sequence[VideoPrompt], tokens: int) -> list[str]:
        words.extend(policy.tokenizer.decode(prompt.input_ids) for prompt in prompts)
        return [_visible(prompt) for prompt in prompts]

    monkeypatch.setattr(evaluation, "generate", say)
    return words


def _visible(prompt: VideoPrompt) -> str:
    patches = prompt.pixel_values.reshape(4, -1).float().mean(1).round().tolist()  # of two seconds each
    there = [place for place, shade in enumerate(patches) if shade != 90]
    return VTG.say(Answer(Interval(2.0 * there[0], 2.0 * there[-1] + 2)), "")


def test_what_the_mask_tells_is_measured(policy: Policy, asked: list[str]) -> None:
    samples = [sample("a", "the dog"), sample("b", "the cat", 0, 2), sample("c", "the cat")]
    found = leak(policy, Clips(samples), samples, ASKING, MASKING, 0, max_new_tokens=9, batch=2)
    assert found.shown["mIoU"] == 0.25  # 2 of 8 seconds
    # Of four patches the truth's and those beside it are not hidden: 2 of 6, 4 and 6 seconds.
    assert found.masked["mIoU"] == pytest.approx((2 / 6 + 2 / 4 + 2 / 6) / 3)
    assert found.more["mIoU"].value == pytest.approx(found.masked["mIoU"] - 0.25)
    queries = ["dog" if "the dog" in one else "cat" for one in asked]
    assert queries == ["cat", "dog", "dog"] * 2  # never its own


def test_samples_are_paired_round_and_round_with_the_next_that_asks_something_else() -> None:
    samples = [sample(name, query) for name, query in (("a", "The dog."), ("b", "the  dog"), ("c", "a cat"))]
    assert [other.id for _, other in paired(samples).values()] == ["c", "c", "a"]
    with pytest.raises(UserError, match="all of these ask the same"):
        paired(samples[:2])


def test_the_truth_stays_the_videos_own() -> None:
    one, other = sample("a", "the dog", 0, 2), sample("b", "the cat")
    strange = Strange(Clips([one, other]), paired([one, other]), None, Moment(0, 0, 0.0))
    [first, second] = strange.samples
    assert (first.query, first.id, first.video, first.truth) == ("the cat", "a", "a.mp4", one.truth)
    assert strange.load(second).sample.truth == other.truth
