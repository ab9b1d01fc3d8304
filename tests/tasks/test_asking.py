"""What a policy is shown and asked: changes first, then IDs, then the turn."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest

from grounding.core import Clip, Interval, LoadedSample, Masklets, UserError, UserTurn
from grounding.core.seeds import generator
from grounding.datasets.toy import toy_source
from grounding.tasks.asking import Asking, Moment
from grounding.tasks.stvg import STVG
from grounding.tasks.vtg import VTG
from prompting import IdMarker

MARKER = IdMarker("badge", 15.0)
NOW = Moment(seed=3, draw=17, progress=0.25)


def toy(number: int = 0) -> LoadedSample:
    source = toy_source(number, 1)
    return source.load(source.samples[0])


# Changes of the tests: at the top of the module, so that they can be sent to another process.


def first_half(loaded: LoadedSample, now: Moment) -> LoadedSample:
    """Only the first half of the frames, and of the truth what they show."""
    clip, truth = loaded.clip, loaded.sample.truth
    kept = len(clip) // 2
    assert truth.interval is not None
    end = min(truth.interval.end, float(clip.pts[kept]))
    cut = replace(truth, interval=Interval(min(truth.interval.start, end), end))
    return replace(
        loaded,
        clip=replace(clip, frames=clip.frames[:kept], pts=clip.pts[:kept]),
        sample=replace(loaded.sample, truth=cut),
    )


def darker(loaded: LoadedSample, now: Moment) -> LoadedSample:
    return replace(loaded, clip=loaded.clip.with_frames(loaded.clip.frames // 2))


def blanked(loaded: LoadedSample, now: Moment) -> LoadedSample:
    """One frame, drawn by lot, is black."""
    frames = loaded.clip.frames.copy()
    frames[now.rng(loaded.sample.id, "blanked").integers(len(frames))] = 0
    return replace(loaded, clip=loaded.clip.with_frames(frames))


@dataclass(frozen=True)
class Reworded:
    """Another query, which says how far the run is."""

    words: str

    def __call__(self, loaded: LoadedSample, now: Moment) -> LoadedSample:
        return replace(loaded, sample=replace(loaded.sample, query=f"{self.words} {now.progress}"))


def around(text: str, shown: Clip, loaded: LoadedSample) -> UserTurn:
    """A marked still before the video, an unmarked one after it."""
    return picked(shown, 0), text, shown, "and then", picked(loaded.clip, -1)


def picked(clip: Clip, index: int) -> Clip:
    return replace(clip, frames=clip.frames[[index]], pts=clip.pts[[index]])


@dataclass(frozen=True)
class Witness:
    """A marker that tells what it was given."""

    seen: list[tuple[int, int]]

    def annotate_clip(self, clip: Clip, masklets: Masklets) -> tuple[Clip, Any]:
        self.seen.append((len(clip), int(clip.frames.max())))
        return clip.with_frames(clip.frames + 1), None


def test_usually_the_words_come_before_the_clip() -> None:
    loaded = toy()
    for task in (STVG, VTG):
        asked = Asking(task, "short", MARKER)(loaded)
        text, clip = asked.turn
        assert text == task.prompt(loaded.sample, "short")
        assert clip is asked.shown
        assert (asked.shown is loaded.clip) is not task.marks
        assert asked.loaded is loaded


def test_changes_then_marks_then_the_turn() -> None:
    loaded, seen = toy(), list[tuple[int, int]]()
    brightest, half = int(loaded.clip.frames.max()), len(loaded.clip) // 2
    witness: Any = Witness(seen)
    asking = Asking(replace(STVG, turn=around), "short", witness, (first_half, darker, Reworded("so far")))
    asked = asking(loaded, NOW)
    assert seen == [(half, brightest // 2)]
    before, text, video, more, after = asked.turn
    assert (text, more) == ("Query: so far 0.25", "and then")
    assert isinstance(before, Clip) and isinstance(video, Clip) and isinstance(after, Clip)
    changed = asked.loaded.clip
    assert len(changed) == half
    np.testing.assert_array_equal(video.frames, changed.frames + 1)  # marks are drawn on what is left
    np.testing.assert_array_equal(before.frames, changed.frames[:1] + 1)
    np.testing.assert_array_equal(after.frames, changed.frames[-1:])
    assert (before.pts.tolist(), after.pts.tolist()) == ([0.0], [float(changed.pts[-1])])


def test_changes_are_made_in_their_order() -> None:
    twice = Asking(VTG, "short", MARKER, (Reworded("first"), Reworded("second")))
    assert twice(toy(), NOW).loaded.sample.query == "second 0.25"


def test_the_truth_moves_with_the_frames() -> None:
    loaded = next(one for one in map(toy, range(20)) if one.sample.truth.interval.end > 2.5)  # type: ignore[union-attr]
    asked = Asking(VTG, "short", MARKER, (first_half,))(loaded, NOW)
    half = float(loaded.clip.pts[len(loaded.clip) // 2])
    assert asked.loaded.sample.truth.interval is not None
    assert asked.loaded.sample.truth.interval.end == half < loaded.sample.truth.interval.end  # type: ignore[union-attr]
    said = VTG.say(asked.loaded.sample.truth, "so")
    read = VTG.read(said, asked.loaded)
    assert VTG.measure(read, asked.loaded.sample.truth)["mIoU"] == 1.0
    assert VTG.measure(read, loaded.sample.truth)["mIoU"] < 1.0


def test_evaluation_changes_nothing() -> None:
    loaded = toy()
    asked = Asking(VTG, "short", MARKER, (first_half, darker, Reworded("so far")))(loaded)
    assert asked.loaded is loaded
    assert asked.turn == (VTG.prompt(loaded.sample, "short"), loaded.clip)


def test_a_change_leaves_the_sample_of_its_source_alone() -> None:
    loaded = toy()
    before = loaded.clip.frames.copy()
    Asking(STVG, "short", MARKER, (blanked, darker))(loaded, NOW)
    np.testing.assert_array_equal(loaded.clip.frames, before)


def test_a_moment_draws_by_seed_draw_sample_and_purpose_alone() -> None:
    def drawn(now: Moment, sample: str = "a", purpose: str = "mask") -> list[int]:
        return now.rng(sample, purpose).integers(1 << 30, size=4).tolist()

    assert drawn(NOW) == drawn(NOW) == drawn(Moment(3, 17, 0.9))  # progress counts for no draw
    assert drawn(NOW) == generator(3, 17, "a", "mask").integers(1 << 30, size=4).tolist()
    others = [drawn(Moment(4, 17, 0.25)), drawn(Moment(3, 18, 0.25)), drawn(NOW, "b"), drawn(NOW, "a", "noise")]
    assert len({tuple(one) for one in [drawn(NOW), *others]}) == 5


def test_a_change_is_the_same_for_one_draw_and_another_for_the_next() -> None:
    asking = Asking(VTG, "short", MARKER, (blanked,))

    def black(draw: int, ask: Callable[..., Any] = asking) -> int:
        frames = ask(toy(), Moment(0, draw, 0.5)).shown.frames
        return int(np.flatnonzero(~frames.any(axis=(1, 2, 3)))[0])

    again = pickle.loads(pickle.dumps(asking))
    assert [black(draw) for draw in range(12)] == [black(draw, again) for draw in range(12)]
    assert len({black(draw) for draw in range(12)}) > 2


def test_it_can_be_sent_to_another_process_with_its_changes_and_its_turn() -> None:
    asking = Asking(replace(STVG, turn=around), "short", MARKER, (first_half, Reworded("so far")))
    again, now = pickle.loads(pickle.dumps((asking, NOW)))
    assert (again, now) == (asking, NOW)
    for ours, theirs in zip(asking(toy(), NOW).turn, again(toy(), now).turn, strict=True):
        if isinstance(ours, Clip):
            np.testing.assert_array_equal(ours.frames, theirs.frames)
        else:
            assert ours == theirs


def test_an_unknown_kind_of_prompt_is_refused() -> None:
    with pytest.raises(UserError, match="no prompt 'long'"):
        Asking(STVG, "long", MARKER)(toy())
