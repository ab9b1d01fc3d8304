"""The ray-caster of rooms, against distances and sizes worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from grounding.datasets.room_views import WALLS, Solid, lens, looking, render

SIZE = (121, 161)  # odd, so that one pixel looks straight ahead
MIDDLE = (60, 80)
EYE = np.array([0.0, 0.0, 1.0])
LEVEL = looking(EYE, 0.0, 0.0)  # along x


@pytest.mark.parametrize(
    ("solid", "distance"),
    [
        (Solid("box", "red", (2.0, 0.0, 1.0), (0.5, 0.4, 0.3)), 1.5),
        (Solid("box", "red", (2.0, 0.0, 1.0), (0.5, 0.4, 0.3), np.pi / 2), 1.6),  # turned, its y lies along the view
        (Solid("sphere", "red", (2.0, 0.0, 1.0), (0.25, 0.25, 0.25)), 1.75),
        (Solid("cylinder", "red", (2.0, 0.0, 1.0), (0.25, 0.25, 0.5)), 1.75),
    ],
)
def test_the_middle_of_the_picture_shows_what_is_straight_ahead(solid: Solid, distance: float) -> None:
    view = render({7: solid}, LEVEL, lens(SIZE), SIZE)
    assert view.labels[MIDDLE] == 7
    assert view.depth[MIDDLE] == pytest.approx(distance, abs=1e-5)


def test_an_empty_room_ends_at_its_walls_and_floor() -> None:
    view = render({}, LEVEL, lens(SIZE), SIZE)
    assert not view.labels.any()
    assert view.depth[MIDDLE] == pytest.approx(WALLS[0], abs=1e-5)
    down = looking(EYE, 0.0, np.pi / 2)
    assert render({}, down, lens(SIZE), SIZE).depth[MIDDLE] == pytest.approx(1.0, abs=1e-5)


def test_a_solid_is_as_wide_and_high_as_the_lens_says() -> None:
    k = lens(SIZE)
    view = render({1: Solid("box", "red", (2.0, 0.0, 1.0), (0.0001, 0.4, 0.3))}, LEVEL, k, SIZE)
    seen = view.labels == 1
    assert seen.any(axis=0).sum() == pytest.approx(0.8 / 2 * k[0, 0], abs=1)
    assert seen.any(axis=1).sum() == pytest.approx(0.6 / 2 * k[1, 1], abs=1)


def test_the_lens_shows_sixty_degrees_across_at_every_size() -> None:
    for height, width in ((56, 84), (480, 640)):
        k = lens((height, width))
        edge = (width - 0.5 - k[0, 2]) / k[0, 0]
        assert np.degrees(2 * np.arctan(edge)) == pytest.approx(60)
    assert lens((480, 640))[0, 0] == pytest.approx(lens((480, 640))[1, 1])  # square pixels


def test_left_of_the_picture_is_left_of_the_camera() -> None:
    view = render({1: Solid("sphere", "red", (2.0, 0.5, 1.0), (0.2, 0.2, 0.2))}, LEVEL, lens(SIZE), SIZE)
    assert np.flatnonzero((view.labels == 1).any(axis=0)).mean() < MIDDLE[1]
    higher = render({1: Solid("sphere", "red", (2.0, 0.0, 1.5), (0.2, 0.2, 0.2))}, LEVEL, lens(SIZE), SIZE)
    assert np.flatnonzero((higher.labels == 1).any(axis=1)).mean() < MIDDLE[0]


def test_what_is_nearer_hides_what_is_behind_and_what_is_behind_the_camera_is_not_seen() -> None:
    far, near = (Solid("box", "red", (x, 0.0, 1.0), (0.2, 0.2, 0.2)) for x in (2.5, 1.5))
    view = render(
        {1: near, 2: far, 3: Solid("sphere", "red", (-1.0, 0.0, 1.0), (0.3, 0.3, 0.3))}, LEVEL, lens(SIZE), SIZE
    )
    assert set(np.unique(view.labels)) == {0, 1}
    assert render({2: far, 1: near}, LEVEL, lens(SIZE), SIZE).labels[MIDDLE] == 1


def test_a_cylinder_seen_from_above_shows_its_top() -> None:
    down = looking(np.array([0.0, 0.0, 2.0]), 0.0, np.pi / 2)
    view = render({1: Solid("cylinder", "red", (0.0, 0.0, 0.5), (0.3, 0.3, 0.5))}, down, lens(SIZE), SIZE)
    assert view.depth[MIDDLE] == pytest.approx(1.0, abs=1e-5)
    # a disc of radius 0.3 at 1 m, as the lens squeezes it
    k = lens(SIZE)
    assert (view.labels == 1).sum() == pytest.approx(np.pi * 0.09 * k[0, 0] * k[1, 1], rel=0.03)


@pytest.mark.parametrize("shape", ["box", "cylinder", "sphere"])
def test_every_visible_point_lies_on_the_surface(shape: str) -> None:
    half = (0.3, 0.3, 0.3) if shape == "sphere" else (0.3, 0.3, 0.4)
    solid = Solid(shape, "red", (1.8, 0.2, 0.8), half)
    pose, k = looking(np.array([0.1, -0.3, 1.6]), 0.3, 0.4), lens(SIZE)
    view = render({1: solid}, pose, k, SIZE)
    rows, columns = np.nonzero(view.labels == 1)
    depth = view.depth[rows, columns]
    camera = np.stack([(columns - k[0, 2]) / k[0, 0], (rows - k[1, 2]) / k[1, 1], np.ones(len(rows))]) * depth
    x, y, z = (pose[:3, :3] @ camera).T.T + (pose[:3, 3] - np.array(solid.centre))[:, None]
    inside = {
        "sphere": np.sqrt(x**2 + y**2 + z**2) / 0.3,
        "cylinder": np.maximum(np.hypot(x, y) / 0.3, np.abs(z) / 0.4),
        "box": np.maximum(np.maximum(np.abs(x), np.abs(y)) / 0.3, np.abs(z) / 0.4),
    }[shape]
    assert len(rows) > 100
    assert np.abs(inside - 1).max() < 1e-3
