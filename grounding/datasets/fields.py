"""The keys of an annotation row: which there are, and how each is read and checked."""

from __future__ import annotations

import difflib
import re
import reprlib
from collections.abc import Callable, Sequence
from typing import Any

from grounding.core.checks import within
from grounding.core.errors import UserError, UserErrors
from grounding.core.intervals import Interval
from grounding.core.samples import Answer
from grounding.core.tags import TAGS
from grounding.core.video_picture import ENDINGS, is_picture
from grounding.datasets.options import checked_option, lettered
from grounding.datasets.problems import collecting

_LARGE = 1e9  # neither seconds nor pixels come near
MAX_NAME = 400  # characters of a path or another name
MAX_QUERY = 2000  # characters; a sentence has 200, and a model's context holds no book beside the video

# What chat models write their own tokens like, such as <|im_end|>, and the tags of our answers; prompts are lower case.
RESERVED = re.compile("|".join([r"<\|[^|]{0,100}\|>", *map(re.escape, TAGS)]), re.IGNORECASE)

Box = tuple[float, float, float, float]

Needs = Sequence[tuple[str, ...]]  # the parts that a truth must have, of each tuple one, see `Task.needs`
WHICH_AND_WHEN: Needs = (("interval",), ("object_id", "tube"))

KEPT = ("options", "frame", "segment", "previous", "episode", "completion", "thinking")  # with a sample's meta
_PARTS = ("interval", "intervals", "object_id", "object_ids", "box", "choices", "number", "text", "also")
_STILL = ("image", "frame", "time")  # what shows one picture alone
_BESIDE = {"box": _STILL, "choices": ("options",)}  # of which a row must say one beside a key


def read_fields(value: dict[str, Any], *, needs: Needs = WHICH_AND_WHEN, marks: bool = True) -> dict[str, Any]:
    """Read the keys of a row.

    Args:
        value: The JSON object, without keys that are null.
        needs: The parts that the truth must have. The row names them like `Answer` does, but for a tube its `boxes`.
        marks: Whether IDs will be drawn; only then a row must have masklets.

    Returns:
        The arguments of `grounding.datasets.rows.Row`, but its number.

    Raises:
        UserErrors: All that is wrong: missing, unknown and ill-formed keys.
    """
    errors = [_unknown(key) for key in value if key not in _READERS]
    required = ["id", *(["video"] if "image" not in value else []), "query", *(["masklets"] if marks else [])]
    errors += [f'"{key}" is missing; add it' for key in required if key not in value]
    for need in needs:
        with collecting(errors):
            _check_part([key for part in need if (key := _key_of(part)) in _READERS], value)
    for key, beside in _BESIDE.items():
        if key in value and not value.keys() & set(beside):
            errors.append(f'{_either(beside)} is missing, without which "{key}" says nothing; add it')
    for keys in (("image", "video"), (*_STILL, "segment")):
        if len(there := [key for key in keys if key in value]) > 1:
            errors.append(f"what is shown must be either {_either(keys)}, got {' and '.join(there)}")
    fields = {}
    for key, reader in _READERS.items():
        if key in value:
            with collecting(errors):
                fields[key] = reader(value[key])
    if "choices" in fields and "options" in fields:
        with collecting(errors), within('"choices"'):
            fields["choices"] = _letters(fields["choices"], len(fields["options"]))
    if errors:
        raise UserErrors(errors)
    if "image" in fields:  # a video of one frame
        fields |= {"video": fields.pop("image"), "frame": 0}
    if "text" in fields:
        fields |= right_texts(fields["text"])
    said = {part: fields.pop(part) for part in _PARTS if part in fields}
    wanted = {part for need in needs for part in need}
    wanted |= {"also"} if "text" in wanted else set()
    if "tube" not in wanted:
        fields.pop("boxes", None)
    return {**fields, "truth": Answer(**{part: value for part, value in said.items() if part in wanted})}


def _key_of(part: str) -> str:
    """How a row calls a part of an `Answer`."""
    return "boxes" if part == "tube" else part


def _check_part(keys: list[str], value: dict[str, Any]) -> None:
    """A row must have one of these keys; none of them are for parts that the masks tell."""
    there = [key for key in keys if key in value]
    if len(keys) == 1 and not there:
        raise UserError(f'"{keys[0]}" is missing; add it')
    if keys and len(there) != 1:
        said = _either(sorted(keys, key=[*_READERS].index))
        raise UserError(f"the truth must be either {said}, got {' and '.join(there) or 'none of them'}")


