"""Generated annotation files of every dataset, in the form that its authors publish and as long as one asks for."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any

BOXES = 150  # of a row of HC-STVG: five seconds
SAID = "The man in the black coat takes three steps towards the table, turns around and sits down on the chair."
OPTIONS = ["he sits down", "he leaves the room", "he opens the window", "he picks up the phone", "he laughs"]
LETTERED = [f"{letter}. {option}" for letter, option in zip("ABCD", OPTIONS, strict=False)]


def write(name: str, samples: int, folder: Path) -> Path:
    """The annotation file of a dataset, and what its reader looks for beside it.

    Args:
        name: A key of `grounding.datasets.catalog.DATASETS`.
        samples: How many samples it holds.
        folder: Takes the files.
    """
    return WRITERS[name](samples, folder)


def grouped(samples: int, each: int) -> Iterator[tuple[str, int]]:
    """Names of videos with `each` samples, and how many they have: the last has what is left."""
    for place in range(0, samples, each):
        yield f"{place // each:011d}", min(each, samples - place)


def pieces(path: Path, opening: str, values: Iterable[str], closing: str) -> Path:
    """Write values with commas between, one after another: the file may be larger than memory."""
    with path.open("w", encoding="utf-8") as file:
        file.write(opening)
        for place, value in enumerate(values):
            file.write((",\n" if place else "") + value)
        file.write(closing)
    return path


def json_list(path: Path, rows: Iterable[Any]) -> Path:
    """A JSON list."""
    return pieces(path, "[", map(json.dumps, rows), "]")


def json_object(path: Path, pairs: Iterable[tuple[str, Any]], key: str = "") -> Path:
    """A JSON object, or one under the only key of another."""
    opening, closing = (f'{{"{key}": {{', "}}") if key else ("{", "}")
    return pieces(path, opening, (f'"{name}": {json.dumps(value)}' for name, value in pairs), closing)


def json_lines(path: Path, rows: Iterable[Any]) -> Path:
    """One JSON object a line."""
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def table(path: Path, rows: Iterable[dict[str, Any]]) -> Path:
    """A CSV table whose columns are the first row's keys."""
    rows = iter(rows)
    first = next(rows)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(first))
        writer.writeheader()
        writer.writerows(chain([first], rows))
    return path


def hcstvg(samples: int, folder: Path) -> Path:
    """Boxes that move from row to row and from frame to frame, as Python's `json` writes them."""

    def row(place: int) -> dict[str, Any]:
        boxes = [[200 + (place + t) % 97, 20 + t % 31, 150 + place % 89, 300 + t % 53] for t in range(BOXES)]
        times = {"st_time": 1.0, "ed_time": 6.0, "st_frame": 31, "img_num": 600}
        return {"bbox": boxes, **times, "English": f"{SAID} {place}", "img_size": [720, 1280]}

    return json_object(folder / "train_v2.json", ((f"{n}_{n:09d}.mp4", row(n)) for n in range(samples)))


def vidstg(samples: int, folder: Path) -> Path:
    """Two captions and two questions an entry, whose other objects and relations are left unread."""
    things = [{"tid": n, "category": "adult"} for n in range(6)]
    relation = {"begin_fid": 30, "end_fid": 150, "subject_tid": 0, "object_tid": 1, "predicate": "next_to"}

    def entry(video: str, count: int) -> dict[str, Any]:
        said = [{"description": f"{SAID} {n}", "type": "subject", "target_id": n} for n in range(count)]
        size = {"vid": video, "frame_count": 900, "fps": 29.97, "width": 640, "height": 360}
        ranges = {"used_segment": {"begin_fid": 0, "end_fid": 600}, "temporal_gt": {"begin_fid": 30, "end_fid": 150}}
        more = {"subject/objects": things, "used_relation": relation}
        return {**size, **more, **ranges, "captions": said[::2], "questions": said[1::2]}

    return json_list(folder / "train_annotations.json", (entry(*one) for one in grouped(samples, 4)))


def expressions(samples: int, folder: Path, each: dict[str, Any], frames: int) -> Path:
    """`meta_expressions.json` of MeViS and Ref-YouTube-VOS."""

    def entry(count: int) -> dict[str, Any]:
        said = {str(n): {"exp": f"{SAID} {n}", **each} for n in range(count)}
        return {"expressions": said, "vid_id": 7, "frames": [f"{n:05d}" for n in range(frames)]}

    rows = ((video, entry(count)) for video, count in grouped(samples, 10))
    return json_object(folder / "meta_expressions.json", rows, "videos")


def mevis(samples: int, folder: Path) -> Path:
    """Ten expressions a video of 80 frames, of two objects each."""
    return expressions(samples, folder, {"obj_id": [0, 1], "anno_id": [12, 13]}, 80)


def refytvos(samples: int, folder: Path) -> Path:
    """Ten expressions a video of 27 frames."""
    return expressions(samples, folder, {"obj_id": "1"}, 27)


