"""Training crops: a number in some look on some background, at the few pixels that a model sees of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch.nn.functional import affine_grid, grid_sample, interpolate, max_pool2d

from legibility.glyphs import GAPS, HEIGHT, TALL, WIDTH, atlas
from legibility.textures import texture

ROWS, COLUMNS = 24, 36  # of what the reader sees
FINE_ROWS, FINE_COLUMNS = 2 * ROWS, 2 * COLUMNS  # drawn finer, then averaged
NOTHING = 0  # the number of a crop without a number in its middle
SMALLEST, LARGEST = 11, 40  # rows of a crop at the model's resolution

Look = dict[str, torch.Tensor]  # of "ink", "edge" and "plate" the colours, (n, 3, 1, 1), and of two "has_...", 0 or 1


@dataclass
class Crops:
    """An endless supply of labelled crops.

    Args:
        fonts: Names of `glyphs`.
        seed: Same seed, same crops.
        pictures: How many background pictures to make.
    """

    fonts: tuple[str, ...]
    seed: int
    pictures: int = 150

    def __post_init__(self) -> None:
        self.random = torch.Generator().manual_seed(self.seed)
        rng = np.random.default_rng(self.seed)
        backgrounds = np.stack([texture(rng, 120, 180) for _ in range(self.pictures)])
        self.backgrounds = torch.from_numpy(backgrounds).permute(0, 3, 1, 2).float() / 255
        self.atlas = torch.from_numpy(atlas(self.fonts))
        ink = self.atlas.amax(dim=3) > 0
        left, right = ink.int().argmax(-1), WIDTH - ink.flip(-1).int().argmax(-1)
        self.wide = (right - left).float()  # (fonts, 99, gaps) pixels

    def batch(self, count: int, group: int = 32) -> tuple[torch.Tensor, torch.Tensor]:
        """(crops float (count, 3, ROWS, COLUMNS) in [0, 1], numbers long (count,), 0 for none)."""
        groups = [self._group(group) for _ in range(count // group)]
        crops, numbers = zip(*groups, strict=True)
        return torch.cat(crops), torch.cat(numbers)

    def _uniform(self, low: float, high: float, *shape: int) -> torch.Tensor:
        return low + (high - low) * torch.rand(shape, generator=self.random)

    def _whole(self, low: int, high: int, *shape: int) -> torch.Tensor:
        return torch.randint(low, high, shape, generator=self.random)

    def _numbers(self, count: int) -> torch.Tensor:
        """Two in five have a single digit, else any two."""
        single = torch.rand(count, generator=self.random) < 0.4
        return torch.where(single, self._whole(1, 10, count), self._whole(10, 100, count))

    def _group(self, count: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Crops of one resolution and one weight of strokes, otherwise all different."""
        rows = int(SMALLEST * (LARGEST / SMALLEST) ** float(self._uniform(0, 1, 1)))
        size = (rows, rows * COLUMNS // ROWS)
        picture = self._ground(count, size)
        numbers = self._numbers(count)
        blank = torch.rand(count, generator=self.random) < 0.06
        look = self._look(picture)
        some = slice(0, count // 3)  # the numbers are in no order, so any third will do
        near = {name: part[some] for name, part in look.items()}
        shown = torch.ones(count // 3)
        picture[some] = self._written(picture[some], self._numbers(count // 3), near, shown, aside=True)
        picture = self._written(picture, numbers, look, 1 - blank.float(), aside=False)
        picture = self._worn(picture)
        crops = interpolate(picture, (ROWS, COLUMNS), mode="bilinear", align_corners=False)
        return crops.clamp(0, 1), torch.where(blank, NOTHING, numbers)

    def _ground(self, count: int, size: tuple[int, int]) -> torch.Tensor:
        which = self._whole(0, len(self.backgrounds), count)
        y = self._whole(0, self.backgrounds.shape[2] - size[0] + 1, count)
        x = self._whole(0, self.backgrounds.shape[3] - size[1] + 1, count)
        places = zip(which.tolist(), y.tolist(), x.tolist(), strict=True)
        return torch.stack([self.backgrounds[i, :, b : b + size[0], a : a + size[1]] for i, b, a in places])

    def _look(self, ground: torch.Tensor) -> Look:
        """Colours of the numbers.

        Of ten, four are white with a dark edge, two strong colours without any, two black or white on a plate of any
        colour, and two of any colour that is darker or lighter than the ground, one of them with an edge.
        """
        count = len(ground)
        kind = self._whole(0, 10, count)[:, None]
        edged, strong, plated = kind < 4, (kind == 4) | (kind == 5), (kind == 6) | (kind == 7)
        plate = self._uniform(0, 1, count, 3)
        behind = torch.where(plated, plate, ground.mean(dim=(2, 3))).mean(1, keepdim=True)
        ink = 0.5 * self._uniform(0, 1, count, 3) + torch.where(behind < 0.5, 0.5, 0.0)
        ink = torch.where(edged, self._uniform(0.8, 1, count, 1), ink)
        ink = torch.where(strong, self._uniform(0, 1, count, 3).round(), ink)
        ink = torch.where(plated, (behind < 0.5).float(), ink)
        edge = torch.where(ink.mean(1, keepdim=True) < 0.5, 1.0, 0.2 * self._uniform(0, 1, count, 1))
        parts = {"ink": ink, "edge": edge, "plate": plate, "has_edge": edged | (kind == 8), "has_plate": plated}
        return {name: part.float()[..., None, None] for name, part in parts.items()}

    def _written(
        self, picture: torch.Tensor, numbers: torch.Tensor, look: Look, shown: torch.Tensor, *, aside: bool
    ) -> torch.Tensor:
        """The pictures with numbers written on them: in the middle, or aside so that they only reach in."""
        font, gap = self._whole(0, len(self.fonts), len(picture)), self._whole(0, len(GAPS), len(picture))
        squeeze, tall = self._uniform(0.75, 1.3, len(picture)), self._uniform(0.38, 0.88, len(picture))
        wide = self.wide[font, numbers - 1, gap] * squeeze
        scale = torch.minimum(tall * FINE_ROWS / TALL, 0.92 * FINE_COLUMNS / wide)
        skew = self._uniform(-0.12, 0.12, len(picture)), self._uniform(-0.1, 0.1, len(picture))
        shift = self._shift(len(picture), aside)
        masks = self.atlas[font, numbers - 1, gap][:, None].float() / 255
        ink = _thicker(_placed(masks, scale, squeeze, skew, shift), int(self._whole(-1, 3, 1)))
        edge = _thicker(ink, int(self._whole(1, 5, 1)))
        plate = self._plate(shift, scale * TALL / FINE_ROWS, scale * wide / FINE_COLUMNS)
        for name, mask in (("plate", plate), ("edge", edge), ("ink", ink)):
            cover = interpolate(mask, tuple(picture.shape[2:]), mode="area") * shown[:, None, None, None]
            cover = cover * look.get(f"has_{name}", 1.0)
            picture = picture * (1 - cover) + cover * look[name]
        return picture

    def _shift(self, count: int, aside: bool) -> torch.Tensor:
        """Of the numbers from the middle, in halves of the crop: (x, y), shape (count, 2)."""
        shift = self._uniform(-0.09, 0.09, count, 2)
        if not aside:
            return shift
        far = self._uniform(0.75, 1.1, count) * torch.where(self._whole(0, 2, count) == 0, 1, -1)
        upwards = self._whole(0, 2, count) == 0
        return torch.stack([torch.where(upwards, shift[:, 0], far), torch.where(upwards, far, shift[:, 1])], 1)

    def _plate(self, shift: torch.Tensor, tall: torch.Tensor, wide: torch.Tensor) -> torch.Tensor:
        """A rounded box behind a number that is so tall and wide, in parts of the crop; float (n, 1, rows, columns)."""
        shift, tall, wide = shift[..., None, None], tall[:, None, None], wide[:, None, None]
        aspect = FINE_COLUMNS / FINE_ROWS
        pad = self._uniform(0.08, 0.35, len(shift))[:, None, None] * tall
        y = torch.linspace(-1, 1, FINE_ROWS)[:, None] - shift[:, 1]
        x = (torch.linspace(-1, 1, FINE_COLUMNS) - shift[:, 0]) * aspect
        half_y = tall + pad
        half_x = torch.maximum(wide * aspect + pad, half_y)
        radius = self._uniform(0, 1, len(shift))[:, None, None] * half_y
        outside = torch.hypot((x.abs() - half_x + radius).clamp(min=0), (y.abs() - half_y + radius).clamp(min=0))
        return (outside <= radius).float()[:, None]

    def _worn(self, picture: torch.Tensor) -> torch.Tensor:
        """Some blur and noise, as resizing and codecs leave."""
        soft = torch.nn.functional.avg_pool2d(picture, 3, 1, 1, count_include_pad=False)
        share = self._uniform(-0.3, 0.5, len(picture), 1, 1, 1).clamp(min=0)
        noise = torch.randn(picture.shape, generator=self.random) * self._uniform(0, 0.04, len(picture), 1, 1, 1)
        return picture + share * (soft - picture) + noise


def _placed(
    masks: torch.Tensor,
    scale: torch.Tensor,
    squeeze: torch.Tensor,
    skew: tuple[torch.Tensor, torch.Tensor],
    shift: torch.Tensor,
) -> torch.Tensor:
    """Numbers of the atlas as they lie in the finely drawn crop; float (n, 1, FINE_ROWS, FINE_COLUMNS)."""
    a, b = FINE_COLUMNS / WIDTH / scale / squeeze, FINE_ROWS / HEIGHT / scale
    across, down = (
        torch.stack([a, a * skew[0], -a * shift[:, 0]], 1),
        torch.stack([b * skew[1], b, -b * shift[:, 1]], 1),
    )
    size = [len(masks), 1, FINE_ROWS, FINE_COLUMNS]
    grid = affine_grid(torch.stack([across, down], 1), size, align_corners=False)
    return grid_sample(masks, grid, align_corners=False)


def _thicker(mask: torch.Tensor, by: int) -> torch.Tensor:
    """Strokes wider by `by` pixels on every side, or narrower where it is negative."""
    if by == 0:
        return mask
    reach = abs(by)
    grown = max_pool2d(mask if by > 0 else -mask, (1, 2 * reach + 1), 1, (0, reach))
    grown = max_pool2d(grown, (2 * reach + 1, 1), 1, (reach, 0))
    return grown if by > 0 else -grown