def _either(keys: Sequence[str]) -> str:
    return " or ".join(f'"{key}"' for key in keys)


def _unknown(key: str) -> str:
    close = difflib.get_close_matches(key[:100], _READERS, n=1)
    hint = f'did you mean "{close[0]}"? Otherwise ' if close else ""
    return f'unknown key {reprlib.repr(key)}; {hint}put it into "meta"'


def _read_text(key: str, value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise UserError(f'"{key}" must be a text that is not empty, got {reprlib.repr(value)}')
    if any("\ud800" <= char <= "\udfff" for char in value):
        raise UserError(f'"{key}" holds half of a surrogate pair, which is no character; write the text again')
    return value


def _read_line(key: str, value: Any) -> str:
    """A text for names and paths, which end up in messages and file systems: short, no control characters."""
    if not _read_text(key, value).isprintable():
        raise UserError(f'"{key}" holds control characters: {reprlib.repr(value)}; remove them')
    if len(value) > MAX_NAME:
        raise UserError(f'"{key}" must have at most {MAX_NAME} characters, got {len(value)}; shorten it')
    return value


def read_words(key: str, value: Any) -> str:
    """A text that cannot be taken for what a model says itself, nor for the place of its video.

    Raises:
        UserError: If it is no text, empty, too long, or holds a token or tag of the model's own.
    """
    words = _read_text(key, value)
    if len(words) > MAX_QUERY:
        raise UserError(f'"{key}" must have at most {MAX_QUERY} characters, got {len(words)}; shorten it')
    if found := RESERVED.search(words):
        raise UserError(f'"{key}" holds {found.group()!r}, which is a token or tag of the model\'s own; reword it')
    return words


def read_id(value: Any) -> str:
    """An id that fits a line: printable, at most 200 characters.

    Raises:
        UserError: If it does not, or is not a text.
    """
    if len(_read_line("id", value)) > 200:
        raise UserError(f'"id" must have at most 200 characters, got {len(value)}')
    return value


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and -_LARGE < value < _LARGE


def _read_interval(value: Any, key: str = "interval") -> Interval:
    if not isinstance(value, list) or len(value) != 2 or not all(map(_is_number, value)):
        raise UserError(f'"{key}" must be two finite numbers [start_s, end_s], got {reprlib.repr(value)}')
    return Interval(float(value[0]), float(value[1]))


def _read_intervals(value: Any) -> tuple[Interval, ...]:
    if not isinstance(value, list):
        raise UserError(f'"intervals" must be a list [[start_s, end_s], ...], [] for never, got {reprlib.repr(value)}')
    return tuple(map(_read_interval, value))


def _read_object_id(value: Any) -> int:
    if type(value) is not int or not 1 <= value < _LARGE:
        raise UserError(f'"object_id" must be a whole number >= 1 (0 is the background), got {reprlib.repr(value)}')
    return value


def _read_object_ids(value: Any) -> frozenset[int]:
    if not isinstance(value, list) or not all(type(one) is int and 1 <= one < _LARGE for one in value):
        form = "a list of whole numbers >= 1 (0 is the background), [] for none"
        raise UserError(f'"object_ids" must be {form}, got {reprlib.repr(value)}')
    return frozenset(value)


def _read_frame(value: Any) -> int:
    if type(value) is not int or not 0 <= value < _LARGE:
        raise UserError(f'"frame" must be the number of a source frame, a whole number >= 0, got {reprlib.repr(value)}')
    return value


def _read_video(value: Any) -> str:
    if is_picture(path := _read_line("video", value)):
        raise UserError(f'"video" must be no picture, got {reprlib.repr(path)}; give it as "image"')
    return path


def _read_image(value: Any) -> str:
    if not is_picture(path := _read_line("image", value)):
        raise UserError(
            f'"image" must be a picture, {", ".join(ENDINGS)}, got {reprlib.repr(path)}; of a video give '
            '"video" and "frame" or "time"'
        )
    return path


def _read_time(value: Any) -> float:
    if not _is_number(value) or value < 0:
        raise UserError(f'"time" must be a finite number of seconds >= 0, got {reprlib.repr(value)}')
    return float(value)


def _read_number(value: Any, key: str = "number") -> float:
    if not _is_number(value):
        raise UserError(f'"{key}" must be a finite number, got {reprlib.repr(value)}')
    return float(value)


def _read_texts(value: Any) -> list[str]:
    if not isinstance(value, str | list) or value == []:
        raise UserError(f'"text" must be a text, or a list of all that are right, got {reprlib.repr(value)}')
    return [read_words("text", one) for one in (value if isinstance(value, list) else [value])]


def right_texts(right: Sequence[str]) -> dict[str, Any]:
    """The parts of a truth that is in words, from all texts that are right, at least one."""
    first, *others = right
    return {"text": first} | ({"also": tuple(others)} if others else {})


def _read_options(value: Any) -> list[str]:
    if not isinstance(value, list):
        raise UserError(f'"options" must be a list of texts, got {reprlib.repr(value)}')
    with within('"options"'):
        options = [checked_option(one) for one in value]
    options = [read_words("options", one) for one in options]
    if not 2 <= len(options) <= 26:
        raise UserError(f'"options" must be 2 to 26 texts, got {len(options)}')
    if twice := [one for place, one in enumerate(options) if one in options[:place]]:
        raise UserError(f'"options" holds {reprlib.repr(twice[0])} twice; remove or reword one of the two')
    return options


def _letters(value: Any, options: int) -> frozenset[str]:
    """The letter or the list of letters of right options."""
    letters = value if isinstance(value, list) else [value]
    if not letters:
        raise UserError("must be the letters of the right options, got []")
    return frozenset(letter for one in letters for letter in lettered(one, options)["choices"])


def _read_boxes(value: Any) -> dict[int, Box]:
    if not isinstance(value, dict) or not value:
        form = '{"frame": [x1, y1, x2, y2], ...} with at least one frame'
        raise UserError(f'"boxes" must be an object {form}, got {reprlib.repr(value)}')
    boxes = dict(_read_box(frame, box) for frame, box in value.items())
    if len(boxes) < len(value):
        raise UserError('"boxes" name a frame twice, with and without leading zeros; remove one of the two')
    return boxes


def _read_box(frame: str, box: Any) -> tuple[int, Box]:
    if not (frame.isascii() and frame.isdigit() and len(frame) < 10):
        raise UserError(f'"boxes" must be named by source frames "0", "1", ..., got {reprlib.repr(frame)}')
    return int(frame), _read_corners(f'"boxes", frame {frame}', box)


def _read_corners(name: str, box: Any) -> Box:
    if not isinstance(box, list) or len(box) != 4 or not all(map(_is_number, box)):
        raise UserError(f"{name}: expected four finite numbers, got {reprlib.repr(box)}")
    x1, y1, x2, y2 = map(float, box)
    if not (x1 < x2 and y1 < y2):
        raise UserError(f"{name}: expected [x1, y1, x2, y2] with x1 < x2 and y1 < y2, got {box}")
    return x1, y1, x2, y2


def _read_meta(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise UserError(f'"meta" must be an object, got {reprlib.repr(value)}')
    if taken := [key for key in KEPT if key in value]:
        raise UserError(f'"meta" holds {taken[0]!r}, which is a key of the row itself; write it beside "meta"')
    return value


_READERS: dict[str, Callable[[Any], Any]] = {
    "id": read_id,
    "video": _read_video,
    "image": _read_image,
    "query": lambda value: read_words("query", value),
    "frame": _read_frame,
    "time": _read_time,
    "segment": lambda value: _read_interval(value, "segment"),
    "interval": _read_interval,
    "intervals": _read_intervals,
    "masklets": lambda value: _read_line("masklets", value),
    "object_id": _read_object_id,
    "object_ids": _read_object_ids,
    "boxes": _read_boxes,
    "box": lambda value: _read_corners('"box"', value),
    "options": _read_options,
    "choices": lambda value: value,  # letters of the options, so that it is read with them
    "number": _read_number,
    "text": _read_texts,
    "previous": lambda value: _read_number(value, "previous"),
    "episode": lambda value: _read_line("episode", value),
    "split": lambda value: _read_line("split", value),
    "completion": lambda value: _read_text("completion", value),
    "thinking": lambda value: _read_text("thinking", value),
    "meta": _read_meta,
}
