"""From samples to examples: marks are drawn, a video asked for G times is read once, and workers change nothing."""

from __future__ import annotations

import contextlib
import pickle
from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from accelerate import Accelerator
from torch.utils.data import DataLoader

from grounding.core import LoadedSample, Sample, UserError
from grounding.datasets.jsonl import open_jsonl
from grounding.datasets.media import ClipOptions
from grounding.datasets.toy import ToySamples, ToySource, toy_source
from grounding.datasets.toy_export import export_toy
from grounding.policies.policy import Policy
from grounding.tasks.asking import Asking
from grounding.tasks.stvg import STVG
from grounding.training.examples import Collator, Example, ExampleMaker, make_examples, without_weights
from prompting import IdMarker

ASKING = Asking(STVG, "short", IdMarker("badge", 15.0))


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

    def version(self, sample: Sample) -> str:
        return self.inner.version(sample)


@pytest.fixture
def source() -> Counting:
    return Counting(toy_source(5_000_000, 4, fps=1.0))


def rows(*indices: int) -> list[dict[str, int]]:
    return [{"index": index, "prompt": ""} for index in indices]  # type: ignore[dict-item]


def test_ids_are_drawn_and_the_loaded_clip_stays_clean(policy: Policy, source: Counting) -> None:
    loaded = [source.load(sample) for sample in source.samples]
    before = [one.clip.frames.copy() for one in loaded]
    examples = make_examples(loaded, policy, ASKING)
    for one, example, clean in zip(loaded, examples, before, strict=True):
        assert example.loaded is one
        assert np.array_equal(one.clip.frames, clean)
        drawn, _ = ASKING.marker.annotate_clip(one.clip, one.masklets)
        assert not np.array_equal(drawn.frames, clean)
        assert example.prompt.pixel_values.equal(policy.encode([("x", drawn)])[0].pixel_values)


def test_the_prompt_asks_the_samples_query_about_the_marked_clip(policy: Policy, source: Counting) -> None:
    loaded = source.load(source.samples[0])
    example = make_examples([loaded], policy, ASKING)[0]
    text = policy.tokenizer.decode(example.prompt.input_ids)
    assert f"Query: {loaded.sample.query}<|vision_start|>" in text
    assert not example.prompt.pixel_values.equal(policy.encode([("x", loaded.clip)])[0].pixel_values)


def test_each_video_of_a_batch_is_loaded_once_and_shared(policy: Policy, source: Counting) -> None:
    collate = Collator(source, policy, ASKING, keep=4)
    batch = collate(rows(2, 2, 2, 0, 0, 0))
    assert source.loads == [source.samples[2].id, source.samples[0].id]
    assert [row["group"] for row in batch] == [2, 2, 2, 0, 0, 0]
    assert batch[0]["example"] is batch[2]["example"]
    assert batch[0]["example"] is not batch[3]["example"]
    assert batch[3]["prompt"] == source.samples[0].query


def test_next_passes_over_the_same_prompts_load_nothing(policy: Policy, source: Counting) -> None:
    collate = Collator(source, policy, ASKING, keep=2)
    first = collate(rows(0, 0, 1, 1))
    again = collate(rows(0, 0, 1, 1))
    assert len(source.loads) == 2
    assert [row["example"] for row in first] == [row["example"] for row in again]


def test_the_longest_unused_example_is_let_go(policy: Policy, source: Counting) -> None:
    collate = Collator(source, policy, ASKING, keep=2)
    for wanted in ((0, 1), (0,), (2,), (0,)):  # 1 goes when 2 comes
        collate(rows(*wanted))
    assert [source.inner.numbers.index(int(name.rpartition("-")[2])) for name in source.loads] == [0, 1, 2]
    collate(rows(1))
    assert len(source.loads) == 4


def test_a_batch_larger_than_what_is_kept_is_still_complete(policy: Policy, source: Counting) -> None:
    batch = Collator(source, policy, ASKING, keep=1)(rows(3, 1, 2))
    assert [row["group"] for row in batch] == [3, 1, 2]
    assert len({id(row["example"]) for row in batch}) == 3


def test_without_workers_asking_is_free_and_rows_stay_rows(policy: Policy, source: Counting) -> None:
    collate = Collator(source, policy, ASKING, keep=4)
    asked = rows(0, 0, 1, 1)
    assert collate.ask(asked) is asked
    assert source.loads == [] and collate.seconds_waited == 0
    assert [row["group"] for row in collate(asked)] == [0, 0, 1, 1]
    assert len(source.loads) == 2 and collate.seconds_waited > 0
    collate(asked)
    assert len(source.loads) == 2


def test_making_an_example_needs_no_weights(policy: Policy, source: Counting) -> None:
    maker = ExampleMaker(source.inner, without_weights(policy), ASKING)
    sent = pickle.dumps(maker)
    weights = sum(value.nbytes for value in policy.model.state_dict().values())
    assert len(sent) < weights / 4
    assert_same(pickle.loads(sent)(2), make_examples([source.load(source.samples[2])], policy, ASKING)[0])


def assert_same(a: Example, b: Example) -> None:
    """To the bit."""
    for one in fields(a.prompt):
        mine, other = getattr(a.prompt, one.name), getattr(b.prompt, one.name)
        assert type(mine) is type(other)
        if isinstance(mine, torch.Tensor):
            assert mine.dtype == other.dtype and torch.equal(mine, other), one.name
        else:
            assert mine == other, one.name
    assert a.loaded.sample.id == b.loaded.sample.id and a.loaded.masklets.tracks == b.loaded.masklets.tracks
    assert np.array_equal(a.loaded.clip.frames, b.loaded.clip.frames)
    assert np.array_equal(a.loaded.clip.pts, b.loaded.clip.pts)
    assert a.passed_over == b.passed_over


