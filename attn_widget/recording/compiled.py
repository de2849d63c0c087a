"""Compiled models: their own Python code is run, since fused kernels hold no scores."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from typing import Any

import torch

from attn_widget.errors import InputError

COMPILING = ("torch._dynamo", "torch.nn.attention.flex_attention")


def uncompiled(model: Any) -> Any:
    """Return the module that a model was compiled from; it has the same weights.

    Raises
    ------
    InputError
        If modules inside are compiled, and this version of torch cannot run them otherwise.
    """
    while isinstance(getattr(model, "_orig_mod", None), torch.nn.Module):
        model = model._orig_mod
    if not hasattr(torch.compiler, "set_stance"):
        _refuse_compiled_parts(model)
    return model


@contextlib.contextmanager
def running_eagerly() -> Iterator[None]:
    """Run compiled modules and functions by their own Python code inside."""
    # Without one of these modules nothing is compiled; to load the compiler takes long.
    used = any(name in sys.modules for name in COMPILING)
    if used and hasattr(torch.compiler, "set_stance"):
        with torch.compiler.set_stance("force_eager"):
            yield
    else:
        yield


def _refuse_compiled_parts(model: torch.nn.Module) -> None:
    """Refuse compiled modules inside, with the line that puts the original in their place."""
    for path, module in model.named_modules():
        above, _, name = path.rpartition(".")
        if hasattr(module, "_orig_mod"):
            raise InputError(
                f"model must not be compiled before torch 2.6, got {type(module).__name__} at "
                f"{path}. Put the module in its place that it was compiled from.",
                code=f"setattr(model.get_submodule({above!r}), {name!r}, "
                f"model.get_submodule({path!r})._orig_mod)",
            )
        if getattr(module, "_compiled_call_impl", None) is not None:
            raise InputError(
                "model must not be compiled before torch 2.6, got "
                f"{type(module).__name__}.compile(){f' at {path}' if path else ''}. "
                "Undo it.",
                code=f"model.get_submodule({path!r})._compiled_call_impl = None",
            )
