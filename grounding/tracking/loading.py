"""Loading a model and its processor with transformers, with every mistake in one line."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import torch
import transformers
from safetensors import safe_open
from transformers.utils import logging as verbosity
from transformers.utils.peft_utils import find_adapter_config_file

from grounding.core import UserError
from grounding.core.checks import shown
from grounding.core.reading import read_json, regular_file
from grounding.tracking.versions import with_mask_decoder

DTYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}
LAYERS = (".num_hidden_layers", ".depth", ".encoder_layers", ".decoder_layers")  # of a configuration
PACKED = 16  # most weights that quantized files keep in one number
SPARE = 1 << 24  # weights that any computer has room for; what is missing is then said by name
PICKLES = {".bin", ".pt", ".pth", ".ckpt", ".pkl"}


class Loaded(NamedTuple):
    """A model in evaluation mode on its device, and its processor."""

    model: Any
    processor: Any


def place(device: str, dtype: str) -> tuple[torch.device, torch.dtype]:
    """Resolve "auto": a GPU if there is one, and bfloat16 on it; else the CPU, and float32.

    Raises:
        UserError: If the device or precision is unknown or not available.
    """
    try:
        found = torch.device(("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device)
    except RuntimeError as error:
        raise UserError(f"device must be auto, cpu, cuda or cuda:N, got {device!r}") from error
    if found.type == "cuda" and (found.index or 0) >= torch.cuda.device_count():
        raise UserError(f"device {device} is not there ({torch.cuda.device_count()} GPUs); use device cpu")
    if dtype == "auto":
        return found, torch.bfloat16 if found.type == "cuda" else torch.float32
    if dtype not in DTYPES:
        raise UserError(f"dtype must be auto, {', '.join(DTYPES)}, got {dtype!r}")
    return found, DTYPES[dtype]


def turn(device: str, worker: int) -> str:
    """The device of one of several workers: "auto" and "cuda" go round the GPUs, anything else stays."""
    count = torch.cuda.device_count()
    return f"cuda:{worker % count}" if device in ("auto", "cuda") and count else device


def load_config(name: str) -> Any:
    """A model's configuration.

    Raises:
        UserError: If it is not there, or of a kind that transformers does not know.
    """
    config = _load(name, transformers.AutoConfig)
    with model_errors(name):
        return with_mask_decoder(config, transformers.PreTrainedConfig.get_config_dict(name)[0])


def load_processor(name: str, kind: str = "AutoProcessor") -> Any:
    """A model's processor, of a class of transformers.

    Raises:
        UserError: If it is missing or broken, or needs code of its own.
    """
    return _load(name, getattr(transformers, kind))


def load_model(name: str, kind: Any, **options: Any) -> Any:
    """A model with all of its weights, from safetensors only: other files may run code.

    Args:
        name: Folder or name on the hub.
        kind: Class to load it as.
        options: Of its `from_pretrained`.

    Raises:
        UserError: If weights are missing or not finite, or anything else of it is broken.
    """
    config = load_config(name)
    _check_size(name, kind, config)
    model, found = _load(name, kind, config=config, use_safetensors=True, output_loading_info=True, **options)
    state = model.state_dict()
    lost = [key for key in sorted(found["missing_keys"]) if key not in state or state[key].is_floating_point()]
    if lost:  # transformers draws them at random
        raise UserError(f"cannot load model {name!r}: it lacks the weights {_some(lost)}; copy the whole model again")
    broken = [key for key, value in state.items() if value.is_floating_point() and not value.isfinite().all()]
    if broken:
        raise UserError(
            f"cannot load model {name!r}: weights are not finite numbers: {_some(broken)}; take an earlier checkpoint"
        )
    return model


def load_parts(name: str, model_class: Any, device: str, dtype: str, processor: str = "AutoProcessor") -> Loaded:
    """Load weights and processor, as `load_model` and `load_processor`.

    Args:
        name: Folder or name on the hub.
        model_class: What to load it as.
        device: As `place`.
        dtype: As `place`.
        processor: Class of the processor in transformers.

    Raises:
        UserError: If a part is missing or broken.
    """
    where, precision = place(device, dtype)
    model = load_model(name, model_class, dtype=precision)
    return Loaded(model.to(where).eval(), load_processor(name, processor))


def _load(name: str, kind: Any, **options: Any) -> Any:
    """What `kind.from_pretrained` makes of a model; code that lies in its folder never runs, and nobody is asked."""
    with model_errors(name), _quiet():
        _check_files(name)
        return kind.from_pretrained(name, trust_remote_code=False, **options)


def _check_files(name: str) -> None:
    folder = Path(name)
    if not folder.is_dir():
        if folder.is_absolute() or folder.exists():
            raise UserError(f"there is no model folder {name}; give a folder that holds config.json, or a hub name")
    else:
        files = [path for path in folder.iterdir() if not path.is_dir()]
        for path in files:
            regular_file(path)
        for path in folder.glob("*.safetensors.index.json"):
            _check_index(path, {file.name for file in files})
        endings = {path.suffix for path in files}
        if ".safetensors" not in endings and endings & PICKLES:
            raise UserError(
                f"cannot load model {name!r}: its weights are pickles, which may run code; where you trust them, load "
                "them and call model.save_pretrained(DIR), which writes safetensors"
            )
    if find_adapter_config_file(name) is not None:
        raise UserError(
            f"cannot load model {name!r}: it is a PEFT adapter; merge it into its model first: "
            "PeftModel.from_pretrained(model, adapter).merge_and_unload().save_pretrained(DIR)"
        )


def _check_index(path: Path, names: set[str]) -> None:
    """Refuse a list of weights whose files do not lie beside it: transformers reads whatever path stands there."""
    index = read_json(path)
    places = index.get("weight_map") if isinstance(index, dict) else None
    if not isinstance(places, dict) or not places:
        raise UserError(f"{path} must say the file of every weight under weight_map; copy the whole model again")
    for place in places.values():
        if not isinstance(place, str) or place not in names:
            raise UserError(f"{path} names {shown(place)}, which is no file beside it; copy the whole model again")


def _check_size(name: str, kind: Any, config: Any) -> None:
    """Refuse a configuration that asks for what its files do not hold, before time and memory are taken for it."""
    with model_errors(name):
        options = list(_leaves(transformers.PreTrainedConfig.get_config_dict(name)[0]))
    kernels = [text for key, text in options if key.endswith("attn_implementation") and "/" in str(text)]
    if kernels:  # of the hub, which are programs
        raise UserError(
            f"cannot load model {name!r}: it names kernels to download ({kernels[0]}), which never run here"
        )
    shapes = [shape for path in Path(name).glob("*.safetensors") for shape in _shapes(name, path)]
    if not shapes:
        return  # it comes from the hub
    layers = [number for key, number in options if key.endswith(LAYERS) and isinstance(number, int)]
    if max(layers, default=0) > len(shapes):
        raise UserError(
            f"cannot load model {name!r}: it should have {max(layers):,} layers, "
            f"but its files hold {len(shapes):,} tensors"
        )
    with model_errors(name), torch.device("meta"):  # which holds nothing
        made = kind.from_config(config, trust_remote_code=False) if hasattr(kind, "from_config") else kind(config)
    wanted, held = sum(weight.numel() for weight in made.parameters()), sum(map(math.prod, shapes))
    if wanted > PACKED * held + SPARE:
        raise UserError(f"cannot load model {name!r}: it should have {wanted:,} weights, but its files hold {held:,}")


def _shapes(name: str, path: Path) -> list[list[int]]:
    with model_errors(name), safe_open(path, "pt") as file:
        return [file.get_slice(key).get_shape() for key in file.keys()]  # noqa: SIM118 (no mapping)


def _leaves(options: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(options, dict):
        for name, inner in options.items():
            yield from _leaves(inner, f"{key}.{name}")
    else:
        yield key, options


@contextmanager
def model_errors(name: str) -> Iterator[None]:
    """Say in one line what libraries raise over the files of a model.

    Raises:
        UserError: Naming the model.
    """
    try:
        yield
    except UserError:
        raise
    except Exception as error:  # whatever broken files lead to; tokenizers raises Exception itself
        if "custom code" in str(error):
            why = "it needs code out of its own folder, which never runs here; give a model that transformers knows"
        elif "ignore_mismatched_sizes" in str(error):  # its table of them is not shown
            why = "weights have other sizes than its config.json says; copy the whole model again"
        else:
            why = reason(error)
        raise UserError(f"cannot load model {name!r}: {why}") from error


def reason(error: BaseException) -> str:
    """What a library's exception says, in one line of at most 300 letters."""
    return " ".join(str(error).split())[:300] or type(error).__name__


@contextmanager
def _quiet() -> Iterator[None]:
    """Without transformers' tables about missing weights, which are errors here."""
    before = verbosity.get_verbosity()
    verbosity.set_verbosity(verbosity.CRITICAL)
    try:
        yield
    finally:
        verbosity.set_verbosity(before)


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
