"""Generated pictures that are as restless as video: noise of several sizes, stripes, cells, strokes and shapes."""

from __future__ import annotations

import cv2
import numpy as np


def texture(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """One picture, uint8 (height, width, 3): a ground, and on it with equal chance nothing, shapes or strokes."""
    ground = _GROUNDS[rng.integers(len(_GROUNDS))](rng, height, width)
    lights = rng.uniform(0.3, 1.0) * ground + rng.uniform(-60, 60)
    picture = np.clip(lights, 0, 255).astype(np.uint8)
    for _ in range(int(rng.choice([0, 10, 40]))):
        _clutter(rng, picture)
    return cv2.GaussianBlur(picture, (0, 0), rng.uniform(0.3, 1.2))


def _colour(rng: np.random.Generator) -> np.ndarray:
    return rng.uniform(0, 255, 3)


def _two(rng: np.random.Generator, share: np.ndarray) -> np.ndarray:
    """A blend of two colours by a map (h, w) in [0, 1]."""
    return share[..., None] * _colour(rng) + (1 - share[..., None]) * _colour(rng)


def _noise(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """Smooth noise of several sizes at once."""
    total = np.zeros((height, width, 3), np.float32)
    for cell in (4, 12, 40, 120):
        coarse = rng.normal(size=(height // cell + 2, width // cell + 2, 3)).astype(np.float32)
        total += rng.uniform(5, 60) * cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    return total + _colour(rng)


def _stripes(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    angle, period = rng.uniform(0, np.pi), rng.uniform(3, 40)
    y, x = np.mgrid[:height, :width]
    wave = np.sin(2 * np.pi * (x * np.cos(angle) + y * np.sin(angle)) / period)
    return _two(rng, np.clip(0.5 + rng.uniform(0.5, 4) * wave, 0, 1))


def _cells(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """Tiles of random colours."""
    cell = int(rng.integers(6, 50))
    tiles = rng.uniform(0, 255, (height // cell + 1, width // cell + 1, 3))
    return tiles.repeat(cell, axis=0).repeat(cell, axis=1)[:height, :width]


def _slope(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    angle = rng.uniform(0, 2 * np.pi)
    y, x = np.mgrid[:height, :width]
    return _two(rng, np.clip(0.5 + (x / width - 0.5) * np.cos(angle) + (y / height - 0.5) * np.sin(angle), 0, 1))


_GROUNDS = (_noise, _noise, _stripes, _cells, _slope)


def _clutter(rng: np.random.Generator, picture: np.ndarray) -> None:
    """Draw one line, ellipse or box at random."""
    height, width = picture.shape[:2]
    colour = tuple(map(float, rng.choice([rng.uniform(0, 255, 3), np.full(3, 255.0), np.zeros(3)])))
    x, y = int(rng.integers(width)), int(rng.integers(height))
    reach = rng.integers(3, 40, 2)
    kind, thick = rng.integers(3), int(rng.integers(1, 4))
    if kind == 0:
        cv2.line(picture, (x, y), (x + int(reach[0]) - 20, y + int(reach[1]) - 20), colour, thick, cv2.LINE_AA)
    elif kind == 1:
        axes = (int(reach[0]) // 2 + 1, int(reach[1]) // 2 + 1)
        start = float(rng.uniform(0, 360))
        cv2.ellipse(picture, (x, y), axes, start, 0, float(rng.uniform(60, 360)), colour, thick, cv2.LINE_AA)
    else:
        cv2.rectangle(picture, (x, y), (x + int(reach[0]), y + int(reach[1])), colour, int(rng.choice([-1, thick])))
