"""Answers whose thinking cites boxes at moments, as Open-o3-Video writes them.

Grammar of a claim, anywhere in the thinking: `<obj>the dog</obj><box>[10, 20, 30, 40]</box>at<t>12.5</t>s`, with up to
eight boxes; spaces may stand between the parts. What does not fit is no claim. A moment is `<t>12.5</t>s`, in a claim
or alone.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import fields
from itertools import islice

from grounding.core import Answer, Interval, ParseFailure
from grounding.tasks.boxes import LARGEST, NUMBER, Units, scaled
from grounding.tasks.lists import MAX_ITEMS
from rewards.evidence import CitingAnswer, Evidence

# No repeat is unbounded, so there is nothing to backtrack into.
_TIME = r"<t>([0-9]{1,6}(?:\.[0-9]{1,17})?)</t> ?s"
_BOX = rf" ?<box> ?\[ ?{NUMBER}(?: ?, ?{NUMBER}){{3}} ?\] ?</box>"
_CLAIM = re.compile(rf"<obj>[^<]{{1,64}}</obj>((?:{_BOX}){{1,8}}) ?at ?{_TIME}", re.ASCII)
_MOMENT = re.compile(_TIME, re.ASCII)
_NUMBER = re.compile(NUMBER, re.ASCII)


def parse_cited(
    text: str,
    parse: Callable[[str], Answer | ParseFailure],
    size: tuple[int, int],
    units: Units = "pixels",
) -> Answer | ParseFailure:
    """Read an answer with what was cited for it: never an exception, linear in the text's length.

    Args:
        text: The model's text.
        parse: Reads the answer; `<t>` and `</t>` are taken out before, so `From <t>3</t>s to <t>7</t>s` is a range.
        size: (height, width) in pixels of the frames that boxes are on.
        units: What the model writes.

    Returns:
        What `parse` reads, with the first 64 moments as `intervals` without length (for `time_proximity`) and the boxes
        of the first 64 claims as evidence; without the answer's own part where that fails but something was cited.
    """
    answer = parse(text.replace("<t>", "").replace("</t>", ""))
    thinking = " ".join(text.rpartition("</think>")[0].partition("<think>")[2].split())
    times = [float(match[1]) for match in islice(_MOMENT.finditer(thinking), MAX_ITEMS)]
    evidence = [
        Evidence(float(claim[2]), box)
        for claim in islice(_CLAIM.finditer(thinking), MAX_ITEMS)
        for box in _boxes(claim[1], size, units)
    ]
    if isinstance(answer, ParseFailure):
        if not times:
            return answer
        answer = Answer()
    known = {field.name: getattr(answer, field.name) for field in fields(Answer)}
    moments = tuple(Interval(time, time) for time in times)
    return CitingAnswer(**{**known, "intervals": moments}, evidence=tuple(evidence))


def _boxes(text: str, size: tuple[int, int], units: Units) -> list[tuple[float, float, float, float]]:
    """The boxes of a claim in pixels; reversed ones and such with a coordinate beyond the largest are none."""
    values = [float(part) for part in _NUMBER.findall(text)]
    quads = [values[at : at + 4] for at in range(0, len(values), 4)]
    good = [quad for quad in quads if max(quad) <= LARGEST[units] and quad[0] <= quad[2] and quad[1] <= quad[3]]
    return [(x1, y1, x2, y2) for x1, y1, x2, y2 in (scaled(quad, size, units) for quad in good)]
