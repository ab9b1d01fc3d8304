"""A folder of videos: finished ones skipped, broken ones noted, stopping and going on."""

from __future__ import annotations

import json
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
