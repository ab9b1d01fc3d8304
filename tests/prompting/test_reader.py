"""The reader of marks can be trusted: it reads a font it never saw, and does not read what cannot be read."""

from __future__ import annotations

import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

sys.path.insert(0, str(Path(__file__).parent))

from legibility import glyphs
from legibility.crops import COLUMNS, NOTHING, ROWS, Crops
from legibility.network import Network, digits
from legibility.reading import UNREAD, WEIGHTS, crop, load, read
from legibility.textures import texture
from legibility.train import save, train_part

SCENE = (60, 90)


@pytest.fixture(scope="module")
def network() -> Network:
    torch.set_num_threads(1)
    return load()


def written(rng: np.random.Generator, number: int, font: str) -> tuple[np.ndarray, np.ndarray]:
    """White digits with a dark edge, 9 to 15 pixels high, on a restless ground; the frame and their box."""
    picture = glyphs.atlas((font,))[0, number - 1, 1]
    ink = cv2.resize(picture, None, fx=2, fy=2)
    edge = cv2.dilate(ink, np.ones((15, 15), np.uint8))  # 7 of 80 pixels of a digit
    rows, columns = np.flatnonzero(edge.any(1)), np.flatnonzero(edge.any(0))
    cut = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    scale = rng.uniform(9, 15) / (2 * glyphs.TALL)
    ink, edge = (cv2.resize(m[cut], None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA) / 255 for m in (ink, edge))
    frame = texture(rng, *SCENE).astype(float)
    height, width = ink.shape
    y, x = rng.integers(SCENE[0] - height), rng.integers(SCENE[1] - width)
    under = frame[y : y + height, x : x + width]
    under[:] = (under * (1 - edge[..., None])) * (1 - ink[..., None]) + 255 * ink[..., None]
    return frame.astype(np.uint8), np.array([x, y, x + width, y + height], float)


def crops_of(numbers: np.ndarray, seed: int = 0, font: str = glyphs.HELD_OUT) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.stack([crop(*written(rng, int(number), font), rng) for number in numbers])


