"""Products that need not be made: of items that are still equal, and of rows that nobody will read.

Rules about modules, not about families, for what holds a matrix and is given one vector per position. Until the first
head is off, all items of a batch are the same: one is multiplied for all. After the last attention no position sees
another: only the row that is asked for is multiplied, the others stay zero. Whether a model's answer then is what it
was is for the caller to try.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import torch

from attn_widget.recording.head_mask import Switches


@contextlib.contextmanager
def narrowed(
    model: torch.nn.Module, switches: Switches, attentions: int, row: int, rows: int
) -> Iterator[None]:
    """Leave out such products while a pass of so many attentions runs; every forward is as before after it."""
    modules = [
        m
        for m in model.modules()
        if not m._modules and getattr(getattr(m, "weight", None), "ndim", 0) == 2
    ]
    items = len(switches.off)
    first = min(
        (min(one) for one in switches.off if one), default=-1
    )  # attention in which items begin to differ

    def stand_in(own: Callable[..., Any]) -> Callable[..., Any]:
        def forward(*args: Any, **kwargs: Any) -> Any:
            x = args[0] if len(args) == 1 and not kwargs else None
            # As many items as rows: which axis is which could not be told.
            if not isinstance(x, torch.Tensor) or x.shape[:-1] != (items, rows) or items == rows:
                return own(*args, **kwargs)
            if switches.count >= attentions:
                one = own(x[:, row : row + 1])
                out = one.new_zeros(items, rows, one.shape[-1])
                out[:, row : row + 1] = one
                return out
            if switches.count <= first and items > 1:
                return own(x[:1]).repeat(items, 1, 1)
            return own(x)

        return forward

    saved = [vars(module).get("forward") for module in modules]
    try:
        for module in modules:
            module.forward = stand_in(module.forward)
        yield
    finally:
        for module, own in zip(modules, saved, strict=True):
            vars(module).pop("forward", None)
            if own is not None:
                module.forward = own
