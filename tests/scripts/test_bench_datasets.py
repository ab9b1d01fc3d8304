"""`scripts/bench.py datasets` at a small size, and the files that it loads. No time is asserted."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "scripts"))

from benchmarks import datasets
from benchmarks.annotations import WRITERS, grouped, write

from grounding.core import UserError
from grounding.datasets.catalog import DATASETS, open_dataset
from grounding.datasets.gold import gold_failures
from grounding.evaluation.benchmarks.table import BENCHMARKS
from grounding.evaluation.gold import metric_failures

NEEDING_MORE = {"vidstg", "mevis", "refytvos", "scanrefer"}  # boxes, masks or scans beside the annotation


def test_every_dataset_has_a_writer() -> None:
    assert list(WRITERS) == list(DATASETS)


@pytest.mark.parametrize("name", WRITERS)
def test_a_generated_file_is_read_whole_and_its_truths_get_the_most(tmp_path: Path, name: str) -> None:
    opened = open_dataset(name, write(name, 23, tmp_path))
    assert (len(opened.samples), opened.findings) == (23, [])
    for sample in opened.samples:
        assert gold_failures(sample) + metric_failures(sample) == []


@pytest.mark.parametrize("name", WRITERS)
def test_generated_files_are_named_as_their_authors_name_them(tmp_path: Path, name: str) -> None:
    patterns = [pattern.rpartition("/")[2] for pattern in DATASETS[name].files]
    splits = ("train", "val", "test", "train_v2")
    assert write(name, 1, tmp_path).name in {pattern.format(split=split) for pattern in patterns for split in splits}


@pytest.mark.parametrize("name", sorted(set(DATASETS) & set(BENCHMARKS) - NEEDING_MORE))
def test_what_a_model_says_of_a_sample_can_be_scored_under_its_id(tmp_path: Path, name: str) -> None:
    path = write(name, 24, tmp_path)
    truth = path.with_name("gsub_val.json") if name == "nextgqa" else path
    assert list(BENCHMARKS[name].truths(truth)) == [sample.id for sample in open_dataset(name, path).samples]


def test_samples_are_shared_out_to_the_last() -> None:
    assert [count for _, count in grouped(10, 4)] == [4, 4, 2]


@pytest.mark.slow
def test_every_figure_is_measured(tmp_path: Path) -> None:
    found = datasets.datasets(tmp_path, 20, 1)
    assert set(found["datasets"]) == set(DATASETS) and not list(tmp_path.glob("*/*"))
    assert found["seconds_slowest"] > 0 and found["peak_mb_largest"] > 20
    assert set(DATASETS) < set(datasets.summary(found))


def test_some_alone(tmp_path: Path) -> None:
    assert list(datasets.datasets(tmp_path, 5, 1, ("charades",))["datasets"]) == ["charades"]
    with pytest.raises(UserError, match="there is no dataset 'charade'"):
        datasets.datasets(tmp_path, 5, 1, ("charades", "charade"))
