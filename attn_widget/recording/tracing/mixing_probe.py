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

from attn_widget.recording.nested import tensors_in
from attn_widget.recording.run_aside import differs
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
    states = _same_shape(frame, output)
    if states is None:
        return None
    try:
        plain = _again(frame, states, None, -2)
        if plain is None:
            return None
        # Convolutions of PyTorch hold positions on the last axis; modules that convolve where the
        # lengths of the attention tell it; all others before the channels.
        last = isinstance(frame.module, _ConvNd) or (
            frame.convolves and states.shape[-1] in lengths and states.shape[-2] not in lengths
        )
        return _reaches_others(frame, states, plain, -1 if last else -2)
    except Exception:  # a module may refuse to run twice, with any error: then nothing is known
        return None


def _same_shape(frame: Frame, output: Any) -> torch.Tensor | None:
    """Return the first input with numbers, where the output has its positions."""
    shapes = {tuple(t.shape[:-1]) for t in tensors_in(output) if t.is_floating_point()}
    for _, value in given_to(frame):
        if isinstance(value, torch.Tensor) and value.is_floating_point() and value.ndim >= 3:
            return value if tuple(value.shape[:-1]) in shapes else None
    return None


def _again(frame: Frame, states: torch.Tensor, middle: int | None, axis: int) -> Any:
    """Return what the module gives, with other numbers at one entry of an axis of its inputs.

    All inputs of the shape of the states change: queries, keys and values are three of them.
    """

    def changed(value: Any) -> Any:
        if not isinstance(value, torch.Tensor) or value.shape != states.shape:
            return value
        if not value.is_floating_point():
            return value
        other = value.detach().clone().movedim(axis, 0)
        if middle is not None:
            other[middle] = other[middle] * -2 + other.std() + 1
        return other.movedim(0, axis)

    args = [changed(value) for value in frame.args]
    kwargs = {name: changed(value) for name, value in frame.kwargs.items()}
    output = frame.module.forward(*args, **kwargs)
    shape = states.shape[:-1]
    return next((t for t in tensors_in(output) if t.shape[:-1] == shape), None)


def _reaches_others(frame: Frame, states: torch.Tensor, plain: torch.Tensor, axis: int) -> bool:
    """Return whether a change at one entry of an axis reaches other entries of the output."""
    middle = states.shape[axis] // 2
    again = _again(frame, states, middle, axis)
    if again is None or again.shape != plain.shape or again.shape[axis] != states.shape[axis]:
        return False
    moved = differs(again, plain).movedim(axis, 0).flatten(1).any(1)
    moved[middle] = False
    return bool(moved.any())
