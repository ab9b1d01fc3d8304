"""The processes of a run: one, or as many as `accelerate launch` or torchrun started.

torch and accelerate load in the functions: a command uses `one_voice` before it knows whether there is work to do.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from grounding.core import UserError

PATIENCE = timedelta(hours=12)  # the first process warms up and evaluates alone while the others wait for it


def without_gpu() -> bool:
    """Whether the run is on CPUs; transformers must be told so, or it refuses bfloat16 and several processes."""
    import torch

    return not torch.cuda.is_available()


def told_to_shard() -> bool:
    """Whether the launcher wants the model shared out among the processes (FSDP, DeepSpeed)."""
    return told_how() != "ddp"


def told_how() -> str:
    """How the launcher wants processes to share the work: ddp, fsdp2, or zero with the stage of DeepSpeed."""
    fsdp, deepspeed = (os.environ.get(f"ACCELERATE_USE_{name}", "").lower() == "true" for name in ("FSDP", "DEEPSPEED"))
    stage = os.environ.get("ACCELERATE_DEEPSPEED_ZERO_STAGE", "2")  # as accelerate reads it
    return "fsdp2" if fsdp else f"zero{stage}" if deepspeed else "ddp"


def join_processes() -> None:
    """Find the other processes of this run; the first call counts."""
    from accelerate import PartialState

    PartialState(cpu=without_gpu(), timeout=PATIENCE)


def first_to_say(*, alike: bool = True) -> bool:
    """Whether this process says why the run ends, because it was the first to ask.

    Args:
        alike: Whether all processes have the same to say as long as they have not joined.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        return True
    from torch import distributed

    if not distributed.is_initialized():
        return not alike or os.environ.get("RANK") == "0"
    # The launcher keeps the store: it answers when other processes are gone.
    store, rank = distributed.distributed_c10d._get_default_store(), str(distributed.get_rank())
    return store.compare_set("tubelet/end", "", rank) == rank.encode()


@contextmanager
def one_voice() -> Iterator[None]:
    """Of the processes of a run only the one that fails first says why: the others fail alike, or for want of it.

    Raises:
        SystemExit: 2, without a word, in every process that fails later; what was raised in the first.
    """
    try:
        yield
    except (Exception, KeyboardInterrupt) as error:
        if first_to_say(alike=isinstance(error, (UserError, KeyboardInterrupt))):
            raise
        raise SystemExit(2) from None


@contextmanager
def stopping_when_told() -> Iterator[None]:
    """SIGTERM, as job schedulers send it, ends the block like Ctrl-C: half-written folders go, checkpoints stay."""

    def stop(number: int, frame: object) -> None:
        if first_to_say():
            sys.stderr.write("stopped\n")
        raise SystemExit(128 + number)

    previous = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)
