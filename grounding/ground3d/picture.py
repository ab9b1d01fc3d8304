"""One picture of all steps of a query: snippets on a time line, boxes on views, masks, the object in 3D and its box."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import cv2
import numpy as np
from PIL import Image, ImageDraw

from grounding.core import UserError, rle
from grounding.evaluation.drawing import (
    GREY,
    INK,
    PREDICTED,
    RGB,
    TRUE,
    draw_box,
    draw_region,
    fitted,
    font,
    paper,
    paragraph,
    taller,
)
from grounding.ground3d.chain import OBJECT, OUTCOMES, Grounded
from grounding.ground3d.follow import Track
from grounding.ground3d.footage import Footage
from grounding.ground3d.seeds import Asked
from lift3d.boxes import corners
from lift3d.formats.result import Result
from lift3d.lift import Instance, Lifted
from lift3d.picture import coloured, from_above
from lift3d.scene import View
from lift3d.visibility import NEAR, Points, in_image

WIDTH = 1240
GAP = 10
COLUMNS = 4  # pictures in a row
CELL = (WIDTH - (COLUMNS + 1) * GAP) // COLUMNS
TEXT, SMALL = 20, 14  # pixels, size of letters
BAR, LABEL = 14, 110  # pixels: height of a bar, width of the column before it
MOST_BARS = 6  # snippets on the time line
LEFT_OUT: RGB = (235, 120, 0)
EDGES = [(a, b) for a in range(8) for b in range(a + 1, 8) if (a, b) in {
    (0, 1), (1, 2), (2, 3), (0, 3), (4, 5), (5, 6), (6, 7), (4, 7), (0, 4), (1, 5), (2, 6), (3, 7)}]  # fmt: skip


def draw(found: Grounded) -> np.ndarray:
    """All steps that were taken, from top to bottom, uint8 RGB (H, `WIDTH`, 3)."""
    parts = [_text(f"“{found.query}”", TEXT, 3), _text(_end(found), SMALL, 3)]
    if found.footage is not None:
        parts += _steps(found, found.footage)
    blank = paper(GAP, WIDTH)
    return np.concatenate([blank, *(piece for part in parts for piece in (part, blank))])


def _end(found: Grounded) -> str:
    reason = f": {found.reason}" if found.reason else ""
    return f"{found.outcome} ({OUTCOMES[found.outcome]}){reason}"


def _steps(found: Grounded, footage: Footage) -> list[np.ndarray]:
    parts = []
    if found.said:
        parts += [_title("1  When"), time_line(found, footage)]
    if found.asked:
        parts += [_title("2  Where: views that were asked"), _boxes(found, footage)]
    if found.track is not None:
        parts += [_title(_masks_title(found.track)), *_masks(found.track, footage)]
    if found.lifted is not None:
        parts += [_title(_object_title(found)), _object(found, footage, found.lifted)]
    return parts


def time_line(found: Grounded, footage: Footage) -> np.ndarray:
    """A bar for each snippet, marks for the views asked, and a bar of masks and of what was left out."""
    rows = found.snippets[:MOST_BARS]
    image = Image.fromarray(paper((len(rows) + 2) * (BAR + GAP) + SMALL + GAP, WIDTH))
    canvas = ImageDraw.Draw(image)
    room = WIDTH - LABEL - 2 * GAP

    def across(seconds: float) -> float:
        return LABEL + room * min(max(seconds / footage.duration, 0), 1)

    def bar(row: int, name: str, spans: Sequence[tuple[float, float, RGB]]) -> None:
        top = row * (BAR + GAP)
        canvas.text((GAP, top - 2), name, INK, font(SMALL))
        canvas.rectangle((LABEL, top, LABEL + room, top + BAR), GREY)
        for start, end, colour in spans:
            canvas.rectangle((across(start), top, max(across(end), across(start) + 1), top + BAR), colour)

    for row, one in enumerate(rows):
        bar(row, f"snippet {row + 1}", [(one.interval.start, one.interval.end, PREDICTED)])
    last, shown = len(rows), 1 / footage.rate
    middles = [(float(footage.times[one.view]) + shown / 2, PREDICTED if one.box else LEFT_OUT) for one in found.asked]
    thin = footage.duration / 400
    bar(last, "asked", [(middle - thin, middle + thin, colour) for middle, colour in middles])
    track = found.track or Track(footage.size, {})
    spans = [(view, LEFT_OUT) for view in track.rejected] + [(view, TRUE) for view in track.masks]
    bar(last + 1, "masks", [(float(footage.times[v]), float(footage.times[v]) + shown, colour) for v, colour in spans])
    bottom = (last + 2) * (BAR + GAP)
    canvas.text((LABEL, bottom), "0 s", INK, font(SMALL))
    canvas.text((LABEL + room, bottom), f"{footage.duration:.2f} s", INK, font(SMALL), anchor="ra")
    return np.asarray(image)


def _boxes(found: Grounded, footage: Footage) -> np.ndarray:
    seeds = found.track.seeds if found.track is not None else ()
    first = sorted(found.asked, key=lambda one: (one not in seeds, one.box is None))[:COLUMNS]
    return _row([_boxed(one, footage, one in seeds) for one in sorted(first, key=lambda one: one.view)])


def _boxed(asked: Asked, footage: Footage, seed: bool) -> np.ndarray:
    def box(picture: np.ndarray) -> None:
        if asked.box is not None:
            draw_box(picture, np.array(asked.box), footage.size, PREDICTED, dashed=not seed)

    return _cell(footage, asked.view, box, asked.problem or ("followed from here" if seed else ""))


def _masks_title(track: Track) -> str:
    return f"3  Which pixels: {len(track.masks)} masks, {len(track.rejected)} left out"


def _masks(track: Track, footage: Footage) -> list[np.ndarray]:
    """Some masks, spread over the track, and some views that were left out."""

    def masked(view: int) -> Callable[[np.ndarray], None]:
        return lambda picture: _paint_mask(picture, rle.decode(track.masks[view], track.size))

    kept, left = _spread(list(track.masks)), _spread(list(track.rejected))
    rows = [[_cell(footage, view, masked(view)) for view in kept]]
    rows += [[_cell(footage, view, lambda _: None, f"left out: {track.rejected[view]}") for view in left]]
    return [_row(cells) for cells in rows if cells]


def _spread(views: list[int]) -> list[int]:
    places = np.unique(np.linspace(0, len(views) - 1, min(COLUMNS, len(views))).round().astype(int))
    return [views[place] for place in places]


def _paint_mask(picture: np.ndarray, mask: np.ndarray) -> None:
    inside = cv2.resize(mask.astype(np.uint8), picture.shape[1::-1], interpolation=cv2.INTER_NEAREST) > 0
    _tint(picture, inside)
    draw_region(picture, mask, TRUE, dashed=False)


def _tint(picture: np.ndarray, where: np.ndarray) -> None:
    picture[where] = (0.6 * picture[where] + 0.4 * np.array(TRUE)).astype(np.uint8)


def _object_title(found: Grounded) -> str:
    assert found.lifted is not None
    one = found.lifted.instances[0]
    size = " x ".join(f"{side:.2f}" for side in one.boxes.obb.size)
    match = found.match
    by = "" if match is None else f"; candidate {match.number} {'taken' if match.fits else 'left'}, IoU {match.iou:.2f}"
    return f"4  In 3D: {len(one.points):,} points, {size} m, confidence {one.ratio:.2f}{by}"


def _object(found: Grounded, footage: Footage, lifted: Lifted) -> np.ndarray:
    """Points and box on some views, the one that it was followed from among them, and the scene from above."""
    assert found.track is not None
    one, kept = lifted.instances[0], list(found.track.masks)
    views = sorted(list(dict.fromkeys([found.track.seeds[0].view, kept[0], kept[-1], kept[len(kept) // 2]]))[:3])

    def projected(view: int) -> Callable[[np.ndarray], None]:
        return lambda picture: _project(picture, footage, view, lifted, one)

    cells = [_cell(footage, view, projected(view)) for view in views]
    result = Result(footage.name, lifted, {OBJECT: found.query})
    above = fitted(from_above(result, coloured(result)), (CELL, CELL))
    return _row([*cells, np.concatenate([_centred(above), _text("from above", SMALL, 1, CELL)])])


def _project(picture: np.ndarray, footage: Footage, view: int, lifted: Lifted, one: Instance) -> None:
    """Draw the points of an object and its upright box as a view sees them, hidden ones too."""
    shown = footage.scene.views[view]
    try:
        size = shown.read_depth().shape[:2]
    except UserError:
        return
    scale = picture.shape[1] / size[1]
    seen = in_image(Points.of(lifted.points[one.points]), shown, (size[0], size[1]))
    hit = np.zeros(size, np.uint8)
    hit.ravel()[seen.pixels] = 1
    dots = cv2.dilate(hit, np.ones((3, 3), np.uint8))
    _tint(picture, cv2.resize(dots, picture.shape[1::-1], interpolation=cv2.INTER_NEAREST) > 0)
    edges = corners(one.boxes.obb)
    alignment = lifted.scene.axis_alignment
    if one.boxes.frame == "aligned" and alignment is not None:
        edges = (edges - alignment[:3, 3]) @ np.linalg.inv(alignment[:3, :3]).T
    for a, b in EDGES:
        line = _line(edges[a], edges[b], shown)
        if line is not None:
            (x1, y1), (x2, y2) = (line * scale).clip(-1e4, 1e4).round().astype(int).tolist()
            cv2.line(picture, (x1, y1), (x2, y2), PREDICTED, 2, cv2.LINE_AA)


def _line(start: np.ndarray, end: np.ndarray, view: View) -> np.ndarray | None:
    """The part of a line before the camera, as two pixels of the depth image, (2, 2); None if there is none."""
    inverse = np.linalg.inv(view.pose)
    points = np.stack([start, end]) @ inverse[:3, :3].T + inverse[:3, 3]
    near = points[:, 2] < NEAR
    if near.all():
        return None
    if near.any():
        share = (NEAR - points[0, 2]) / (points[1, 2] - points[0, 2])
        points[near] = points[0] + share * (points[1] - points[0])
    pixels = points @ view.intrinsics.T
    return pixels[:, :2] / pixels[:, 2:]


def _cell(footage: Footage, view: int, draw_on: Callable[[np.ndarray], None], note: str = "") -> np.ndarray:
    """A view with something drawn on it, its time below, and a note."""
    try:
        picture = fitted(footage.picture(view), (CELL, CELL)).copy()
    except UserError:
        picture, note = paper(CELL // 2, CELL), note or "cannot be read"
    else:
        draw_on(picture)
    told = f"{footage.times[view]:.2f} s, view {footage.scene.views[view].name}"
    return np.concatenate([_centred(picture), _text(f"{told}; {note}" if note else told, SMALL, 3, CELL)])


def _centred(picture: np.ndarray) -> np.ndarray:
    left = (CELL - picture.shape[1]) // 2
    right = CELL - picture.shape[1] - left
    return np.concatenate([paper(len(picture), left), picture, paper(len(picture), right)], axis=1)


def _row(cells: Sequence[np.ndarray]) -> np.ndarray:
    height = max(map(len, cells))
    gap = paper(height, GAP)
    row = np.concatenate([gap, *(piece for cell in cells for piece in (taller(cell, height), gap))], axis=1)
    return np.concatenate([row, paper(height, WIDTH - row.shape[1])], axis=1)


def _title(text: str) -> np.ndarray:
    return _text(text, TEXT, 1)


def _text(text: str, size: int, lines: int, width: int = WIDTH) -> np.ndarray:
    inset = GAP if width == WIDTH else 0
    words = paragraph(width - 2 * inset, text, size, lines)
    side = paper(len(words), inset)
    return np.concatenate([side, words, side], axis=1)