def any_numbers(count: int) -> np.ndarray:
    """As many of one digit as of two."""
    rng = np.random.default_rng(1)
    return np.concatenate([rng.integers(1, 10, count // 2), rng.integers(10, 100, count // 2)])


def test_reads_a_font_it_never_saw(network: Network) -> None:
    numbers = any_numbers(600)
    found = read(network, crops_of(numbers))
    assert glyphs.HELD_OUT not in glyphs.FONTS
    assert (found == numbers).mean() >= 0.97
    assert ((found != numbers) & (found != UNREAD)).mean() <= 0.02


@pytest.mark.parametrize("digit", range(10))
def test_reads_every_digit_in_both_places(network: Network, digit: int) -> None:
    firsts = np.arange(10, 100)
    numbers = firsts[(firsts % 10 == digit) | (firsts // 10 == digit)]
    assert (read(network, crops_of(numbers, digit)) == numbers).mean() >= 0.85


def test_reads_nothing_where_nothing_is_written(network: Network) -> None:
    rng = np.random.default_rng(2)
    empty = np.stack([crop(texture(rng, *SCENE), np.array([30.0, 20, 45, 32]), rng) for _ in range(300)])
    assert (read(network, empty) == UNREAD).mean() >= 0.95


def test_reads_against_shuffled_numbers_only_by_chance(network: Network) -> None:
    """Of 99 numbers half of which are the nine single ones, two are alike in 0.25 / 9 + 0.25 / 90 = 0.03 of pairs."""
    numbers = any_numbers(600)
    found = read(network, crops_of(numbers))
    assert (found == np.random.default_rng(3).permutation(numbers)).mean() <= 0.07


def test_does_not_read_digits_that_lost_their_shape(network: Network) -> None:
    """12 to 15 pixels of digit in a crop of 24 rows, brought down to 3 or so: a quarter of the rows."""
    numbers = any_numbers(300)
    small = [cv2.resize(sharp, (9, 6), interpolation=cv2.INTER_AREA) for sharp in crops_of(numbers)]
    found = read(network, np.stack([cv2.resize(blurred, (COLUMNS, ROWS)) for blurred in small]))
    assert (found == numbers).mean() <= 0.2
    assert (found == UNREAD).mean() >= 0.6


def test_does_not_read_digits_that_stand_on_their_head(network: Network) -> None:
    """3, 4 and 7 are no digits the other way round."""
    numbers = np.array([3, 4, 7, 33, 34, 37, 43, 44, 47, 73, 74, 77] * 10)
    turned = crops_of(numbers)[:, ::-1, ::-1].copy()
    assert (read(network, turned) == numbers).mean() <= 0.1


def test_reads_the_number_in_the_middle_and_not_its_neighbour(network: Network) -> None:
    """Two numbers side by side, 3 pixels apart: whichever the box is around is read."""
    rng = np.random.default_rng(4)
    numbers = np.arange(10, 60)
    crops = []
    for number in numbers:
        (left, box), (right, other) = (written(rng, int(n), glyphs.HELD_OUT) for n in (number, 99 - number))
        (_, y1, x2, y2), (x3, y3, x4, _) = box.astype(int), other.astype(int)
        tall = min(y2 - y1, SCENE[0] - y3)
        left[y1 : y1 + tall, x2 + 3 : x2 + 3 + x4 - x3] = right[y3 : y3 + tall, x3:x4][:, : max(0, SCENE[1] - x2 - 3)]
        crops.append(crop(left, box, rng))
    assert (read(network, np.stack(crops)) == numbers).mean() >= 0.9


def test_crop_shows_the_box_in_its_middle_whatever_its_shape() -> None:
    """A box of 20 x 10 needs 1.35 * 20 / 36 pixels for a column: it is 36 / 1.35 = 26.7 columns wide, +- 12 %."""
    frame = np.zeros((100, 100, 3), np.uint8)
    frame[40:50, 60:80] = 255
    for seed in range(20):
        seen = crop(frame, np.array([60.0, 40, 80, 50]), np.random.default_rng(seed))
        columns, rows = np.flatnonzero(seen.mean(axis=(0, 2)) > 60), np.flatnonzero(seen.mean(axis=(1, 2)) > 60)
        assert seen.shape == (ROWS, COLUMNS, 3)
        assert 23 <= len(columns) <= 31 and 11 <= len(rows) <= 16
        assert abs(columns.mean() - 17.5) <= 2.1 and abs(rows.mean() - 11.5) <= 2.1


def test_crop_of_a_mark_at_the_edge_of_the_frame_is_whole() -> None:
    frame = np.full((20, 20, 3), 200, np.uint8)
    assert (crop(frame, np.array([0.0, 0, 9, 9]), np.random.default_rng(0)) == 200).all()


def test_digits_of_numbers() -> None:
    tens, units = digits(torch.tensor([7, 10, 99, NOTHING]))
    assert tens.tolist() == [0, 1, 9, 0]
    assert units.tolist() == [7, 0, 9, 10]


def test_training_crops_are_the_same_for_the_same_seed_and_hold_every_kind() -> None:
    (first, numbers), (again, same) = (Crops(glyphs.FONTS, 5, pictures=8).batch(256) for _ in range(2))
    assert torch.equal(first, again) and torch.equal(numbers, same)
    assert first.shape == (256, 3, ROWS, COLUMNS) and first.min() >= 0 and first.max() <= 1
    single, double = ((numbers > 0) & (numbers < 10)).float().mean(), (numbers >= 10).float().mean()
    assert 0.25 <= single <= 0.5 and 0.45 <= double <= 0.68 and (numbers == NOTHING).any()
    assert not torch.equal(first, Crops(glyphs.FONTS, 6, pictures=8).batch(256)[0])


@pytest.mark.slow
def test_training_learns_and_is_the_same_again(tmp_path: Path) -> None:
    """Guessing costs log 10 + log 11 = 4.7; what comes first to be learnt is whether there is one digit or two."""
    states = []
    for _ in range(2):
        torch.manual_seed(0)
        fresh = Network().to(memory_format=torch.channels_last)
        loss = train_part(fresh, torch.optim.AdamW(fresh.parameters()), part=0, seed=0, steps=20)
        states.append(fresh.state_dict())
    assert loss < 4.2
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])
    save(fresh, tmp_path / "weights.safetensors")
    assert [path.name for path in tmp_path.iterdir()] == ["weights.safetensors"]
    load(tmp_path / "weights.safetensors")


def test_weights_are_small() -> None:
    assert WEIGHTS.stat().st_size <= 100_000


def test_reader_shares_nothing_with_what_draws() -> None:
    """Neither the marker nor OpenCV's text has a part in what the reader learned from."""
    for name in ("glyphs", "textures", "crops", "network", "reading", "train"):
        source = (WEIGHTS.parent / f"{name}.py").read_text(encoding="utf-8")
        assert not any(word in source for word in ("prompting", "grounding", "putText"))
