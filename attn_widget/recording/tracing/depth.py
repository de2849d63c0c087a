"""The depth of a tensor: how many attention calls, one after another, it was computed from.

Calls whose inputs have the same depth stand side by side: they are heads or parts of one layer. A
call that reads what another one gave is deeper: a layer of its own, also where a model runs the
same module for every layer.
"""

from __future__ import annotations

from typing import Any

import torch

from attn_widget.recording.nested import tensors_in

DEPTH = "_attn_widget_depth"


def depth_of(tensor: Any) -> int:
    """Return the depth of a tensor; 0 where no attention came before it."""
    return getattr(tensor, DEPTH, 0) if isinstance(tensor, torch.Tensor) else 0


def set_depth(tensor: Any, depth: int) -> None:
    """Set the depth of a tensor, or of every tensor in a tuple or list."""
    if isinstance(tensor, torch.Tensor):
        setattr(tensor, DEPTH, depth)
    elif isinstance(tensor, tuple | list):
        for part in tensor:
            set_depth(part, depth)


def spread_depth(args: Any, kwargs: Any, output: Any, at_least: int = 0) -> None:
    """Give an operation's output the depth of its deepest input."""
    depth = at_least
    for value in args:
        if isinstance(value, torch.Tensor):
            depth = max(depth, getattr(value, DEPTH, 0))
        elif isinstance(value, tuple | list):
            for part in value:
                depth = max(depth, depth_of(part))
    for value in kwargs.values():
        depth = max(depth, depth_of(value))
    if depth:
        # An operation that writes into its first operand and returns nothing: x[i] = y.
        set_depth(args[0] if output is None and args else output, depth)


def spread_over_module(args: Any, kwargs: Any, output: Any, inside: int) -> None:
    """Give a module's output a depth where the operations inside could not be followed.

    Parameters
    ----------
    args, kwargs, output
        What the module took and returned.
    inside
        The depth after the attention calls inside the module; 0 where there were none.
    """
    given = list(tensors_in((args, kwargs)))
    depth = max([inside, *map(depth_of, given)])
    if not depth:
        return
    known = {id(tensor) for tensor in given}
    for tensor in tensors_in(output):
        if id(tensor) not in known and not hasattr(tensor, DEPTH):
            setattr(tensor, DEPTH, depth)
