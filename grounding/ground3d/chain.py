"""From a question about a scene to a 3D mask: all steps for one query, and how it ended.

When (snippets of the footage), where (a box on some views of each), which pixels (followed both ways from the box),
which points (the lift). Every end has a name, one of `OUTCOMES`, and a reason in words.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import numpy as np

from grounding.core import Answer, Interval, ParseFailure, UserError, rle
from grounding.ground3d.candidates import Candidates, Match, matched
from grounding.ground3d.follow import NO_DEPTH, Track
from grounding.ground3d.footage import Footage
from grounding.ground3d.join import tracks_of
from grounding.ground3d.seeds import Asked, ask
from grounding.ground3d.steps import Steps
from grounding.tasks.task import Said
from lift3d.frames import Progress, plain
from lift3d.lift import Lifted, lift
from lift3d.scene import Scene
from lift3d.settings import Settings
from lift3d.wording import amount

OUTCOMES = {
    "found": "the object, as points of the scene",
    "none": "the answer is that nothing in the scene fits the query",
    "not_asked": "the query could not be put to the models",
    "no_snippet": "no answer said when the object is seen",
    "no_box": "no view that was asked shows the object",
    "lost": "the object could not be followed from its box",
    "no_depth": "there is no depth where the object is",
    "not_lifted": "the masks gave no object in 3D",
    "no_scene": "the scene has no views that can be used",
}
LONGEST = 2000  # characters of a query; our default, several times those of ScanRefer's longest
OBJECT = 1  # the id of the one object in the lift


@dataclass(frozen=True)
class Options:
    """How thoroughly an object is looked for; the numbers are our defaults, for the paper gives none.

    Args:
        boxes: Views of each snippet that are asked for a box.
        tracks: How often an object is followed at most, each time from another box.
        settings: Thresholds of the lift. Two views must agree on a point, for one mask of a tracker may run away.

    Raises:
        UserError: If a number is below 1.
    """

    boxes: int = 3
    tracks: int = 3
    settings: Settings = field(default_factory=lambda: Settings(min_hits=2))

    def __post_init__(self) -> None:
        for name in ("boxes", "tracks"):
            if getattr(self, name) < 1:
                raise UserError(f"{name} must be 1 or more, got {getattr(self, name)}")


@dataclass(frozen=True)
class Snippet:
    """When the object may be seen.

    Args:
        interval: Seconds.
        views: The views of it.
    """

    interval: Interval
    views: range


@dataclass(eq=False)
class Grounded:
    """What was found for a query, filled in as far as the chain came.

    Attributes:
        query: The question.
        footage: Where it was asked; None for a scene without usable views.
        outcome: A key of `OUTCOMES`.
        reason: Why it ended there, or "".
        said: The answers of the first step, in the order of trust.
        snippets: What of them is used; none stands there twice.
        asked: The views that were asked for a box.
        track: The masks that were lifted, or as good as there were.
        others: What else was followed and had fewer votes.
        lifted: The object, where the lift found one.
        match: The candidate that it was exchanged for, or came nearest to.
        seconds: How long each step took.
    """

    query: str
    footage: Footage | None
    outcome: str = "found"
    reason: str = ""
    said: Sequence[Said] = ()
    snippets: tuple[Snippet, ...] = ()
    asked: tuple[Asked, ...] = ()
    track: Track | None = None
    others: tuple[Track, ...] = ()
    lifted: Lifted | None = None
    match: Match | None = None
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def timed(self, step: str) -> Iterator[None]:
        """Note how long a step takes."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[step] = time.perf_counter() - start


class _End(Exception):
    """The chain ends here: an outcome and its reason."""


def run(
    query: str,
    footage: Footage,
    steps: Steps,
    options: Options = Options(),
    candidates: Candidates | None = None,
    progress: Progress = plain,
) -> Grounded:
    """Look for the object of a query.

    Args:
        query: Any text.
        footage: The scene.
        steps: What looks.
        options: How thoroughly.
        candidates: Masks on the points of the scene, of which the best one may be taken instead of the lift's.
        progress: Shows the views that are lifted.

    Returns:
        What was found. What goes wrong on the way is an outcome, not an exception.
    """
    found = Grounded(query, footage)
    try:
        with found.timed("snippets"):
            _find_snippets(found, footage, steps)
        with found.timed("boxes"):
            _find_boxes(found, footage, steps, options)
        with found.timed("masks"):
            _find_masks(found, footage, steps, options)
        with found.timed("lift"):
            _lift(found, footage, options, candidates, progress)
    except _End as end:
        found.outcome, found.reason = end.args
    return found