def charades(samples: int, folder: Path) -> Path:
    """The official lines, with Charades' own table of lengths beside them."""
    videos = list(grouped(samples, 3))
    table(folder / "Charades_v1_train.csv", ({"id": v, "script": SAID, "length": "30.96"} for v, _ in videos))
    lines = (f"{video} {n}.5 12.9##{SAID.lower()} {n}\n" for video, count in videos for n in range(count))
    path = folder / "charades_sta_train.txt"
    path.write_text("".join(lines), encoding="utf-8")
    return path


def moments(samples: int, folder: Path, spans: str, sentences: str) -> Path:
    """Four sentences a video, each with its span."""

    def entry(count: int) -> dict[str, Any]:
        times = [[n * 10.0, n * 10.0 + 7.35] for n in range(count)]
        return {"duration": 82.73, spans: times, sentences: [f" {SAID} {n}" for n in range(count)]}

    return json_object(folder / "train.json", ((f"v_{v}", entry(count)) for v, count in grouped(samples, 4)))


def qvhighlights(samples: int, folder: Path) -> Path:
    """Two windows, 20 clips with three scores each."""
    told = {"relevant_windows": [[20, 44], [80, 96]], "relevant_clip_ids": list(range(10, 30))}
    told["saliency_scores"] = [[n % 5, 2, 4] for n in range(20)]
    rows = (
        {"qid": n, "query": f"{SAID} {n}", "duration": 150, "vid": f"{n:011d}_60.0_210.0", **told}
        for n in range(samples)
    )
    return json_lines(folder / "highlight_train_release.jsonl", rows)


def nextgqa(samples: int, folder: Path) -> Path:
    """The table, with spans and folders beside it."""
    videos = list(grouped(samples, 8))
    spans = {"duration": 42, "location": {str(n): [[1.2, 5.8], [20.1, 31.0]] for n in range(8)}, "fps": 29.97}
    json_object(folder / "gsub_val.json", ((v, spans) for v, _ in videos))
    json_object(folder / "map_vid_vidorID.json", ((v, f"1104/{v}") for v, _ in videos))
    options = {f"a{n}": option for n, option in enumerate(OPTIONS)}
    size = {"frame_count": "1258", "width": "640", "height": "480"}

    def row(video: str, n: int) -> dict[str, Any]:
        asked = {"question": f"{SAID} {n}", "answer": OPTIONS[n % 5], "qid": str(n), "type": "CW"}
        return {"video_id": video, **size, **asked, **options}

    return table(folder / "val.csv", (row(video, n) for video, count in videos for n in range(count)))


def rextime(samples: int, folder: Path) -> Path:
    """Four options and a span."""
    known = {"duration": 150, "options": OPTIONS[:4], "answer": OPTIONS[0], "ans": "A", "span": [10.5, 28.0]}
    known |= {"category": "sequential", "source": "qvhighlights_val"}
    rows = ({"qid": f"qvh_val{n}", "vid": f"{n:011d}", "question": f"{SAID} {n}", **known} for n in range(samples))
    return json_list(folder / "rextime_val.json", rows)


def tvgbench(samples: int, folder: Path) -> Path:
    """One query a video."""
    known = {"answer": "13.4-28.1", "duration": 30.12, "qtype": "object", "qsemtype": "Human Pose", "start": None}
    known |= {"end": None, "dataset_name": "charades", "source": "./dataset/charades_test.json"}
    rows = ({"path": f"./videos/{n:09d}.mp4", "question": f"{SAID} {n}", **known} for n in range(samples))
    return json_list(folder / "tvgbench.json", rows)


def timelens(samples: int, folder: Path) -> Path:
    """The training set, five events a video."""

    def row(video: str, count: int) -> dict[str, Any]:
        events = [{"query": f"{SAID} {n}", "span": [[n * 10.0, n * 10.0 + 5]]} for n in range(count)]
        return {"source": "cosmo_cap", "video_path": f"cosmo_cap/{video}.mp4", "duration": 117.42, "events": events}

    return json_lines(folder / "timelens-100k.jsonl", (row(*one) for one in grouped(samples, 5)))


def timerft(samples: int, folder: Path) -> Path:
    """With the eight predictions that the difficulty comes from."""
    known = {"duration": 60.2, "timestamp": [3.0, 9.5], "video_start": None, "video_end": None, "difficulty": 31.4}
    known["pred"] = [[n * 1.5, n * 2.5 + 3] for n in range(8)]
    rows = ({"video": f"{n:011d}", "sentence": f"{SAID} {n}", "qid": f"my|{n}", **known} for n in range(samples))
    return json_list(folder / "train.json", rows)


def scanrefer(samples: int, folder: Path) -> Path:
    """With the words of each description, as published."""
    words = SAID.lower().split()
    rows = (
        {"scene_id": f"scene{n // 50:04d}_00", "object_id": str(n % 50), "object_name": "office_chair", "ann_id": "0"}
        | {"description": f"{SAID} {n}", "token": words}
        for n in range(samples)
    )
    return json_list(folder / "ScanRefer_filtered_train.json", rows)


