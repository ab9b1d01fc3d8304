"""What holds for every benchmark: odd rows are refused in words, whatever they are."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grounding.core import UserError
from grounding.datasets.entries import Entry
from grounding.evaluation.benchmarks import mevis, nextgqa, qvhighlights, rextime, st_align
from grounding.evaluation.benchmarks.table import BENCHMARKS
from grounding.evaluation.benchmarks.tubes import TubeTruth, whole_tube

TUBE = TubeTruth(whole_tube(0, 2, [[0, 0, 1, 1]] * 2), frame_count=10)
SECONDS = TubeTruth(whole_tube(0, 2, [[0, 0, 1, 1]] * 2), seconds=True)
TRUTHS = {
    "hcstvg": TUBE,
    "vidstg": TUBE,
    "stvg": SECONDS,
    "st_align": st_align.ClipTruth(SECONDS.tube, clip=st_align.SampledClip("a.mp4", 0, 9, (2, 2))),
    "mevis": mevis.Truth(["0", "1"], (2, 2), []),
    "refytvos": mevis.Truth(["0", "1"], (2, 2), []),
    "qvhighlights": qvhighlights.Truth(np.zeros((1, 2))),
    "nextgqa": nextgqa.Truth(np.zeros((1, 2)), 0, ("a", "b", "c", "d", "e")),
    "rextime": rextime.Pair(np.zeros((1, 2)), "A"),
}
JSON_ROWS = [name for name in BENCHMARKS if not name.startswith("scannet")]
KEYS = [
    "id", "qid", "interval", "boxes", "bbox", "st_frame", "ed_frame", "sted", "span", "prediction", "answer", "ans",
    "pred_relevant_windows", "pred_saliency_scores", "masks", "scene_id", "object_id", "ann_id", "timestamps",
    "outputs", "video_path", "split",
]  # fmt: skip
atoms = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.just(10**400)
values = st.recursive(
    atoms,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from([*KEYS, "0", "1"]), inner, max_size=4),
    max_leaves=12,
)


@pytest.mark.parametrize("name", JSON_ROWS)
@given(value=values, rows=st.dictionaries(st.sampled_from(KEYS), values, max_size=4))
def test_any_json_is_an_answer_or_refused_in_words(name, value, rows):
    benchmark = BENCHMARKS[name]
    for one in (value, rows):
        try:
            benchmark.identify(Entry(1, one))
        except UserError as error:
            assert str(error)
        try:
            answer = benchmark.answer(one, TRUTHS.get(name))
        except UserError as error:
            assert str(error)
            continue
        assert answer is None or not isinstance(answer, Exception)


@pytest.mark.parametrize("name", list(BENCHMARKS))
def test_every_benchmark_says_what_it_reads(name):
    assert BENCHMARKS[name].truth and BENCHMARKS[name].predictions and BENCHMARKS[name].modes


@pytest.mark.parametrize("name", JSON_ROWS)
@settings(max_examples=25)
@given(value=values)
def test_any_truth_file_is_read_or_refused_in_words(name, value, tmp_path_factory):
    path = tmp_path_factory.mktemp("truth") / "truth.json"
    path.write_text(json.dumps(value))
    with pytest.raises(UserError, match=r"truth|meta_expressions") if name == "mevis" else _allowing(UserError):
        BENCHMARKS[name].truths(path)


class _allowing:
    """The block may raise this, and nothing else."""

    def __init__(self, kind):
        self.kind = kind

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        return kind is not None and issubclass(kind, self.kind)
