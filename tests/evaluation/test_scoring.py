from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grounding.core import UserError, UserErrors
from grounding.evaluation.scoring import Options, collect, find, score_files

TRUTH = {name: [0.0, 10.0] for name in "abcd"}
HALF, WHOLE = [0.0, 5.0], [0.0, 10.0]


@pytest.fixture
def score(tmp_path):
    def call(*files, truth=TRUTH, benchmark="vtg", **options):
        place = tmp_path / "truth.json"
        place.write_text(json.dumps(truth))
        paths = []
        for number, rows in enumerate(files, start=1):
            paths.append(tmp_path / f"preds{number}.jsonl")
            lines = [row if isinstance(row, str) else json.dumps(row) for row in rows]
            paths[-1].write_text("".join(line + "\n" for line in lines))
        return score_files(benchmark, paths, place, Options(resamples=50, **options))

    return call


def rows(**intervals):
    return [{"id": name, "interval": interval} for name, interval in intervals.items()]


def miou(report, place=0):
    return report.scored[place].value("mIoU")


def test_a_sample_that_an_object_names_twice_is_a_duplicate(tmp_path):
    truth, said = tmp_path / "truth.json", tmp_path / "preds.json"
    truth.write_text('{"a": [0, 10], "b": [0, 10]}')
    said.write_text('{"a": [0, 5], "b": [0, 10], "a": [0, 10]}')
    report = score_files("vtg", [said], truth, Options(resamples=5))
    assert report.scored[0].value("mIoU") == 0.75  # the first one counts
    assert report.scored[0].collected.rows == {"answered": 2, "duplicate": 1}
    with pytest.raises(UserError, match="row 3: the file names 'a' twice"):
        score_files("vtg", [said], truth, Options(resamples=5, strict=True))


def test_paths_may_be_strings(tmp_path):
    (tmp_path / "truth.json").write_text('{"a": [0, 10]}')
    (tmp_path / "said.json").write_text('{"a": [0, 5]}')
    report = score_files("vtg", [str(tmp_path / "said.json")], str(tmp_path / "truth.json"), Options(resamples=5))
    assert report.scored[0].value("mIoU") == 0.5


def test_a_full_file(score):
    report = score(rows(a=WHOLE, b=HALF, c=WHOLE, d=HALF), strict=True)
    assert miou(report) == 0.75
    collected = report.scored[0].collected
    assert not collected.problems and not collected.missing
    assert dict(collected.rows) == {"answered": 4}


def test_missing_predictions_are_listed_and_score_0_unless_asked_otherwise(score):
    report = score(rows(a=WHOLE, c=HALF))
    assert miou(report) == pytest.approx(1.5 / 4)
    assert report.scored[0].collected.missing == ["b", "d"]
    skipped = score(rows(a=WHOLE, c=HALF), skip_missing=True)
    assert miou(skipped) == pytest.approx(1.5 / 2)
    assert (skipped.ids, skipped.samples) == (["a", "c"], 4)
    assert skipped.scored[0].collected.missing == ["b", "d"]  # listed all the same


def test_no_answer_and_a_wrong_row_stay_in_the_denominator_even_so(score):
    report = score([*rows(a=WHOLE, b=None), {"id": "c", "interval": [5.0, 3.0]}], skip_missing=True)
    assert miou(report) == pytest.approx(1 / 3)
    assert report.ids == ["a", "b", "c"]
    status = report.scored[0].collected.status
    assert [status(name) for name in "abcd"] == ["answered", "unanswered", "invalid", "missing"]


def test_an_unknown_id(score):
    report = score([*rows(a=WHOLE, b=WHOLE, c=WHOLE, d=WHOLE), {"id": "z", "interval": WHOLE}])
    assert miou(report) == 1.0
    (problem,) = report.scored[0].collected.problems
    assert (problem.row, problem.sample_id) == (5, "z")
    assert "the truth has no sample with this id" in problem.message


def test_of_two_for_one_id_the_first_counts(score):
    report = score([*rows(a=HALF, b=WHOLE, c=WHOLE, d=WHOLE), {"id": "a", "interval": WHOLE}])
    assert miou(report) == pytest.approx(3.5 / 4)
    (problem,) = report.scored[0].collected.problems
    assert problem.row == 5 and "there is a row for this sample before" in problem.message


