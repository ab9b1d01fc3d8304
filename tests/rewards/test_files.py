from __future__ import annotations

import pickle

import pytest

from grounding.core import Answer, UserError
from rewards import REWARDS, WeightedSum, find

SOURCE = '''
from grounding.core import Answer
from rewards import Meta, reward

@reward(range=(0.0, 1.0))
def brevity(answer, truth, meta: Meta):
    """Short texts."""
    return 1 / (1 + len(meta.text))

@reward(range=(-1.0, 1.0))
def mood(answer, truth, meta):
    return None

def plain(answer, truth, meta):
    return 0.5
'''


@pytest.fixture
def file(tmp_path):
    before = dict(REWARDS)
    path = tmp_path / "mine.py"
    path.write_text(SOURCE)
    yield path
    REWARDS.clear()
    REWARDS.update(before)


def test_a_registered_name_is_found():
    assert find("id_match") is REWARDS["id_match"]


def test_a_function_in_a_file_is_a_reward_like_any_other(file):
    name = f"{file}:brevity"
    total = WeightedSum({name: 2.0, "id_match": 1.0})
    parts = total.parts(Answer(object_id=1), Answer(object_id=1), "abc")
    assert parts == {name: 0.25, "id_match": 1.0}  # 1 / (1 + 3)
    assert total.total(parts) == 1.5
    assert (REWARDS[name].name, REWARDS[name].low, REWARDS[name].high) == (name, 0.0, 1.0)
    assert "brevity" not in REWARDS  # its own names stay its own


def test_several_functions_of_one_file(file):
    assert find(f"{file}:brevity").high == find(f"{file}:mood").high == 1.0
    assert find(f"{file}:brevity") is find(f"{file}:brevity")  # loaded once


def test_a_fresh_process_finds_it_again(file):
    total = WeightedSum({f"{file}:brevity": 1.0})
    sent = pickle.dumps(total)
    del REWARDS[f"{file}:brevity"]
    assert pickle.loads(sent).parts(Answer(), Answer(), "") == {f"{file}:brevity": 1.0}


@pytest.mark.parametrize(
    ("function", "message"),
    [
        ("plain", r"no function 'plain' with @reward\(range=...\) in it; it has brevity, mood"),
        ("absent", "no function 'absent'"),
        ("", "no function ''"),
    ],
)
def test_a_function_that_is_no_reward(file, function, message):
    with pytest.raises(UserError, match=message):
        find(f"{file}:{function}")
    assert not {"brevity", "mood"} & set(REWARDS)


@pytest.mark.parametrize("name", ["mine.py", "mine:brevity", ":brevity", "mine.txt:brevity", ""])
def test_what_is_no_file_is_an_unknown_reward(name):
    with pytest.raises(UserError, match="there is no reward"):
        find(name)


def test_a_missing_file_is_named_where_it_was_looked_for(tmp_path):
    with pytest.raises(UserError, match=r"there is no file .*absent\.py"):
        find(f"{tmp_path}/absent.py:brevity")


def test_its_own_errors_come_through_and_leave_nothing_behind(file):
    file.write_text(SOURCE + "\nraise RuntimeError('broken here')")
    with pytest.raises(RuntimeError, match="broken here"):
        find(f"{file}:brevity")
    assert not {"brevity", "mood", f"{file}:brevity"} & set(REWARDS)


def test_a_builtin_name_cannot_be_taken_over(file):
    file.write_text(SOURCE.replace("brevity", "id_match"))
    with pytest.raises(UserError, match="a reward named id_match already"):
        find(f"{file}:id_match")
