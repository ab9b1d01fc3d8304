"""What happened to a query, step by step, as `trace.json`; names of views are those of the scene."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from grounding.core import Answer, ParseFailure, rle
from grounding.ground3d.chain import OBJECT, OUTCOMES, Grounded
from grounding.ground3d.follow import Track
from grounding.ground3d.footage import Footage
from grounding.ground3d.seeds import Asked
from grounding.tasks.task import Said
from lift3d.formats.boxes_json import entry
from lift3d.formats.result import Result


def as_json(found: Grounded, how: Mapping[str, Any]) -> dict[str, Any]:
    """All steps of a query: what was said, asked, followed, left out and lifted, and how it ended.

    Args:
        found: The query and what was found.
        how: What it was asked with: names of models, options.
    """
    told = {
        "query": found.query,
        "outcome": found.outcome,
        "meaning": OUTCOMES[found.outcome],
        "reason": found.reason,
        "how": dict(how),
        "seconds": {step: round(seconds, 3) for step, seconds in found.seconds.items()},
    }
    if found.footage is None:
        return told
    return told | _scene(found.footage) | _steps(found, found.footage)


def _scene(footage: Footage) -> dict[str, Any]:
    scene = footage.scene
    return {
        "scene": {
            "name": footage.name,
            "layout": scene.layout,
            "views": len(footage),
            "seconds": round(footage.duration, 3),
            "size": list(footage.size),
            "left_out": dict(scene.left_out),
            "problems": list(scene.problems),
        }
    }


def _steps(found: Grounded, footage: Footage) -> dict[str, Any]:
    lifted, track = found.lifted, found.track
    return {
        "answers": [_said(one) for one in found.said],
        "snippets": [
            {
                "interval": [one.interval.start, one.interval.end],
                "views": len(one.views),
                "first": _name(footage, one.views[0]),
                "last": _name(footage, one.views[-1]),
            }
            for one in found.snippets
        ],
        "boxes": [_asked(one, footage) for one in found.asked],
        "track": None if track is None else _track(track, footage),
        "masks": [] if track is None else _masks(track, footage),
        "rejected": {} if track is None else {_name(footage, view): why for view, why in track.rejected.items()},
        "others": [_track(one, footage) for one in found.others],
        "candidate": None
        if found.match is None
        else {"number": found.match.number, "iou": round(found.match.iou, 6), "taken": found.match.fits},
        "confidence": None if lifted is None else round(lifted.instances[0].ratio, 6),
        "object": None
        if lifted is None
        else entry(Result(footage.name, lifted, {OBJECT: found.query}), lifted.instances[0]),
        "lift": {} if lifted is None else {"rejected": dict(lifted.rejected), "problems": list(lifted.problems)},
    }


def _said(said: Said) -> dict[str, Any]:
    if isinstance(said, ParseFailure):
        return {"unreadable": said.reason}
    if not isinstance(said, Answer) or said.segments is None:
        return {"unreadable": "the answer names no time"}
    return {"intervals": [[one.start, one.end] for one in said.segments]} if said.segments else {"none": True}


def _asked(asked: Asked, footage: Footage) -> dict[str, Any]:
    return {
        "view": _name(footage, asked.view),
        "time": _time(footage, asked.view),
        "snippet": asked.snippet,
        "box": None if asked.box is None else [round(edge, 2) for edge in asked.box],
        "problem": asked.problem,
    }


def _track(track: Track, footage: Footage) -> dict[str, Any]:
    return {
        "seeds": [_name(footage, one.view) for one in track.seeds],
        "votes": [_name(footage, one.view) for one in track.votes],
        "views": len(track.masks),
    }


def _masks(track: Track, footage: Footage) -> list[dict[str, Any]]:
    """Area and tight box of each mask that was lifted."""
    counts = list(track.masks.values())
    areas, boxes = rle.areas(counts, track.size), rle.boxes(counts, track.size)
    return [
        {"view": _name(footage, view), "time": _time(footage, view), "pixels": int(area), "box": box.tolist()}
        for view, area, box in zip(track.masks, areas, boxes, strict=True)
    ]


def _name(footage: Footage, view: int) -> str:
    return footage.scene.views[view].name


def _time(footage: Footage, view: int) -> float:
    return round(float(footage.times[view]), 3)
