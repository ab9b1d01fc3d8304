"""Calling parts of a model that DDP, FSDP or DeepSpeed wrap; they take part only in calls of the whole model."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

Result = TypeVar("Result")


def inside_forward(model: Any, inner: Any, function: Callable[[], Result]) -> Result:
    """Run a function as if it were the model's forward pass, so that gradients are exchanged and weights gathered.

    Args:
        model: The model as the trainer has it, wrapped or not.
        inner: The model itself.
        function: Calls parts of `inner`; tensors that it returns carry the gradients.
    """
    before = vars(inner).get("forward")  # mixed precision puts one there

    def restore() -> None:
        if before is None:
            vars(inner).pop("forward", None)
        else:
            inner.forward = before

    def forward(*_: Any, **__: Any) -> Result:
        restore()  # the function may call the model itself
        return function()

    inner.forward = forward
    try:
        return model(None)  # DDP wants an argument
    finally:
        restore()
