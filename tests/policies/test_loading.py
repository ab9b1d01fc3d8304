"""Model folders that are broken, incomplete or hostile: one line, nothing runs, nothing is drawn at random."""

from __future__ import annotations

import io
import json
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from grounding.core import Clip, UserError
from grounding.policies.policy import load_policy

WEIGHTS = "model.safetensors"
Change = Callable[[Path], None]


def weights(change: Callable[[dict[str, torch.Tensor]], dict[str, torch.Tensor]]) -> Change:
    def apply(folder: Path) -> None:
        save_file(change(load_file(folder / WEIGHTS)), folder / WEIGHTS, metadata={"format": "pt"})

    return apply


def options(name: str, *path: str, **values: Any) -> Change:
    """Sets values in a JSON file, at a place inside it."""

    def apply(folder: Path) -> None:
        whole = json.loads((folder / name).read_text()) if (folder / name).exists() else {}
        part = whole
        for key in path:
            part = part[key]
        part.update(values)
        (folder / name).write_text(json.dumps(whole))

    return apply


def with_code(name: str, **values: Any) -> Change:
    def apply(folder: Path) -> None:
        (folder / "own.py").write_text(f"open({str(folder / 'RAN')!r}, 'w').close()\nclass Own: pass\n")
        options(name, **values)(folder)

    return apply


def pickled(folder: Path) -> None:
    torch.save(load_file(folder / WEIGHTS), folder / "pytorch_model.bin")
    (folder / WEIGHTS).unlink()


def piped(folder: Path) -> None:
    (folder / WEIGHTS).unlink()
    os.mkfifo(folder / WEIGHTS)


def indexed(place: Any) -> Change:
    """Weights in a file of another name, and a list that says so, or says another place."""

    def apply(folder: Path) -> None:
        names = load_file(folder / WEIGHTS)
        (folder / WEIGHTS).rename(folder / "part.safetensors")
        places = {} if place is None else dict.fromkeys(names, place)
        (folder / f"{WEIGHTS}.index.json").write_text(json.dumps({"metadata": {}, "weight_map": places}))

    return apply


def spoiled(tensors: dict[str, torch.Tensor], value: float) -> dict[str, torch.Tensor]:
    next(value for name, value in tensors.items() if name.endswith("q_proj.weight"))[0, 0] = value
    return tensors


def without(tensors: dict[str, torch.Tensor], ending: str) -> dict[str, torch.Tensor]:
    return {name: tensor for name, tensor in tensors.items() if not name.endswith(ending)}


BROKEN: dict[str, tuple[Change, str]] = {
    "a weight is missing": (
        weights(lambda t: without(t, "layers.0.mlp.up_proj.weight")),
        "layers.0.mlp.up_proj.weight",
    ),
    "half are missing": (weights(lambda t: dict(sorted(t.items())[::2])), "it lacks the weights .* and 37 more"),
    "none is there": (weights(lambda t: {"other": torch.zeros(1)}), "4 layers, but its files hold 1 tensors"),
    "a weight is NaN": (weights(lambda t: spoiled(t, float("nan"))), "not finite numbers: .*q_proj.weight"),
    "a weight is infinite": (weights(lambda t: spoiled(t, float("inf"))), "not finite numbers: .*q_proj.weight"),
    "a weight of another size": (
        weights(lambda t: {n: v.repeat(2, 1) if n.endswith("up_proj.weight") else v for n, v in t.items()}),
        "other sizes than its config.json says",
    ),
    "a list that names a device": (indexed("/dev/zero"), "names '/dev/zero', which is no file beside it"),
    "a list that leaves the folder": (indexed("../part.safetensors"), "which is no file beside it"),
    "a list of numbers": (indexed(1), "names 1, which is no file beside it"),
    "an empty list": (indexed(None), "must say the file of every weight"),
    "pickles": (pickled, "pickles, which may run code"),
    "a pipe": (piped, "named pipe"),
    "an adapter": (options("adapter_config.json", peft_type="LORA"), "PEFT adapter.*merge_and_unload"),
    "a kernel of the hub": (options("config.json", _attn_implementation="own/kernel"), "own/kernel.*never run"),
    "a kernel inside": (options("config.json", "vision_config", _attn_implementation="a/b"), "a/b.*never run"),
    "layers without end": (options("config.json", "vision_config", depth=10**9), "1,000,000,000 layers"),
    "width without end": (options("config.json", "text_config", vocab_size=10**9), "weights, but its files hold"),
    "no sizes": (options("config.json", text_config=None), "weights, but its files hold"),
    "a package is missing": (
        options("config.json", quantization_config={"quant_method": "gptq", "bits": 4}),
        "optimum",
    ),
    "a processor of something else": (
        options("processor_config.json", processor_class="CLIPProcessor"),
        "the processor of .* is a .*, which takes no videos",
    ),
    "a wrong type": (options("config.json", "text_config", hidden_size="wide"), "hidden_size"),
    "a size of 0": (options("config.json", "vision_config", tokens_per_second=0), "tokens_per_second .* more than 0"),
    "a window without a patch": (options("config.json", "vision_config", window_size=1), "window_size .* at least"),
    "an epsilon of NaN": (options("config.json", "text_config", rms_norm_eps=float("nan")), "rms_norm_eps .* nan"),
    "colours divided by 0": (options("processor_config.json", "video_processor", image_std=[0, 0, 0]), "image_std"),
    "colours of NaN": (
        options("processor_config.json", "video_processor", image_mean=[float("nan")] * 3),
        "image_mean",
    ),
    "two colours": (options("processor_config.json", "video_processor", image_mean=[0.5, 0.5]), "three finite"),
    "no such token": (options("config.json", image_token_id=10**6), "image_token_id .* one of its"),
    "an end that is text": (options("generation_config.json", eos_token_id="end"), "eos_token_id"),
    "colours of text": (options("processor_config.json", "video_processor", image_mean="grey"), "image_mean .* 'grey'"),
}


