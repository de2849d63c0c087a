"""Whether a module mixes positions, measured: one position of its input is changed.

Convolutions, state-space layers, Fourier transforms and attentions that could not be read carry
something from one position to another. What they carry stands in no attention map, so it must be
named.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import torch
from torch.nn.modules.conv import _ConvNd

from attn_widget.recording.run_aside import differs
from attn_widget.recording.tracing.depth import tensors_in
from attn_widget.recording.tracing.module_stack import Frame, given_to

# Operations that work on each position alone, whatever their arguments. Any other operation makes
# a module be measured.
POSITIONWISE = frozenset((
    "linear", "layer_norm", "rms_norm", "gelu", "silu", "relu", "relu_", "sigmoid", "tanh", "elu",
    "leaky_relu", "hardtanh", "hardswish", "mish", "softplus", "dropout", "dropout_", "add", "add_",
    "__add__", "__radd__", "__iadd__", "sub", "__sub__", "__rsub__", "rsub", "mul", "mul_",
    "__mul__", "__rmul__", "__imul__", "div", "__truediv__", "__itruediv__", "neg", "pow",
    "__pow__", "square", "sqrt", "rsqrt", "reciprocal", "exp", "log", "abs", "sign", "erf",
    "clamp", "clamp_", "to", "float", "half", "bfloat16", "double", "type", "type_as", "__get__",
    "__set__", "__delete__", "dim", "size", "numel", "is_floating_point", "is_complex", "clone",
    "detach", "contiguous", "view", "reshape", "requires_grad_", "embedding", "addmm", "identity",
    "item", "__bool__", "__len__", "get_device", "element_size", "is_contiguous", "stride",
    "data_ptr", "__format__", "__repr__", "any", "all", "__eq__", "__gt__", "__lt__", "__ge__",
    "__le__", "eq", "ne", "gt", "lt", "ge", "le", "isnan", "isinf", "isfinite",
))  # fmt: skip


def mixes_positions(frame: Frame, output: Any, lengths: Collection[int]) -> bool | None:
    """Return whether a change at one position of a module's input reaches another position.

    None where that cannot be measured: the output has other positions, or the module cannot run
    twice.

    Parameters
    ----------
    frame
        The call of the module.
    output
        What it returned.
    lengths
        Numbers of positions that attention in this model had, to tell positions from channels.
    """
    found = _same_shape(frame, output)
    if found is None:
        return None
    place, states = found
    try:
        plain = _again(frame, place, states)
        if plain is None:
            return None
        # Convolutions of PyTorch hold positions on the last axis; modules that convolve where the
        # lengths of the attention tell it; all others before the channels.
        last = isinstance(frame.module, _ConvNd) or (
            frame.convolves and states.shape[-1] in lengths and states.shape[-2] not in lengths
        )
        return _reaches_others(frame, place, states, plain, -1 if last else -2)
    except Exception:  # a module may refuse to run twice, with any error: then nothing is known
        return None


def _same_shape(frame: Frame, output: Any) -> tuple[int | str, torch.Tensor] | None:
    """Return the input that has the positions of the output, and where it was given."""
    shapes = {tuple(t.shape[:-1]) for t in tensors_in(output) if t.is_floating_point()}
    for place, value in given_to(frame):
        if isinstance(value, torch.Tensor) and value.is_floating_point() and value.ndim >= 3:
            return (place, value) if tuple(value.shape[:-1]) in shapes else None
    return None


def _again(frame: Frame, place: int | str, states: torch.Tensor) -> torch.Tensor | None:
    """Return what the module gives for other states, where it has their positions."""
    args, kwargs = list(frame.args), dict(frame.kwargs)
    if isinstance(place, int):
        args[place] = states.clone()
    else:
        kwargs[place] = states.clone()
    output = frame.module.forward(*args, **kwargs)
    shape = states.shape[:-1]
    return next((t for t in tensors_in(output) if t.shape[:-1] == shape), None)


def _reaches_others(
    frame: Frame, place: int | str, states: torch.Tensor, plain: torch.Tensor, axis: int
) -> bool:
    """Return whether a change at one entry of an axis reaches other entries of the output."""
    changed = states.detach().clone().movedim(axis, 0)
    middle = len(changed) // 2
    changed[middle] = changed[middle] * -2 + changed.std() + 1
    again = _again(frame, place, changed.movedim(0, axis))
    if again is None or again.shape != plain.shape or again.shape[axis] != states.shape[axis]:
        return False
    moved = differs(again, plain).movedim(axis, 0).flatten(1).any(1)
    moved[middle] = False
    return bool(moved.any())
