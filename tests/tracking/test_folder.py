"""A folder of videos: finished ones skipped, broken ones noted, stopping and going on."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from grounding.core import UserError
from grounding.core.files import write_text
from grounding.tracking.folder import Outcome, Work, find_videos, track_folder


@pytest.fixture
def videos(tmp_path: Path) -> Path:
    folder = tmp_path / "videos"
    for name in ("a.mp4", "b.MKV", "deep/er/c.mp4", "deep/notes.txt"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("picture")
    return folder


class Maker:
    """Writes what it is told to; videos named in `broken` raise that instead."""

    def __init__(self, broken: dict[str, BaseException] | None = None) -> None:
        self.broken, self.loaded, self.worked = broken or {}, 0, []

    def __call__(self, worker: int) -> Work:
        self.loaded += 1

        def work(video: Path, target: Path) -> str:
            self.worked.append(video.name)
            if video.name in self.broken:
                raise self.broken[video.name]
            write_text(target, "masks")
            return "1 object"

        return work


def statuses(outcomes: list[Outcome]) -> dict[str, str]:
    return {outcome.video.name: outcome.status for outcome in outcomes}


def failed(out: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in (out / "failed.jsonl").read_text().splitlines()]


def test_all_videos_below(videos: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    outcomes = list(track_folder(videos, out, Maker()))
    assert statuses(outcomes) == {"a.mp4": "done", "b.MKV": "done", "c.mp4": "done"}
    written = sorted(str(path.relative_to(out)) for path in out.rglob("*") if path.is_file())
    assert written == ["a.masklets.json", "b.masklets.json", "deep/er/c.masklets.json"]


def test_finished_ones_are_skipped(videos: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    list(track_folder(videos, out, Maker()))
    again = Maker()
    assert set(statuses(list(track_folder(videos, out, again))).values()) == {"skipped"}
    assert again.loaded == 0  # no model is loaded for nothing
    (out / "b.masklets.json").unlink()
    assert statuses(list(track_folder(videos, out, again)))["b.MKV"] == "done"
    assert again.worked == ["b.MKV"]


def test_broken_ones_are_noted_and_passed_over(videos: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    broken = {"a.mp4": UserError("a.mp4 is a video of no frames"), "b.MKV": RuntimeError("out of memory")}
    outcomes = list(track_folder(videos, out, Maker(dict(broken))))
    assert statuses(outcomes) == {"a.mp4": "failed", "b.MKV": "failed", "c.mp4": "done"}
    assert failed(out) == [
        {"video": "a.mp4", "error": "a.mp4 is a video of no frames"},
        {"video": "b.MKV", "error": "RuntimeError: out of memory"},
    ]
    mended = list(track_folder(videos, out, Maker()))
    assert statuses(mended) == {"a.mp4": "done", "b.MKV": "done", "c.mp4": "skipped"}
    assert not (out / "failed.jsonl").exists()


def test_ctrl_c_leaves_whole_files_only(videos: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        list(track_folder(videos, out, Maker({"b.MKV": KeyboardInterrupt()})))
    assert [path.name for path in out.rglob("*") if path.is_file()] == ["a.masklets.json"]
    assert statuses(list(track_folder(videos, out, Maker()))) == {"a.mp4": "skipped", "b.MKV": "done", "c.mp4": "done"}


def test_two_videos_of_one_name(videos: Path, tmp_path: Path) -> None:
    (videos / "a.webm").write_text("picture")
    with pytest.raises(UserError, match=r"a\.mp4 and .*a\.webm would both become"):
        find_videos(videos, tmp_path / "out")


def test_no_videos(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="holds no videos"):
        list(track_folder(tmp_path, tmp_path / "out", Maker()))


def test_no_workers(videos: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="workers must be 1 or more, got 0"):
        list(track_folder(videos, tmp_path / "out", Maker(), workers=0))


def test_paths_may_be_texts(videos: Path, tmp_path: Path) -> None:
    assert len(list(track_folder(str(videos), f"{tmp_path}/out", Maker()))) == 3


def test_out_that_is_a_file(videos: Path, tmp_path: Path) -> None:
    (tmp_path / "out").write_text("mine")
    maker = Maker()
    with pytest.raises(UserError, match=r"cannot write .*failed\.jsonl: Not a directory"):
        list(track_folder(videos, tmp_path / "out", maker))
    assert maker.loaded == 0 and (tmp_path / "out").read_text() == "mine"


def test_a_list_of_failures_that_is_a_folder(videos: Path, tmp_path: Path) -> None:
    (tmp_path / "out" / "failed.jsonl").mkdir(parents=True)
    maker = Maker()
    with pytest.raises(UserError, match=r"cannot write .*failed\.jsonl: it is a folder"):
        list(track_folder(videos, tmp_path / "out", maker))
    assert maker.loaded == 0


def test_links_and_pipes_fail_by_name(videos: Path, tmp_path: Path) -> None:
    """`Maker` opens no video; what matters is that they are handed over and not passed over in silence."""
    (videos / "gone.mp4").symlink_to(tmp_path / "nothing")
    os.mkfifo(videos / "pipe.mp4")
    (videos / "folder.mp4").mkdir()
    assert {path.name for path in find_videos(videos, tmp_path)} == {"a.mp4", "b.MKV", "c.mp4", "gone.mp4", "pipe.mp4"}


def test_a_target_that_cannot_be_written_fails_before_the_work(videos: Path, tmp_path: Path) -> None:
    out, maker = tmp_path / "out", Maker()
    out.mkdir()
    (out / "a.masklets.json").symlink_to(tmp_path / "nothing")
    (videos / ("x" * 245 + ".mp4")).write_text("picture")
    by_name = {outcome.video.name[:3]: outcome for outcome in track_folder(videos, out, maker)}
    assert by_name["a.m"].status == by_name["xxx"].status == "failed"
    assert "exists already" in by_name["a.m"].message and "File name too long" in by_name["xxx"].message
    assert maker.worked == ["b.MKV", "c.mp4"] and not (tmp_path / "nothing").exists()


def test_names_that_are_not_utf_8(videos: Path, tmp_path: Path) -> None:
    name = os.fsdecode(b"caf\xe9.mp4")
    (videos / name).write_text("picture")
    outcomes = list(track_folder(videos, tmp_path / "out", Maker({name: UserError("no video")})))
    assert statuses(outcomes)[name] == "failed"
    assert failed(tmp_path / "out") == [{"video": name, "error": "no video"}]
