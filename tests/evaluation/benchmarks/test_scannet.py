from __future__ import annotations

import os

import pytest

from grounding.core import UserError

VERTICES = 1000
CHAIR, TABLE = 5, 7


def ids(*ranges):
    """One line a vertex, value on [first, last) each, 0 elsewhere."""
    values = [0] * VERTICES
    for value, first, last in ranges:
        values[first:last] = [value] * (last - first)
    return "\n".join(map(str, values)) + "\n"


@pytest.fixture
def truth(tmp_path):
    folder = tmp_path / "gt"
    folder.mkdir()
    (folder / "scene0001_00.txt").write_text(ids((CHAIR * 1000 + 1, 0, 200), (TABLE * 1000 + 2, 200, 500)))
    (folder / "scene0002_00.txt").write_text(ids((CHAIR * 1000 + 1, 0, 200)))
    return folder


@pytest.fixture
def predict(tmp_path):
    def call(scene, *instances):
        folder = tmp_path / "pred"
        (folder / "masks").mkdir(parents=True, exist_ok=True)
        lines = []
        for number, (label, score, first, last) in enumerate(instances):
            name = f"masks/{scene}_{number}.txt"
            (folder / name).write_text(ids((1, first, last)))
            lines.append(f"{name} {label} {score}\n")
        (folder / f"{scene}.txt").write_text("".join(lines))
        return folder

    return call


def test_the_truth_scores_everything(score, truth, predict):
    predict("scene0001_00", (CHAIR, 0.9, 0, 200), (TABLE, 0.5, 200, 500))
    result = score("scannet", truth, predict("scene0002_00", (CHAIR, 0.7, 0, 200)), strict=True)
    assert (result["AP"], result["AP50"], result["AP25"]) == (1.0, 1.0, 1.0)
    assert result["AP50 chair"] == 1.0


def test_by_hand(score, truth, predict):
    # The chairs are found in one of two scenes: recall 1/2 at precision 1, from (0, 1) on: 1 x 1/4 + 1 x 1/4 = 1/2.
    # The table is called a chair, which is a false chair (0.95) and a missed table (0).
    # Chairs then: false at 0.95, hit at 0.9. Recall 0, 1/2 with precision 0, 1/2: 1 x 0 + 0 x 1/4 + 1/2 x 1/4 = 1/8.
    right = predict("scene0001_00", (CHAIR, 0.9, 0, 200))
    assert score("scannet", truth, right)["AP50"] == pytest.approx((1 / 2 + 0) / 2)
    wrong = predict("scene0001_00", (CHAIR, 0.9, 0, 200), (CHAIR, 0.95, 200, 500))
    assert score("scannet", truth, wrong)["AP50"] == pytest.approx((1 / 8 + 0) / 2)


def test_without_regard_to_class(score, truth, predict):
    predict("scene0001_00", (CHAIR, 0.9, 0, 200), (99, 0.95, 200, 500))
    folder = predict("scene0002_00", (TABLE, 0.7, 0, 200))
    assert score("scannet_agnostic", truth, folder, strict=True)["AP"] == 1.0


def test_a_scene_without_a_file_is_missing(score, truth, predict):
    folder = predict("scene0001_00", (CHAIR, 0.9, 0, 200), (TABLE, 0.5, 200, 500))
    result = score("scannet", truth, folder)
    assert result["missing"] == ["scene0002_00"]
    assert result["AP50"] == pytest.approx((1 / 2 + 1) / 2)
    assert score("scannet", truth, folder, skip_missing=True)["AP50"] == 1.0


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("masks/scene0001_00_0.txt 5\n", "line 1: expected 'relative/mask.txt label confidence'"),
        ("masks/scene0001_00_0.txt chair 0.5\n", "line 1: expected"),
        ("masks/scene0001_00_0.txt 5 nan\n", "the confidence must be a finite number, got 'nan'"),
        ("masks/scene0001_00_0.txt " + "9" * 5000 + " 0.5\n", "line 1: expected"),
        ("masks/pipe.txt 5 0.5\n", "it is a named pipe"),
        ("masks/" + "n" * 300 + " 5 0.5\n", "File name too long"),
        ("masks/none.txt 5 0.5\n", "cannot read"),
        ("../gt/scene0002_00.txt 5 0.5\n", "leaves its root"),
        ("masks/scene0001_00_0.txt 5 0.5\n\nmasks/scene0001_00_0.txt 5 0.4\n", "line 3: mask .* is listed twice"),
        ("masks/short.txt 5 0.5\n", "has 2 vertices, the truth 1000"),
        ("masks/words.txt 5 0.5\n", "one whole number of 0 or more a line"),
    ],
)
def test_a_wrong_file_is_named(score, truth, predict, lines, message):
    predict("scene0001_00", (CHAIR, 0.9, 0, 200))
    folder = predict("scene0002_00", (CHAIR, 0.9, 0, 200))
    (folder / "masks" / "short.txt").write_text("1\n0\n")
    (folder / "masks" / "words.txt").write_text("1\nyes\n")
    os.mkfifo(folder / "masks" / "pipe.txt")
    (folder / "scene0001_00.txt").write_text(lines)
    with pytest.raises(UserError, match=message):
        score("scannet", truth, folder, strict=True)
    result = score("scannet", truth, folder)
    assert "row 1 (scene0001_00): " in result["problems"][0]
    assert result["counts"]["invalid"] == 1


def test_no_folders(score, truth, predict, tmp_path):
    with pytest.raises(UserError, match=r"holds no <scene>.txt"):
        score("scannet", truth, tmp_path / "pred")
    with pytest.raises(UserError, match="is no folder"):
        score("scannet", truth / "scene0001_00.txt", predict("scene0001_00"))
