"""The toy world: its truth, masks, queries and times agree, judged from pixels and paths rather than from its code."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pytest

from grounding.core import Answer, Interval, Sample, UserError, rle
from grounding.datasets.toy import (
    COLOURS,
    FPS,
    HELD_OUT,
    SECONDS,
    SHAPES,
    SIZE,
    WORLD,
    Question,
    Toy,
    ToyObject,
    ask_where,
    toy_source,
    true_tube,
)
from grounding.datasets.toy_stills import STILLS

KINDS = [(1, 1), (1, 3), (1, 4), (2, 2), (2, 4)]  # level, objects
CLIPS = 40
EVERY_FRAME = int(SECONDS * FPS)


def labels_of(number: int, level: int, objects: int) -> dict[int, np.ndarray]:
    """Visible masks by id, bool (T, H, W), as the masklets file would hold them."""
    source = toy_source(number, 1, level=level, objects=objects)
    masklets = source.load(source.samples[0]).masklets
    empty = np.zeros(masklets.size, bool)
    return {
        i: np.stack([empty if counts is None else rle.decode(counts, masklets.size) for counts in track])
        for i, track in masklets.tracks.items()
    }


def bounds(mask: np.ndarray) -> list[int]:
    """xyxy of a mask, half-open."""
    rows, columns = np.nonzero(mask)
    return [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]


def motion_of(thing: ToyObject) -> str:
    """How a path runs, seen from its end points."""
    x, y = thing.path[-1] - thing.path[0]
    if abs(x) < 1 and abs(y) < 1:
        return "stands still"
    if abs(x) > abs(y):
        return "moves right" if x > 0 else "moves left"
    return "moves down" if y > 0 else "moves up"


def fits(query: str, thing: ToyObject, world: list[ToyObject]) -> bool:
    """Whether a query is true of an object, by an independent reading of the sentence."""
    look, _, what = query.removeprefix("the ").partition(" that ")
    if {word for word in look.split() if word in {*COLOURS, *SHAPES}} != {thing.colour, thing.shape}:
        return False
    alike = [o.interval for o in world if (o.colour, o.shape) == (thing.colour, thing.shape)]
    mine = thing.interval
    return {
        "": True,
        "comes first": mine.start == min(o.start for o in alike),
        "comes last": mine.start == max(o.start for o in alike),
        "leaves first": mine.end == min(o.end for o in alike),
        "leaves last": mine.end == max(o.end for o in alike),
    }.get(what, what == motion_of(thing))


def make_world(number: int, level: int, objects: int) -> list[ToyObject]:
    return toy_source(number, 1, level=level, objects=objects).scene(number)[0]


def make_sample(number: int, level: int, objects: int) -> Sample:
    return toy_source(number, 1, level=level, objects=objects).samples[0]


def worlds() -> Iterator[tuple[int, int, int]]:
    for level, objects in KINDS:
        for number in range(CLIPS):
            yield number, level, objects


class TestTruth:
    def test_queries_fit_exactly_the_object_they_ask_for(self) -> None:
        for number, level, objects in worlds():
            world = make_world(number, level, objects)
            sample = make_sample(number, level, objects)
            assert sample.meta["questions"][0].query == sample.query
            for one in sample.meta["questions"]:
                fitting = [thing.id for thing in world if fits(one.query, thing, world)]
                assert fitting == [one.truth.object_id] == [one.about.id], (number, one.query)

    def test_every_object_is_asked_for_once(self) -> None:
        for number, level, objects in worlds():
            sample = make_sample(number, level, objects)
            ids = [one.about.id for one in sample.meta["questions"]]
            assert ids[0] == sample.truth.object_id
            assert sorted(ids) == sorted(thing.id for thing in make_world(number, level, objects))
            assert len(set(ids)) == objects and set(ids) <= set(range(1, 10))

    def test_twins_are_asked_for_in_level_2(self) -> None:
        for number in range(CLIPS):
            world = make_world(number, 2, 3)
            target = next(thing for thing in world if thing.id == make_sample(number, 2, 3).truth.object_id)
            assert [thing.name for thing in world].count(target.name) == 2
            assert " that " in make_sample(number, 2, 3).query

    def test_all_ways_to_ask_occur(self) -> None:
        ways = {make_sample(number, 2, 2).query.partition(" that ")[2] for number in range(300)}
        motions = {"moves left", "moves right", "moves up", "moves down", "stands still"}
        assert ways == motions | {"comes first", "comes last", "leaves first", "leaves last"}

    def test_intervals_lie_on_the_half_second_and_last_a_second(self) -> None:
        for number, level, objects in worlds():
            for thing in make_world(number, level, objects):
                assert (thing.interval.start * 2).is_integer() and (thing.interval.end * 2).is_integer()
                assert thing.interval.duration >= 1.0 and thing.interval.end <= SECONDS

    def test_questions_have_the_intervals_and_tubes_of_their_objects(self) -> None:
        for number, level, objects in worlds():
            intervals = {thing.id: thing.interval for thing in make_world(number, level, objects)}
            sample = make_sample(number, level, objects)
            assert sample.truth.interval == intervals[sample.truth.object_id or 0]
            for one in sample.meta["questions"]:
                assert one.truth.interval == intervals[one.about.id]
                assert one.truth.tube is not None
                np.testing.assert_array_equal(one.truth.tube.boxes, true_tube(one.about).boxes)

    def test_a_task_makes_its_own_questions(self) -> None:
        def ask(target: ToyObject, world: Sequence[ToyObject], rng: np.random.Generator) -> list[Question]:
            questions = ask_where(target, world, rng)
            return [replace(questions[1], truth=Answer(number=3.0), meta={"options": ["one", "two"]})]

        source = toy_source(7, 2, toy=replace(WORLD, ask=ask))
        for sample, plain in zip(source.samples[0:2], toy_source(7, 2).samples, strict=True):
            assert (sample.id, sample.query) == (plain.id, plain.meta["questions"][1].query)
            assert sample.truth == Answer(number=3.0)
            assert sample.meta["options"] == ["one", "two"]
            assert source.load(sample).sample is sample

    def test_another_clip_takes_the_place_of_one_that_cannot_be_asked_about(self) -> None:
        def ask(target: ToyObject, world: Sequence[ToyObject], rng: np.random.Generator) -> list[Question]:
            return [] if target.colour == "red" else ask_where(target, world, rng)

        fussy, plain = (toy_source(0, 40, toy=toy) for toy in (replace(WORLD, ask=ask), WORLD))
        kept = 0
        for one, other in zip(fussy.samples, plain.samples, strict=True):
            assert "red" not in one.query
            assert one.id == other.id
            seen = fussy.load(one).masklets.tracks
            assert set(seen) == {thing.id for thing in one.meta["objects"]}  # the clip is that of the question
            assert (one.query == other.query) is ("red" not in other.query)
            kept += one.query == other.query
        assert 0 < kept < 40

    def test_a_world_without_any_fair_question_is_refused(self) -> None:
        source = toy_source(0, 1, toy=replace(WORLD, ask=lambda target, world, rng: []))
        with pytest.raises(UserError, match="no fair question about toy clip 0"):
            source.samples[0]

    def test_a_world_is_painted_its_own_way(self) -> None:
        def grey(world: Sequence[ToyObject], labels: np.ndarray, every: int, rng: np.random.Generator) -> np.ndarray:
            return np.full((len(labels[::every]), SIZE, SIZE, 3), 77, np.uint8)

        source = toy_source(0, 1, toy=replace(WORLD, paint=grey))
        assert (source.load(source.samples[0]).clip.frames == 77).all()

    @pytest.mark.parametrize("fps", [1.0, 2.0, 4.0])
    def test_of_a_question_about_a_frame_the_clip_is_that_frame(self, fps: float) -> None:
        def ask(target: ToyObject, world: Sequence[ToyObject], rng: np.random.Generator) -> list[Question]:
            return [replace(one, meta={"frame": 7}) for one in ask_where(target, world, rng)]

        source, whole = toy_source(7, 1, fps=fps, toy=replace(WORLD, ask=ask)), toy_source(7, 1, fps=FPS)
        still = source.load(source.samples[0])
        assert still.clip.pts.tolist() == [7 / FPS] and len(still.masklets.pts) == SECONDS * FPS
        np.testing.assert_array_equal(still.clip.frames[0], whole.load(whole.samples[0]).clip.frames[7])


class TestMasks:
    def test_masks_are_disjoint(self) -> None:
        for number, level, objects in worlds():
            if number < 8:
                layers = np.stack(list(labels_of(number, level, objects).values()))
                assert layers.sum(axis=0).max() == 1

    def test_objects_are_seen_within_their_interval_only(self) -> None:
        for number in range(CLIPS):
            things = {thing.id: thing.interval for thing in make_world(number, 2, 4)}
            for object_id, mask in labels_of(number, 2, 4).items():
                times = np.nonzero(mask.any(axis=(1, 2)))[0] / FPS
                inside = (times >= things[object_id].start) & (times < things[object_id].end)
                assert inside.all()
                if object_id == make_world(number, 2, 4)[-1].id:  # drawn last, so nothing hides it
                    assert len(times) == things[object_id].duration * FPS

    @pytest.mark.parametrize("number", range(CLIPS))
    def test_true_tube_is_exact_where_nothing_hides(self, number: int) -> None:
        sample = make_sample(number, 1, 1)  # a single object is never hidden
        mask = labels_of(number, 1, 1)[sample.truth.object_id or 0]
        tube, interval = sample.truth.tube, sample.truth.interval
        assert tube is not None and interval is not None
        assert tube.frames == range(int(interval.start * FPS), int(interval.end * FPS))
        assert tube.boxes.tolist() == [bounds(mask[frame]) for frame in tube.frames]

    def test_true_tube_holds_the_visible_part_where_something_hides(self) -> None:
        hidden = 0
        for number in range(CLIPS):
            truth = make_sample(number, 2, 4).truth
            mask = labels_of(number, 2, 4)[truth.object_id or 0]
            assert truth.tube is not None
            for frame, box in zip(truth.tube.frames, truth.tube.boxes, strict=True):
                if mask[frame].any():
                    x1, y1, x2, y2 = bounds(mask[frame])
                    assert box[0] <= x1 and box[1] <= y1 and x2 <= box[2] and y2 <= box[3]
                    hidden += [x1, y1, x2, y2] != box.tolist()
        assert hidden > 0  # or there would be no crossings in this world

    def test_boxes_stay_in_the_picture(self) -> None:
        for number, level, objects in worlds():
            tube = make_sample(number, level, objects).truth.tube
            assert tube is not None and tube.boxes.min() >= 0 and tube.boxes.max() <= SIZE

    def test_pixels_of_a_mask_have_the_colour_of_the_object(self) -> None:
        for number in range(5):
            source = toy_source(number, 1, objects=3, fps=FPS)
            frames = source.load(source.samples[0]).clip.frames
            masks = labels_of(number, 1, 3)
            for thing in make_world(number, 1, 3):
                assert (frames[masks[thing.id]] == COLOURS[thing.colour]).all()
            ground = frames[~np.any(list(masks.values()), axis=0)]
            assert ground.max() < 140  # darker than any object's brightest channel


def ask_some(target: ToyObject, world: Sequence[ToyObject], rng: np.random.Generator, share: float) -> list[Question]:
    return ask_where(target, world, rng)


class TestSource:
    def test_the_same_numbers_give_the_same_clips(self) -> None:
        first, again = (toy_source(7, 3, level=2) for _ in range(2))
        for one, other in zip(first.samples, again.samples, strict=True):
            assert (one.id, one.query, one.truth.interval) == (other.id, other.query, other.truth.interval)
            a, b = first.load(one), again.load(other)
            np.testing.assert_array_equal(a.clip.frames, b.clip.frames)
            assert dict(a.masklets.tracks) == dict(b.masklets.tracks)

    def test_another_process_makes_the_same_clip(self) -> None:
        code = (
            "import sys; from grounding.datasets.toy import toy_source; source = toy_source(3, 1, level=2);"
            "sys.stdout.buffer.write(source.load(source.samples[0]).clip.frames.tobytes())"
        )
        environment = {**os.environ, "PYTHONHASHSEED": "77"}  # nothing may hang on the order of a set
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=60, env=environment)
        source = toy_source(3, 1, level=2)
        assert done.stdout == source.load(source.samples[0]).clip.frames.tobytes(), done.stderr

    def test_a_version_is_of_all_that_a_clip_is_made_from(self) -> None:
        def version(number: int = 3, toy: Toy = WORLD, **options: Any) -> str:
            source = toy_source(number, 1, toy=toy, **options)
            return source.version(source.samples[0])

        among = toy_source(0, 9)
        assert version() == among.version(among.samples[3])
        some = [replace(WORLD, ask=partial(ask_some, share=share)) for share in (0.3, 0.4)]
        others = [version(4), version(level=2), version(objects=2), version(fps=1.0), version(toy=STILLS)]
        others += [version(toy=replace(WORLD, takes=2)), *(version(toy=toy) for toy in some)]
        assert len({version(), *others}) == len(others) + 1

    def test_a_version_is_the_same_in_another_process(self) -> None:
        code = (
            "from functools import partial; from grounding.datasets.toy import *; from dataclasses import replace;"
            "source = toy_source(3, 1, toy=replace(WORLD, make=partial(make_world, one=1, two=(2, 3.5))));"
            "sample = Sample('a', 'toy:3', 'q', Answer()); print(source.version(sample))"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
        source = toy_source(3, 1, toy=replace(WORLD, make=partial(WORLD.make, two=(2, 3.5), one=1)))
        assert source.version(Sample("a", "toy:3", "q", Answer())) == done.stdout.strip()

    def test_a_clip_does_not_depend_on_what_else_is_in_the_source(self) -> None:
        alone, among = toy_source(9, 1), toy_source(5, 10)
        np.testing.assert_array_equal(
            alone.load(alone.samples[0]).clip.frames, among.load(among.samples[4]).clip.frames
        )

    def test_different_numbers_give_different_clips(self) -> None:
        numbers = [*range(60), *range(HELD_OUT.stop, HELD_OUT.stop + 60)]  # held out, and of training
        paths = {np.concatenate([thing.path for thing in make_world(n, 1, 3)]).tobytes() for n in numbers}
        assert len(paths) == len(numbers)

    def test_numbers_held_out_are_not_those_of_training(self) -> None:
        ids = {sample.id for sample in toy_source(HELD_OUT.start, 256).samples}
        assert not ids & {sample.id for sample in toy_source(HELD_OUT.stop, 256).samples}
        assert all(int(name.rsplit("-", 1)[1]) in HELD_OUT for name in ids)

    @pytest.mark.parametrize(("fps", "frames"), [(4.0, 16), (2.0, 8), (1.0, 4)])
    def test_sampling(self, fps: float, frames: int) -> None:
        source = toy_source(0, 1, fps=fps)
        loaded = source.load(source.samples[0])
        np.testing.assert_array_equal(loaded.clip.pts, np.arange(frames) / fps)
        assert loaded.clip.frames.shape == (frames, SIZE, SIZE, 3)
        assert (loaded.clip.size, loaded.clip.duration, loaded.clip.source_fps) == ((SIZE, SIZE), SECONDS, FPS)
        np.testing.assert_array_equal(loaded.masklets.pts, np.arange(EVERY_FRAME) / FPS)  # masks of every source frame

    def test_sampled_frames_are_those_of_their_times(self) -> None:
        every, some = toy_source(3, 1, fps=4.0), toy_source(3, 1, fps=2.0)
        all_frames = every.load(every.samples[0]).clip.frames
        np.testing.assert_array_equal(some.load(some.samples[0]).clip.frames, all_frames[::2])

    def test_samples_are_a_sequence(self) -> None:
        samples = toy_source(10, 5).samples
        assert len(samples) == 5
        assert [s.video for s in samples] == [f"toy:{n}" for n in range(10, 15)]
        assert [s.id for s in samples[1:3]] == [samples[1].id, samples[2].id]
        assert samples[-1].video == "toy:14"
        with pytest.raises(IndexError):
            samples[5]

    def test_the_truth_is_complete(self) -> None:
        truth = toy_source(0, 1).samples[0].truth
        assert isinstance(truth.interval, Interval) and truth.object_id is not None and truth.tube is not None

    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"level": 3}, "levels 1 and 2, got 3"),
            ({"objects": 0}, "1 to 4 objects, got 0"),
            ({"objects": 5}, "1 to 4 objects, got 5"),
            ({"level": 2, "objects": 1}, "2 to 4 objects, got 1"),
            ({"first": -1}, "first >= 0"),
            ({"count": 0}, "count >= 1"),
            ({"fps": 0.0}, "1, 2, 4 frames a second, got 0"),
            ({"fps": 3.0}, "1, 2, 4 frames a second, got 3"),
        ],
    )
    def test_refusals(self, changes: dict[str, float], message: str) -> None:
        with pytest.raises(UserError, match=message):
            toy_source(**{"first": 0, "count": 1, **changes})  # type: ignore[arg-type]
