"""The toy world of rooms: what is in it, when it is seen, and that it is the same every time."""

from __future__ import annotations

import numpy as np
import pytest

from grounding.datasets.room_queries import NEVER, ROOMS, absent, refer, side
from grounding.datasets.rooms import COLUMN, FEWEST, MOVING, SHARE, SIZE, RoomThing, filmed, things_of
from grounding.datasets.toy import FPS, SECONDS, toy_source

FIRST = 7_770_100_000
FRAMES = int(SECONDS * FPS)


def rooms(count: int, level: int = 1, objects: int = 3) -> list[list[RoomThing]]:
    source = toy_source(FIRST, count, level=level, objects=objects, toy=ROOMS)
    return [things_of(sample.meta["objects"]) for sample in source.samples]


def test_things_are_seen_for_whole_seconds_and_nowhere_else() -> None:
    for things in rooms(30):
        labels = filmed(things).labels
        for thing in things:
            counts = (labels == thing.id).sum(axis=(1, 2))
            seen = counts >= max(FEWEST, SHARE * counts.max())
            start, end = round(thing.interval.start * FPS), round(thing.interval.end * FPS)
            assert seen[start:end].all() and not seen[:start].any() and not seen[end:].any()
            assert thing.interval.start % 1 == thing.interval.end % 1 == 0 and thing.interval.duration >= 1


def test_boxes_are_those_of_the_visible_pixels() -> None:
    for things in rooms(10):
        labels = filmed(things).labels
        for thing in things:
            for frame in range(FRAMES):
                rows, columns = np.nonzero(labels[frame] == thing.id)
                if len(rows):
                    expected = columns.min(), rows.min(), columns.max() + 1, rows.max() + 1
                    assert thing.box_at(frame) == expected
                else:
                    assert np.isnan(thing.boxes[frame]).all()


def test_a_clip_is_the_same_every_time_and_its_masks_are_those_of_its_pixels() -> None:
    source = toy_source(FIRST, 3, toy=ROOMS)
    for number in range(3):
        first, again = (source.load(source.samples[number]) for _ in range(2))
        assert (first.clip.frames == again.clip.frames).all() and first.clip.frames.shape == (8, *SIZE, 3)
        assert first.clip.size == first.masklets.size == SIZE
        things = things_of(first.sample.meta["objects"])
        for thing in things:
            for frame in range(FRAMES):
                mask = first.masklets.masks_at(frame).get(thing.id)
                expected = filmed(things).labels[frame] == thing.id
                assert (mask == expected).all() if mask is not None else not expected.any()


def test_the_ground_tells_the_time_and_the_place() -> None:
    source = toy_source(FIRST, 20, toy=ROOMS)
    early, late, left, right, top, bottom = [], [], [], [], [], []
    for sample in source.samples:
        loaded = source.load(sample)
        ground = filmed(loaded.sample.meta["objects"]).labels[::2] == 0
        frames = loaded.clip.frames.astype(float)
        redness = np.where(ground, frames[..., 0] - frames[..., 2], np.nan)
        early.append(np.nanmean(redness[0]))
        late.append(np.nanmean(redness[-1]))
        green = np.where(ground, frames[..., 1], np.nan)
        left.append(np.nanmean(green[:, :, :10]))
        right.append(np.nanmean(green[:, :, -10:]))
        both = np.where(ground, frames[..., 0] + frames[..., 2], np.nan)
        top.append(np.nanmean(both[:, :8]))
        bottom.append(np.nanmean(both[:, -8:]))
    assert max(early) < min(late)
    assert max(left) < min(right)
    assert max(top) < min(bottom)


def test_the_camera_dwells_and_then_turns_on() -> None:
    """Within a second it sways by at most 6 degrees, and in no instant does it jump."""
    room = filmed(rooms(1)[0]).room
    times = np.linspace(0, SECONDS - 1e-6, 4001)
    forward = np.array([room.pose(float(time))[:3, 2] for time in times])
    angles = np.unwrap(np.arctan2(forward[:, 1], forward[:, 0]))
    assert np.abs(np.diff(angles)).max() < 2 * COLUMN / (MOVING * 1000) * 1.6  # steepest in the middle of a turn
    for second in range(int(SECONDS)):
        dwell = angles[(times >= second) & (times < second + 1 - MOVING)]
        assert np.ptp(dwell) <= np.radians(6) + 1e-6


def test_level_one_has_no_twins_and_level_two_has() -> None:
    assert all(len({thing.colour for thing in things}) == 3 for things in rooms(20))
    for things in rooms(20, level=2):
        assert things[0].name == things[1].name != things[2].name


@pytest.mark.parametrize("level", [1, 2])
def test_words_fit_one_thing_alone(level: int) -> None:
    """Each word of a query is checked against every thing: exactly the target has them all."""
    kinds = set()
    for things in rooms(60, level):
        for thing in things:
            words = refer(thing, things, np.random.default_rng(0))
            if not words:
                continue
            own, _, beside = words.partition(" of the ")
            parts = own.split()
            place = parts.pop() if beside else ""
            fits = [
                one
                for one in things
                if set(parts) <= {one.size, one.colour, one.shape}
                and (not beside or any(side(one, other) == place for other in things if other.name == beside))
            ]
            assert fits == [thing]
            kinds.add("relation" if beside else "size" if len(parts) == 3 else "look")
    assert kinds == ({"look"} if level == 1 else {"look", "size", "relation"})


def test_what_stands_to_the_left_is_shown_to_the_left() -> None:
    checked = 0
    for things in rooms(60):
        for one in things:
            for other in things:
                if side(one, other) == "left":
                    both = ~np.isnan(one.path[:, 0]) & ~np.isnan(other.path[:, 0])
                    assert both.any() and (one.path[both, 0] < other.path[both, 0]).all()
                    checked += 1
    assert checked > 20


def test_a_fifth_of_the_questions_is_about_what_is_not_there() -> None:
    samples = list(toy_source(FIRST, 400, toy=ROOMS).samples)
    never = [sample for sample in samples if sample.truth.intervals == ()]
    assert len(never) / len(samples) == pytest.approx(NEVER, abs=0.06)  # three standard deviations
    for sample in never:
        colour = sample.query.split()[1]
        assert colour not in {thing.colour for thing in sample.meta["objects"]}
    things = rooms(1)[0]
    assert absent(things, np.random.default_rng(0)).split()[0] not in {thing.colour for thing in things}
