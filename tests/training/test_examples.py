"""From samples to examples: marks are drawn, and a video asked for G times is read once."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pytest

from grounding.core import LoadedSample, Sample
from grounding.datasets.toy import ToySamples, ToySource, toy_source
from grounding.policies.policy import Policy
from grounding.training.examples import Collator, make_examples
from prompting import IdMarker

MARKER = IdMarker("badge", 15.0)


@dataclass
class Counting:
    """A source that remembers what was loaded."""

    inner: ToySource
    loads: list[str] = field(default_factory=list)

    @property
    def samples(self) -> ToySamples:
        return self.inner.samples

    def load(self, sample: Sample) -> LoadedSample:
        self.loads.append(sample.id)
        return self.inner.load(sample)


@pytest.fixture
def source() -> Counting:
    return Counting(toy_source(5_000_000, 4, fps=1.0))


def rows(*indices: int) -> list[dict[str, int]]:
    return [{"index": index, "prompt": ""} for index in indices]  # type: ignore[dict-item]


def test_ids_are_drawn_and_the_loaded_clip_stays_clean(policy: Policy, source: Counting) -> None:
    loaded = [source.load(sample) for sample in source.samples]
    before = [one.clip.frames.copy() for one in loaded]
    examples = make_examples(loaded, policy, MARKER, "short")
    for one, example, clean in zip(loaded, examples, before, strict=True):
        assert example.loaded is one
        assert np.array_equal(one.clip.frames, clean)
        drawn, _ = MARKER.annotate_clip(one.clip, one.masklets)
        assert np.array_equal(example.marked.frames, drawn.frames)
        assert not np.array_equal(example.marked.frames, clean)


def test_the_prompt_asks_the_samples_query_about_the_marked_clip(policy: Policy, source: Counting) -> None:
    loaded = source.load(source.samples[0])
    example = make_examples([loaded], policy, MARKER, "short")[0]
    text = policy.tokenizer.decode(example.prompt.input_ids)
    assert f"Query: {loaded.sample.query}<|vision_start|>" in text
    assert example.prompt.pixel_values.equal(policy.encode([example.marked], ["x"])[0].pixel_values)
    assert not example.prompt.pixel_values.equal(policy.encode([loaded.clip], ["x"])[0].pixel_values)


def test_each_video_of_a_batch_is_loaded_once_and_shared(policy: Policy, source: Counting) -> None:
    collate = Collator(source, policy, MARKER, "short", keep=4)
    batch = collate(rows(2, 2, 2, 0, 0, 0))
    assert source.loads == [source.samples[2].id, source.samples[0].id]
    assert [row["group"] for row in batch] == [2, 2, 2, 0, 0, 0]
    assert batch[0]["example"] is batch[2]["example"]
    assert batch[0]["example"] is not batch[3]["example"]
    assert batch[3]["prompt"] == source.samples[0].query


def test_next_passes_over_the_same_prompts_load_nothing(policy: Policy, source: Counting) -> None:
    collate = Collator(source, policy, MARKER, "short", keep=2)
    first = collate(rows(0, 0, 1, 1))
    again = collate(rows(0, 0, 1, 1))
    assert len(source.loads) == 2
    assert [row["example"] for row in first] == [row["example"] for row in again]


def test_the_longest_unused_example_is_let_go(policy: Policy, source: Counting) -> None:
    collate = Collator(source, policy, MARKER, "short", keep=2)
    for wanted in ((0, 1), (0,), (2,), (0,)):  # 1 goes when 2 comes
        collate(rows(*wanted))
    assert [source.samples.numbers.index(int(name.rpartition("-")[2])) for name in source.loads] == [0, 1, 2]
    collate(rows(1))
    assert len(source.loads) == 4


def test_a_batch_larger_than_what_is_kept_is_still_complete(policy: Policy, source: Counting) -> None:
    batch = Collator(source, policy, MARKER, "short", keep=1)(rows(3, 1, 2))
    assert [row["group"] for row in batch] == [3, 1, 2]
    assert len({id(row["example"]) for row in batch}) == 3