def test_the_data_loader_asks_one_batch_ahead(policy: Policy, source: Counting) -> None:
    """As TRL's does: the rows of a generation come once for each of its passes, and accelerate looks one ahead."""
    collate = Collator(source, policy, ASKING, keep=4)
    asked: list[list[int]] = []

    def ask(batch: Any) -> Any:
        asked.append([row["index"] for row in batch])
        return collate.ask(batch)

    order = [0, 0, 1, 1] * 2 + [2, 2, 3, 3] * 2  # two generations of two passes
    loader = Accelerator(cpu=True).prepare(DataLoader(rows(*order), batch_size=4, collate_fn=ask))  # type: ignore[arg-type]
    batches = iter(loader)
    first = next(batches)
    assert asked == [[0, 0, 1, 1]] * 2
    collate(first)
    second = next(batches)  # the last pass over the first generation: the next one's videos are being made
    assert asked[2] == [2, 2, 3, 3]
    assert second == first
    assert len(source.loads) == 2


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three annotated videos; the second was good when the data was checked and is cut short since."""
    folder = tmp_path_factory.mktemp("data") / "toy"
    export_toy(toy_source(7_000_000, 3, fps=4.0), folder)
    return folder


@pytest.fixture
def cut(files: Path) -> Iterator[Any]:
    """A source of the files, after whose opening the second video lost its pictures."""
    source = open_jsonl(files, "annotations.jsonl", ClipOptions(2.0, 8, 84 * 84, "pyav"))
    video = files / "videos" / "0001.mp4"
    whole = video.read_bytes()
    begin = whole.index(b"mdat") + 4
    video.write_bytes(whole[:begin] + bytes(len(whole) - begin))
    yield source
    video.write_bytes(whole)


def collator(source: Any, policy: Policy, workers: int, on_broken: Any = None) -> Any:
    return contextlib.closing(Collator(source, policy, ASKING, 8, workers, on_broken))


WORKERS = [0, pytest.param(2, marks=pytest.mark.slow)]


@pytest.mark.parametrize("workers", WORKERS)
def test_a_video_without_frames_stops_with_its_file_and_row(policy: Policy, cut: Any, workers: int) -> None:
    with collator(cut, policy, workers) as collate:
        collate.ask(rows(0, 1, 2))
        assert [row["group"] for row in collate(rows(0, 2))] == [0, 2]
        with pytest.raises(UserError, match=r"^annotations\.jsonl.* row 2\b.*0001\.mp4") as caught:
            collate(rows(0, 1, 2))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("workers", WORKERS)
def test_a_video_without_frames_is_passed_over_and_told_once(policy: Policy, cut: Any, workers: int) -> None:
    told: list[tuple[Sample, str]] = []
    with collator(cut, policy, workers, lambda *broken: told.append(broken)) as collate:
        batch = collate(rows(1, 1, 2, 0))
        collate(rows(1))
    names = [row["example"].loaded.sample.id for row in batch]
    ids = [sample.id for sample in cut.samples]
    assert names == [ids[2], ids[2], ids[2], ids[0]]  # the next one stands in
    assert [row["group"] for row in batch] == [1, 1, 2, 0]  # as a group of its own
    assert [(sample.id, "0001.mp4" in why) for sample, why in told] == [(ids[1], True)]


def test_when_nothing_can_be_read_the_run_stops(policy: Policy, files: Path) -> None:
    @dataclass
    class Broken:
        samples: ToySamples
        tried: int = 0

        def load(self, sample: Sample) -> LoadedSample:
            self.tried += 1
            raise UserError(f"{sample.id}: gone")

        def version(self, sample: Sample) -> str:
            return sample.id

    source = Broken(toy_source(5_000_000, 50).samples)
    with pytest.raises(UserError, match=r"10 samples in a row cannot be used; mend the data, the last: .*: gone"):
        Collator(source, policy, ASKING, 8, on_broken=lambda *_: None)(rows(48))
    assert source.tried == 10


def test_a_prompt_that_cannot_be_encoded_names_its_sample(policy: Policy, source: Counting) -> None:
    narrow = make_narrow(policy)
    name = source.samples[3].id
    with pytest.raises(UserError, match=rf"^sample {name}: a prompt has \d+ tokens but the model takes 8"):
        Collator(source, narrow, ASKING, 8)(rows(3))


def make_narrow(policy: Policy) -> Policy:
    """A policy whose model reads eight tokens."""
    narrow = without_weights(policy)
    narrow.model.config = pickle.loads(pickle.dumps(narrow.model.config))
    narrow.model.config.text_config.max_position_embeddings = 8
    return narrow


@pytest.mark.slow
def test_two_workers_give_the_same_bits_as_none(policy: Policy, files: Path) -> None:
    source = open_jsonl(files, "annotations.jsonl", ClipOptions(2.0, 8, 84 * 84))
    batches = [rows(2, 2, 0, 0), rows(1, 1, 2, 2), rows(0, 0, 1, 1)]
    with collator(source, policy, 0) as alone, collator(source, policy, 2) as helped:
        helped.ask(batches[0])
        for batch, following in zip(batches, [*batches[1:], rows(0)], strict=True):
            expected, found = alone(batch), helped(helped.ask(batch))
            helped.ask(following)
            assert [row["group"] for row in found] == [row["group"] for row in expected]
            assert [row["prompt"] for row in found] == [row["prompt"] for row in expected]
            assert found[0]["example"] is found[1]["example"]
            for one, other in zip(found, expected, strict=True):
                assert_same(one["example"], other["example"])
