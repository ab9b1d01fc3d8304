"""Pictures of drawn marks, compared with pictures that somebody has looked at.

After a wanted change: `python tests/prompting/test_golden.py` writes them anew; look at each before committing it.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from prompting import IdMarker

GOLDEN = Path(__file__).parent / "golden"
TOLERANCE = 12  # of 255; three of the 64 parts of a pixel, should another OpenCV round a line otherwise

DISCS = {1: (14, 16), 2: (62, 12), 3: (38, 40), 12: (66, 66), 4: (3, 80)}
FAR = {5: (30, 30), 6: (80, 30), 78: (130, 80), 90: (40, 120), 10: (159, 159)}

SCENES: dict[str, tuple[IdMarker, int, dict[int, tuple[int, int]]]] = {
    # marker, side of the square frame, {id: (x, y) of its disc}
    "outline_160": (IdMarker(), 160, FAR),
    "outline_480": (IdMarker(), 480, {i: (3 * x, 3 * y) for i, (x, y) in FAR.items()}),
    "badge_84": (IdMarker("badge", 12), 84, DISCS),
    "badge_30": (IdMarker("badge", 30), 160, FAR),
    "digit_480": (IdMarker("digit"), 480, {1: (60, 60), 23: (240, 60), 45: (60, 240), 67: (240, 240), 89: (430, 430)}),
    "contour_160": (IdMarker("contour"), 160, FAR),
    "tint_160": (IdMarker("tint"), 160, FAR),
    "box_160": (IdMarker("box"), 160, FAR),
    "all_480": (IdMarker("outline+tint+contour+box"), 480, {i: (3 * x, 3 * y) for i, (x, y) in FAR.items()}),
    "above_160": (IdMarker("outline+box", anchor="above"), 160, FAR),
    "centre_160": (IdMarker("badge+contour", anchor="centre", palette="okabe-ito"), 160, FAR),
    "leader_160": (IdMarker(), 160, {7: (2000, 40), 31: (2100, 150), 8: (2156, 80)}),  # x + 2000: discs of radius 2
}


def scene(name: str) -> np.ndarray:
    """The drawn scene: discs of a twelfth of the side on a grey ramp."""
    marker, side, discs = SCENES[name]
    y, x = np.mgrid[:side, :side]
    frame = np.repeat((40 + 160 * x // side)[..., None], 3, axis=2).astype(np.uint8)
    masks = {
        i: (x - cx % 2000) ** 2 + (y - cy) ** 2 <= (2 if cx >= 2000 else side // 12) ** 2
        for i, (cx, cy) in discs.items()
    }
    for mask in masks.values():
        frame[mask] = (70, 150, 90)
    return marker.annotate(frame, masks)


@pytest.mark.parametrize("name", SCENES)
def test_marks_look_as_they_did(name: str) -> None:
    expected = np.asarray(Image.open(GOLDEN / f"{name}.png")).astype(int)
    drawn = scene(name).astype(int)
    assert drawn.shape == expected.shape
    assert np.abs(drawn - expected).max() <= TOLERANCE


if __name__ == "__main__":
    GOLDEN.mkdir(exist_ok=True)
    for name in SCENES:
        Image.fromarray(scene(name)).save(GOLDEN / f"{name}.png", optimize=True)
        print("wrote", GOLDEN / f"{name}.png")
