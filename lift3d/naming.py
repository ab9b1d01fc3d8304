"""Which picture of masks belongs to which view: told by its name, and by its place only where names say nothing else.

A mask may bear the view's name or that of its depth or colour file, without their ending; runs of digits are compared
as numbers, so that padding makes no difference.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from grounding.core import UserError
from grounding.core.checks import printable
from grounding.core.order import natural
from lift3d.scene import View

_KINDS = ("name", "depth_name", "colour_name")  # attributes of a view


def by_name(masks: Sequence[str], views: Sequence[View]) -> dict[int, str]:
    """Place of a view -> name of its mask; all masks are named in one way, the one that fits most of them.

    Args:
        masks: Names of the masks' files without ending, no two of which differ in padding alone.
        views: The views of the scene.

    Raises:
        UserError: If two ways fit equally well and pair differently.
    """
    found = [_of_kind(masks, [getattr(view, kind) for view in views]) for kind in _KINDS]
    best = max(found, key=len)
    if any(len(one) == len(best) and one != best for one in found):
        raise UserError(
            f"masks are named {listed(masks)}: these are names of depth files and, of other frames, of colour files "
            f"({how_named(views)}); give the masks of all frames"
        )
    return best


def _of_kind(masks: Sequence[str], names: Sequence[str]) -> dict[int, str]:
    keys = [natural(name) for name in names]
    places = {key: place for place, key in enumerate(keys) if key}
    several = {key for key, count in Counter(keys).items() if count > 1}  # files of several folders
    return {places[key]: mask for mask in masks if (key := natural(mask)) in places and key not in several}


def refuse_other_names(masks: Sequence[str], frames: Sequence[str], views: Sequence[View]) -> None:
    """Refuse to pair masks with frames by their order, unless they are numbered as the frames, or frames have times.

    Args:
        masks: Names of the masks' files, none of which is that of a view, in natural order.
        frames: Names of all frames of the scene, also those that cannot be used, in order.
        views: The views.

    Raises:
        UserError: Saying how masks and frames are named.
    """
    numbers, expected = _numbers(masks), _numbers(frames)
    counted = [list(range(first, first + len(frames))) for first in (0, 1)]
    if numbers is None or numbers not in ([expected] if expected else counted):
        raise UserError(
            f"masks are named {listed(masks)}, frames {how_named(views)}; name the masks as the frames"
            + ("" if expected else f", or number them from 0 to {len(frames) - 1}")
        )


def left_over(masks: Sequence[str], found: Mapping[int, str], unusable: Sequence[str], total: int) -> tuple[str, ...]:
    """What to say of masks that bear the name of no frame.

    Args:
        masks: Names of all masks.
        found: What `by_name` gave.
        unusable: Names of the frames that became no view.
        total: Number of views.

    Raises:
        UserError: If there are as many masks as frames, but one belongs to none and a view has none.
    """
    known = {*map(natural, unusable), *map(natural, found.values())}
    others = [mask for mask in masks if natural(mask) not in known]
    if not others:
        return ()
    told = f"{len(others)} of {len(masks)} masks bear the name of no frame that can be used: {listed(others)}"
    if len(masks) == total + len(unusable) and len(found) < total:
        raise UserError(f"{told}; they are as many as the frames: name each as its frame")
    return (told,)


def how_named(views: Sequence[View]) -> str:
    """The names of the first views, and those of their files where they differ."""
    first = views[0]
    files = [
        f"{what} {printable(name)}"
        for what, name in (("depth", first.depth_name), ("colour", first.colour_name))
        if name not in ("", first.name)
    ]
    return listed([view.name for view in views]) + (f" (the first one's files: {', '.join(files)})" if files else "")


def listed(names: Sequence[str]) -> str:
    """The first three of some names, and the last."""
    short = [*names[:3], "...", names[-1]] if len(names) > 4 else names
    return ", ".join(printable(name[:80]) for name in short)


def _numbers(names: Sequence[str]) -> list[int] | None:
    """The number in each name; None if one has none or several."""
    numbers = [[number for number, _ in natural(name) if number >= 0] for name in names]
    return [one[0] for one in numbers] if all(len(one) == 1 for one in numbers) else None