def test_a_wrong_first_row_is_not_mended_by_a_second(score):
    report = score([*rows(a=[5.0, 3.0], b=WHOLE), {"id": "a", "interval": WHOLE}])
    assert miou(report) == pytest.approx(1 / 4)
    assert dict(report.scored[0].collected.rows) == {"invalid": 1, "answered": 1, "duplicate": 1}


def test_a_line_that_is_no_json(score):
    report = score([*rows(a=WHOLE), '{"id": "b", "interval": [0, ', *rows(c=WHOLE)])
    assert miou(report) == pytest.approx(2 / 4)
    (problem,) = report.scored[0].collected.problems
    assert (problem.row, problem.sample_id) == (2, None)


def test_strict_names_everything_that_is_wrong(score):
    with pytest.raises(UserErrors) as caught:
        score([*rows(a=[5.0, 3.0], z=WHOLE, b=WHOLE, c=WHOLE), "{"], strict=True)
    first, second, third, fourth = caught.value.errors
    assert "preds1.jsonl, row 1 (a): the interval is reversed" in first
    assert "preds1.jsonl, row 2 (z): the truth has no sample" in second
    assert "preds1.jsonl, row 5: the line is not JSON" in third
    assert fourth.endswith("preds1.jsonl: no prediction for d")


def test_strict_does_not_drown_anybody(score):
    with pytest.raises(UserErrors) as caught:
        score(rows(a=WHOLE), truth={str(number): WHOLE for number in range(50)} | {"a": WHOLE}, strict=True)
    assert len(caught.value.errors) == 21
    assert caught.value.errors[-1] == "and 30 more; mend these first"


def test_a_file_of_which_nothing_can_be_used(score):
    with pytest.raises(
        UserError, match=r"preds1.jsonl: none of its 2 rows can be used; the first: row 1: the truth has"
    ):
        score([{"id": "x", "interval": WHOLE}, {"id": "y", "interval": WHOLE}])


def test_nothing_is_left_when_two_files_share_no_sample(score):
    with pytest.raises(UserError, match="nothing is left"):
        score(rows(a=WHOLE), rows(b=WHOLE), skip_missing=True)


def test_two_files_are_compared_on_the_same_samples(score):
    report = score(rows(a=HALF, b=HALF, c=HALF, d=HALF), rows(a=WHOLE, b=WHOLE, c=WHOLE, d=WHOLE))
    gap = report.difference["mIoU"]
    assert (gap.value, gap.low, gap.high) == pytest.approx((0.5, 0.5, 0.5))
    skipped = score(rows(a=HALF, b=HALF), rows(b=WHOLE, c=HALF), skip_missing=True)
    assert skipped.ids == ["b"]
    assert (miou(skipped, 0), miou(skipped, 1)) == (0.5, 1.0)


@pytest.mark.parametrize(
    ("name", "message"),
    [("charade", r"\(did you mean charades\?\); known: hcstvg, "), ("zzz", "no benchmark 'zzz'; known: hcstvg, ")],
)
def test_an_unknown_benchmark(name, message):
    with pytest.raises(UserError, match=message):
        find(name)


def test_a_mode_that_a_benchmark_has_not(score):
    with pytest.raises(UserError, match="vtg has no --compat 'tubedetr'; choose one of: official"):
        score(rows(a=WHOLE), compat="tubedetr")


@settings(max_examples=60)
@given(
    st.lists(
        st.tuples(
            st.sampled_from([*"abcdxy", None]),
            st.sampled_from([WHOLE, HALF, None, [5.0, 3.0], "soon", [float("nan"), 1.0]]),
        ),
        min_size=1,
        max_size=12,
    )
)
def test_nothing_is_lost_and_nothing_is_invented(tmp_path_factory, drawn):
    path = tmp_path_factory.mktemp("preds") / "preds.jsonl"
    path.write_text("".join(json.dumps({"id": name, "interval": value}) + "\n" for name, value in drawn))
    benchmark = find("vtg")
    truths = {name: None for name in "abcd"}
    try:
        collected = collect(path, benchmark, truths)
    except UserError as error:
        assert "can be used" in str(error)
        return
    assert collected.rows.total() == len(drawn)
    assert len(collected.problems) == sum(collected.rows[kind] for kind in ("invalid", "duplicate", "unknown"))
    status = [collected.status(name) for name in truths]
    assert status.count("answered") == collected.rows["answered"]
    assert status.count("unanswered") == collected.rows["unanswered"]
    assert status.count("missing") == len(collected.missing)
    assert set(collected.answers) <= {name for name, _ in drawn}
