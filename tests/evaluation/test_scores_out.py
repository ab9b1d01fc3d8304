from __future__ import annotations

import csv
import io
import json

import pytest

from grounding.core import UserError
from grounding.evaluation.scores_out import check_outputs, counted, table, to_csv, to_json, write
from grounding.evaluation.scoring import Options, score_files

TRUTH = [
    {"id": "a", "answer": "A", "group": "x"},
    {"id": "b", "answer": "B", "group": "y"},
    {"id": "c", "answer": "C", "group": "y"},
]


@pytest.fixture
def report(tmp_path):
    def call(*files, benchmark="mcq", truth=TRUTH, **options):
        paths = []
        for number, rows in enumerate(files, start=1):
            paths.append(tmp_path / f"preds{number}.json")
            paths[-1].write_text(json.dumps(rows))
        place = tmp_path / "truth.json"
        place.write_text(json.dumps(truth))
        return score_files(benchmark, paths, place, Options(resamples=50, **options))

    return call


def test_json_by_hand(report, tmp_path):
    value = to_json(report({"a": "A", "b": "A", "z": "A"}))
    assert value["accuracy"] == pytest.approx(1 / 3)
    assert (value["accuracy x"], value["accuracy y"]) == (1.0, 0.0)
    assert (value["benchmark"], value["compat"]) == ("mcq", "official")
    assert value["truth"].endswith("truth.json") and value["predictions"].endswith("preds1.json")
    assert value["counts"] == {
        "samples": 3, "scored": 3, "rows": 3, "answered": 2, "unanswered": 0, "invalid": 0, "duplicate": 0,
        "unknown": 1, "missing": 1,
    }  # fmt: skip
    assert value["missing"] == ["c"]
    assert "preds1.json, row 3 (z): " in value["problems"][0]
    one = value["figures"]["accuracy"]
    assert one["low"] <= one["value"] <= one["high"]
    assert (one["samples"], one["unit"]) == (3, "1")
    assert json.loads(json.dumps(value, allow_nan=False)) == value


def test_a_figure_of_nobody_is_null(report):
    truth = [{"qid": 1, "duration": 20, "relevant_windows": [[0, 8]], "relevant_clip_ids": [], "saliency_scores": []}]
    value = to_json(report([{"qid": 1, "pred_relevant_windows": [[0, 8, 1]]}], benchmark="qvhighlights", truth=truth))
    assert value["MR-long-mAP"] is None
    assert value["figures"]["MR-long-mAP"] == {"value": None, "low": None, "high": None, "samples": 0, "unit": "%"}


def test_csv_by_hand(report):
    rows = list(csv.DictReader(io.StringIO(to_csv(report({"a": "A", "b": "A"})))))
    assert rows == [
        {"id": "a", "status": "answered", "accuracy": "1", "accuracy x": "1", "accuracy y": ""},
        {"id": "b", "status": "answered", "accuracy": "0", "accuracy x": "", "accuracy y": "0"},
        {"id": "c", "status": "missing", "accuracy": "0", "accuracy x": "", "accuracy y": "0"},
    ]


def test_the_mean_of_a_csv_column_is_the_figure(report):
    result = report({"a": "A", "b": "B", "c": "A"})
    column = [float(row["accuracy y"]) for row in csv.DictReader(io.StringIO(to_csv(result))) if row["accuracy y"]]
    assert sum(column) / len(column) == result.scored[0].value("accuracy y")


def test_two_files(report):
    result = report({"a": "A"}, {"a": "A", "b": "B", "c": "C"})
    value = to_json(result)
    assert value["accuracy"] == pytest.approx(1 / 3)
    assert value["second"]["accuracy"] == 1.0
    assert value["second"]["predictions"].endswith("preds2.json")
    assert value["difference"]["accuracy"]["value"] == pytest.approx(2 / 3)
    assert 0 < value["difference"]["accuracy"]["p"] <= 1
    (first, *_) = csv.DictReader(io.StringIO(to_csv(result)))
    assert list(first)[:5] == ["id", "status", "accuracy", "accuracy x", "accuracy y"]
    assert first["status_2"] == "answered" and first["accuracy_2"] == "1"
    header, rows = table(result)
    assert header == ["figure", "first: preds1.json", "second: preds2.json", "second - first", "p", "samples"]
    assert all(len(row) == len(header) for row in rows)


def test_table_of_one_file(report):
    header, rows = table(report({"a": "A", "b": "B", "c": "C"}))
    assert header == ["figure", "value [95 % interval]", "samples"]
    assert rows[0] == ["accuracy", "1.0000 [1.0000, 1.0000]", "3"]


def test_the_line_about_rows(report):
    result = report({"a": "A", "b": None, "c": 7, "z": "A"})
    line = counted(result.scored[0].collected, result)
    assert line.endswith("preds1.json: 4 rows for 3 samples: 1 answers, 1 without answer, 1 invalid, 1 unknown")
    result = report({"a": "A"})
    assert counted(result.scored[0].collected, result).endswith("1 answers, 2 missing (scored 0)")
    result = report({"a": "A"}, skip_missing=True)
    assert counted(result.scored[0].collected, result).endswith("1 answers, 2 missing (left out)")


def test_files_are_written_beside_each_other(report, tmp_path):
    result = report({"a": "A"})
    written = write(result, tmp_path / "out" / "scores.json")
    assert [path.name for path in written] == ["scores.json", "scores.csv"]
    assert json.loads(written[0].read_text())["accuracy"] == pytest.approx(1 / 3)
    assert written[1].read_text().startswith("id,status,accuracy")


def test_nothing_is_overwritten_without_being_told(report, tmp_path):
    result = report({"a": "A"})
    (tmp_path / "scores.csv").write_text("mine")
    with pytest.raises(UserError, match=r"scores.csv exists already"):
        write(result, tmp_path / "scores.json")
    assert not (tmp_path / "scores.json").exists()
    write(result, tmp_path / "scores.json", overwrite=True)
    with pytest.raises(UserError, match=r"scores.json exists already|scores.csv exists already"):
        write(result, tmp_path / "scores.json")
    with pytest.raises(UserError, match="the name of the CSV file"):
        write(result, tmp_path / "scores.csv", overwrite=True)


def test_both_files_or_none(report, tmp_path, monkeypatch):
    result = report({"a": "A"})
    monkeypatch.setattr("grounding.evaluation.scores_out.to_csv", lambda report: "\ud800")
    with pytest.raises(UserError, match="cannot write"):
        write(result, tmp_path / "scores.json")
    assert not list(tmp_path.glob("*scores*"))


def test_an_input_is_never_replaced(report, tmp_path):
    result = report({"a": "A"})
    for name in ("truth.json", "preds1.json"):
        with pytest.raises(UserError, match=f"the output .*{name} is also an input"):
            write(result, tmp_path / name, overwrite=True)
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "x.csv").write_text("mine")
    with pytest.raises(UserError, match=r"x.csv is also an input .*folder"):
        check_outputs(folder / "x.json", [folder], overwrite=True)
    assert check_outputs(folder / "y.json", [folder]) == [folder / "y.json", folder / "y.csv"]
