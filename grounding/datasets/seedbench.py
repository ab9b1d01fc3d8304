"""SEED-Bench-R1: what to do next, from a video of the progress so far and a picture of now; four options.

    {"sample_id": 115, "question": "...", "answer": "put cereal box into cupboard", "video_source": "EpicKitchens",
     "video_basename": "....mp4", "current_observation_basename": "....png", "task_progress_metadata": [...],
     "choice_a": ..., "choice_d": ..., "golden_choice_idx": "A"   (validation), "negative_answers": [...]   (training)}

Training names wrong answers without an order, and their code shuffles without a seed: here a hash of the sample's id
orders them, always alike, and takes three. The video is shown only where there has been progress
(`meta["has_video"]`). Not seen on real files; from the authors' description.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from grounding.core.errors import UserError
from grounding.datasets.entries import Entry, field, list_of, object_of
from grounding.datasets.options import checked_option, letter, lettered
from grounding.datasets.records import Read, Record, checked_name, read_records


def read_seedbench(path: Path) -> Read:
    """The records of a split; ids are the `sample_id`s, videos `<video_source>/<video_basename>`."""
    return read_records(path, _records)


def _records(entry: Entry) -> Iterator[Record]:
    row = object_of(entry.value)
    name = checked_name(field(row, "sample_id"))
    if "golden_choice_idx" in row:
        options = [checked_option(field(row, f"choice_{place}")) for place in "abcd"]
        truth = lettered(row["golden_choice_idx"], len(options))
    else:
        right = checked_option(field(row, "answer"))
        options = _options(name, right, field(row, "negative_answers"))
        truth = {"choices": frozenset(letter(options.index(right)))}
    yield Record(
        entry.row,
        name,
        f"{checked_name(field(row, 'video_source'))}/{checked_name(field(row, 'video_basename'))}",
        field(row, "question"),
        truth,
        meta={
            "options": options,
            "has_video": bool(row.get("task_progress_metadata")),
            "image": row.get("current_observation_basename"),
        },
    )


def _options(name: str, right: str, wrong: Any) -> list[str]:
    others = sorted({checked_option(one) for one in list_of(wrong, "negative_answers")} - {right})
    if len(others) < 3:
        raise UserError(f"there must be three wrong answers or more, got {len(others)}")

    def order(option: str) -> bytes:
        return hashlib.sha256(f"{name}\0{option}".encode("utf-8", "surrogatepass")).digest()

    return sorted([right, *sorted(others, key=order)[:3]], key=order)
