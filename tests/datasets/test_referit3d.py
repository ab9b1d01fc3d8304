"""Tests of grounding.datasets.referit3d."""

from __future__ import annotations

from pathlib import Path

import pytest

from grounding.datasets.catalog import open_dataset

NR3D = "assignmentid,stimulus_id,utterance,scan_id,instance_type,target_id,mentions_target_class\n"
SR3D = "scan_id,target_id,utterance,stimulus_id,instance_type\n"


def test_nr3d(tmp_path: Path) -> None:
    rows = [
        "7,scene0525_00-plant-3-9-10-11,the plant by the wall,scene0525_00,plant,9,True",
        "8,scene0525_00-desk-2-4-5,the desk,scene0525_00,desk,4,True",
    ]
    (tmp_path / "nr3d_test.csv").write_text(NR3D + "\n".join(rows))
    samples = open_dataset("nr3d", tmp_path, split="test").samples
    assert [(s.id, s.video, s.truth.object_id, s.meta["hard"]) for s in samples] == [
        ("nr3d_7", "scene0525_00", 10, True),  # three plants
        ("nr3d_8", "scene0525_00", 5, False),  # two desks
    ]
    assert samples[0].query == "the plant by the wall" and samples[0].meta["object_name"] == "plant"


def test_nr3d_as_it_was_collected_says_all_in_its_stimulus(tmp_path: Path) -> None:
    rows = ["scene0525_00-trash can-3-9-10-11,the bin by the wall", "scene0525_00-desk-1-4,the desk"]
    (tmp_path / "nr3d.csv").write_text("Input.stimulus_id,Answer.response\n" + "\n".join(rows))
    samples = open_dataset("nr3d", tmp_path).samples
    assert [(s.id, s.video, s.truth.object_id, s.meta["object_name"]) for s in samples] == [
        ("nr3d_1", "scene0525_00", 10, "trash can"),
        ("nr3d_2", "scene0525_00", 5, "desk"),
    ]


def test_sr3d_has_no_ids(tmp_path: Path) -> None:
    row = 'scene0525_00,9,"the plant, far",scene0525_00-plant-2-9-10,plant\n'
    (tmp_path / "sr3d.csv").write_text(SR3D + row * 2)
    samples = open_dataset("sr3d", tmp_path).samples
    assert [(s.id, s.truth.object_id) for s in samples] == [("sr3d_1", 10), ("sr3d_2", 10)]


@pytest.mark.parametrize("stimulus", ["scene0525_00-plant-2", "scene0001_00-plant-2-9", "scene0525_00-plant-2-8", ""])
def test_a_stimulus_of_something_else_is_told(tmp_path: Path, stimulus: str) -> None:
    row = "scene0525_00,9,the plant,{},plant\n"
    (tmp_path / "a.csv").write_text(SR3D + row.format(stimulus) + row.format("scene0525_00-plant-2-9-1"))
    made = open_dataset("sr3d", tmp_path / "a.csv")
    assert [s.id for s in made.samples] == ["sr3d_2"] and "stimulus_id" in made.findings[0].message