def referit3d(samples: int, folder: Path, name: str) -> Path:
    """The table of Nr3D, or Sr3D, which has no `assignmentid`."""

    def row(n: int) -> dict[str, Any]:
        scene = f"scene{n // 50:04d}_00"
        named = {"assignmentid": str(n)} if name == "nr3d" else {}
        asked = {"stimulus_id": f"{scene}-chair-3-{n % 50}-60-61", "utterance": f"{SAID} {n}"}
        more = {"correct_guess": "True", "mentions_target_class": "True", "uses_object_lang": "True"}
        tokens = {"tokens": str(SAID.lower().split())}
        return {
            **named,
            "scan_id": scene,
            "instance_type": "chair",
            "target_id": str(n % 50),
            **asked,
            **more,
            **tokens,
        }

    return table(folder / f"{name}.csv", map(row, range(samples)))


def sqa3d(samples: int, folder: Path) -> Path:
    """Questions, with the file of their answers beside it."""
    turn = {"_x": 0, "_y": 0, "_z": -0.97, "_w": 0.24}
    place = {"position": {"x": -0.92, "y": 1.48, "z": 0}, "rotation": turn}
    answer = [{"answer": "piano", "answer_confidence": "yes", "answer_id": 1}]
    stand = {"situation": SAID, "alternative_situation": [SAID, SAID]}
    name = "v1_balanced_{}_train_scannetv2.json"
    ids = range(220602000000, 220602000000 + samples)
    told = ({"scene_id": "scene0380_00", "question_id": n, "answers": answer, **place} for n in ids)
    pieces(folder / name.format("sqa_annotations"), '{"annotations": [', map(json.dumps, told), "]}")
    asked = ({"scene_id": "scene0380_00", "question": f"{SAID} {n}", **stand, "question_id": n} for n in ids)
    return pieces(folder / name.format("questions"), '{"questions": [', map(json.dumps, asked), "]}")


def scanqa(samples: int, folder: Path) -> Path:
    """Two answers a question."""
    known = {"answers": ["brown", "dark brown"], "object_ids": [8, 9], "object_names": ["cabinet", "cabinet"]}
    rows = (
        {"scene_id": "scene0011_00", "question_id": f"train-scene0011-{n}", "question": f"{SAID} {n}", **known}
        for n in range(samples)
    )
    return json_list(folder / "ScanQA_v1.0_train.json", rows)


def vsibench(samples: int, folder: Path) -> Path:
    """Numbers and choices in turn."""
    kinds: list[dict[str, Any]] = [
        {"question_type": "object_counting", "ground_truth": "4", "options": None},
        {"question_type": "route_planning", "ground_truth": "C", "options": LETTERED},
    ]
    rows = (
        {"id": n, "dataset": "arkitscenes", "scene_name": f"{n:08d}", "question": f"{SAID} {n}", **kinds[n % 2]}
        for n in range(samples)
    )
    return json_lines(folder / "test.jsonl", rows)


def seedbench(samples: int, folder: Path) -> Path:
    """The training form, whose options are ordered by a hash."""
    known = {"answer": OPTIONS[0], "negative_answers": OPTIONS[1:], "video_source": "EpicKitchens"}
    known["task_progress_metadata"] = [{"narration_text": OPTIONS[n], "start_frame": n} for n in range(5)]
    rows = (
        {"sample_id": n, "question": f"{SAID} {n}", "video_basename": f"{n}.mp4", **known}
        | {"current_observation_basename": f"{n}.png"}
        for n in range(samples)
    )
    return json_lines(folder / "training_6k.jsonl", rows)


def videohallu(samples: int, folder: Path) -> Path:
    """The benchmark's rows."""
    known = {"Model": "Kling", "Prompt": SAID, "Answer": SAID, "Categorization-1": "physics"}
    known["Categorization-2"] = "gravity"
    rows = ({"RowID": n, "video_path": f"kling/{n}.mp4", "Question": f"{SAID} {n}", **known} for n in range(samples))
    return json_list(folder / "test.json", rows)


WRITERS: dict[str, Callable[[int, Path], Path]] = {
    "hcstvg": hcstvg,
    "vidstg": vidstg,
    "mevis": mevis,
    "refytvos": refytvos,
    "charades": charades,
    "activitynet": lambda samples, folder: moments(samples, folder, "timestamps", "sentences"),
    "qvhighlights": qvhighlights,
    "nextgqa": nextgqa,
    "rextime": rextime,
    "tvgbench": tvgbench,
    "timelens": timelens,
    "timerft": timerft,
    "scanrefer": scanrefer,
    "nr3d": lambda samples, folder: referit3d(samples, folder, "nr3d"),
    "sr3d": lambda samples, folder: referit3d(samples, folder, "sr3d"),
    "sqa3d": sqa3d,
    "scanqa": scanqa,
    "vsibench": vsibench,
    "seedbench": seedbench,
    "videohallu": videohallu,
}