@contextmanager
def _ends(outcome: str) -> Iterator[None]:
    """A mistake in the block is how the chain ends."""
    try:
        yield
    except UserError as error:
        raise _End(outcome, str(error)) from error


def _find_snippets(found: Grounded, footage: Footage, steps: Steps) -> None:
    if len(found.query) > LONGEST:
        raise _End("not_asked", f"the query has {len(found.query):,} characters; at most {LONGEST:,} are asked")
    with _ends("not_asked"):
        found.said = steps.snippets(found.query, footage)
    answers = [one for one in found.said if isinstance(one, Answer) and one.segments is not None]
    if not answers:
        reasons = dict.fromkeys(one.reason for one in found.said if isinstance(one, ParseFailure))
        raise _End("no_snippet", "; ".join(list(reasons)[:3]) or "the answers name no time")
    if not answers[0].segments:
        raise _End("none", "")
    intervals = dict.fromkeys(one for answer in answers for one in answer.segments or ())
    made = [Snippet(interval, footage.within(interval)) for interval in intervals]
    first: dict[range, Snippet] = {}
    for one in made:
        if one.views:
            first.setdefault(one.views, one)
    found.snippets = tuple(first.values())
    if not found.snippets:
        raise _End("no_snippet", f"the footage lasts {footage.duration:.2f} s; no answer names a time within it")


def _find_boxes(found: Grounded, footage: Footage, steps: Steps, options: Options) -> None:
    with _ends("not_asked"):
        views = [snippet.views for snippet in found.snippets]
        found.asked = tuple(ask(found.query, footage, views, options.boxes, steps.box))
    if not found.asked:
        raise _End("no_box", "no view of the snippets can be read")
    if not any(one.box for one in found.asked):
        raise _End("no_box", "; ".join(list(dict.fromkeys(one.problem for one in found.asked))[:3]))


def _find_masks(found: Grounded, footage: Footage, steps: Steps, options: Options) -> None:
    with _ends("lost"):
        tracks = tracks_of(footage, found.asked, steps.masks, options.tracks)
    least = options.settings.min_views
    tracks.sort(key=lambda track: len(track.masks) < least)  # stable: by votes within each half
    found.track, found.others = tracks[0], tuple(tracks[1:])
    if len(tracks[0].masks) < least:
        reasons = list(dict.fromkeys(tracks[0].rejected.values()))
        flat = not tracks[0].masks and any(reason.startswith(NO_DEPTH) for reason in reasons)
        had = f"the object has a mask on {amount(len(tracks[0].masks), 'view')}, {least} are needed"
        raise _End("no_depth" if flat else "lost", ": ".join([had, *(["; ".join(reasons[:3])] if reasons else [])]))


def _lift(
    found: Grounded, footage: Footage, options: Options, candidates: Candidates | None, progress: Progress
) -> None:
    assert found.track is not None
    source = _TrackMasks.of(found.track)
    with _ends("not_lifted"):
        lifted = lift(source.scene(footage.scene), source, options.settings, progress)
    if not lifted.instances:
        raise _End("not_lifted", lifted.dropped.get(OBJECT, "no point is in enough of the masks"))
    if candidates is not None:
        found.match = candidates.best(lifted)
        lifted = matched(lifted, found.match)
    found.lifted = lifted


@dataclass(frozen=True, eq=False)
class _TrackMasks:
    """The masks of a track as the lift takes them: a scene of the views that have one, and their label maps."""

    views: tuple[int, ...]
    track: Track

    @classmethod
    def of(cls, track: Track) -> _TrackMasks:
        return cls(tuple(sorted(track.masks)), track)

    def scene(self, scene: Scene) -> Scene:
        """The views with masks; a cloud, where there is no mesh, is made of these alone."""
        return replace(scene, views=[scene.views[view] for view in self.views])

    def layers(self, view: int) -> list[np.ndarray]:
        """The one label map of a view of that scene."""
        mask = rle.decode(self.track.masks[self.views[view]], self.track.size)
        return [np.ascontiguousarray(mask).astype(np.uint16)]