@pytest.mark.parametrize(("change", "said"), BROKEN.values(), ids=BROKEN)
def test_a_model_that_cannot_be_trusted_is_refused_by_name(
    tiny_folder: Path, tmp_path: Path, change: Change, said: str
) -> None:
    folder = tmp_path / "model"
    shutil.copytree(tiny_folder, folder)
    change(folder)
    with pytest.raises(UserError, match=said) as caught:
        load_policy(str(folder))
    assert str(folder) in str(caught.value)
    assert "\n" not in str(caught.value)


MAPS = {
    "config": with_code("config.json", auto_map={"AutoConfig": "own.Own", "AutoModelForImageTextToText": "own.Own"}),
    "unknown config": with_code("config.json", model_type="own", auto_map={"AutoConfig": "own.Own"}),
    "config of the hub": with_code("config.json", model_type="own", auto_map={"AutoConfig": "some/body--own.Own"}),
    "processor": with_code("processor_config.json", auto_map={"AutoProcessor": "own.Own"}),
    "unknown processor": with_code(
        "processor_config.json", processor_class="Own", auto_map={"AutoProcessor": "own.Own"}
    ),
    "tokenizer": with_code("tokenizer_config.json", auto_map={"AutoTokenizer": ["own.Own", "own.Own"]}),
    "images": with_code("preprocessor_config.json", auto_map={"AutoImageProcessor": "own.Own"}),
    "videos": with_code("video_preprocessor_config.json", auto_map={"AutoVideoProcessor": "own.Own"}),
}


@pytest.mark.parametrize("change", MAPS.values(), ids=MAPS)
def test_code_of_a_folder_never_runs_and_nobody_is_asked(
    tiny_folder: Path,
    tmp_path: Path,
    change: Change,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = tmp_path / "model"
    shutil.copytree(tiny_folder, folder)
    change(folder)
    answers = io.StringIO("y\n" * 9)
    monkeypatch.setattr(sys, "stdin", answers)
    try:
        load_policy(str(folder))
    except UserError as error:
        assert "never runs here" in str(error)
        assert "\n" not in str(error)
    assert not (folder / "RAN").exists()
    assert answers.tell() == 0
    assert "[y/N]" not in capsys.readouterr().out


def test_weights_in_parts_are_read(tiny_folder: Path, tmp_path: Path) -> None:
    shutil.copytree(tiny_folder, tmp_path / "model")
    indexed("part.safetensors")(tmp_path / "model")
    parts, whole = (load_policy(str(folder)).model.state_dict() for folder in (tmp_path / "model", tiny_folder))
    assert all(torch.equal(parts[name], whole[name]) for name in whole)


def test_tied_weights_need_not_be_in_the_file(tiny_folder: Path) -> None:
    names = load_file(tiny_folder / WEIGHTS).keys()
    assert sum(name.endswith(("lm_head.weight", "embed_tokens.weight")) for name in names) == 1
    policy = load_policy(str(tiny_folder))
    assert policy.head.weight is policy.core.language_model.embed_tokens.weight


def test_frames_that_the_processor_refuses_are_one_line(tiny_folder: Path, noise: Callable[..., Clip]) -> None:
    with pytest.raises(UserError, match=r"cannot take frames of 1202 x 5 pixels: .*aspect ratio") as caught:
        load_policy(str(tiny_folder)).encode([("Query: the blue square", noise(4, 2.0, 5, 1202))])
    assert "\n" not in str(caught.value)


def test_a_tokenizer_that_panics_is_one_line(tiny_folder: Path, tmp_path: Path, noise: Callable[..., Clip]) -> None:
    folder = tmp_path / "model"
    shutil.copytree(tiny_folder, folder)
    split = {"type": "Split", "pattern": {"Regex": "(([a-z ]+)+)+!"}, "behavior": "Isolated", "invert": False}
    options("tokenizer.json", pre_tokenizer=split)(folder)
    with pytest.raises(UserError, match="retry-limit-in-match over") as caught:
        load_policy(str(folder)).encode([("Query: the blue square " + "a" * 40, noise(4, 2.0, 84, 84))])
    assert "\n" not in str(caught.value)
