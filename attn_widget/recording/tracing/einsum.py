"""Einsums of two activations, read from their subscripts."""

from __future__ import annotations

import string
from collections.abc import Callable
from typing import Any

import torch


def einsum_letters(args: tuple[Any, ...]) -> tuple[tuple[str, str], str, tuple[Any, Any]] | None:
    """Return subscripts, output and operands of an einsum of two activations, or None.

    An ellipsis is written as one letter for each of its axes.
    """
    if not args or not isinstance(args[0], str):
        return None
    operands = args[1] if len(args) == 2 and isinstance(args[1], list | tuple) else args[1:]
    text = args[0].replace(" ", "")
    if len(operands) != 2 or "->" not in text:
        return None
    inputs, out = text.split("->")
    first, second = inputs.split(",")
    if "..." in text:
        free = [c for c in string.ascii_letters if c not in text]
        n_axes = [
            t.ndim - len(letters.replace("...", "")) if "..." in letters else 0
            for letters, t in zip((first, second), operands, strict=True)
        ]
        axes = "".join(free[: max(n_axes)])
        first, second = (
            letters.replace("...", axes[len(axes) - n :])
            for letters, n in zip((first, second), n_axes, strict=True)
        )
        out = out.replace("...", axes)
    return (first, second), out, (operands[0], operands[1])


def einsum_query_key(args: tuple[Any, ...]) -> tuple[torch.Tensor, torch.Tensor] | None:
    """Return the two operands of an einsum as ``(…, query, channel)`` and ``(…, key, channel)``."""
    parsed = einsum_letters(args)
    if parsed is None:
        return None
    (first, second), out, (a, b) = parsed
    summed = [c for c in first if c in second and c not in out]
    if len(summed) != 1 or len(out) < 2:
        return None
    lead, rows, columns = out[:-2], out[-2], out[-1]
    d = summed[0]
    if rows in second and rows not in first:
        first, second, a, b = second, first, b, a
    if rows not in first or columns not in second or rows in second or columns in first:
        return None

    def arranged(letters: str, tensor: torch.Tensor, last: str) -> torch.Tensor | None:
        if set(letters) - set(lead) - {last, d}:
            return None
        kept = [c for c in (*lead, last, d) if c in letters]
        moved = tensor.permute([letters.index(c) for c in kept])
        for i, c in enumerate(lead):
            if c not in letters:
                moved = moved.unsqueeze(i)
        return moved

    q, k = arranged(first, a, rows), arranged(second, b, columns)
    return None if q is None or k is None else (q, k)


def einsum_values(args: Any, is_weights: Callable[[Any], bool], shape: tuple[int, ...]) -> Any:
    """Return the values of an einsum of weights and values as ``(batch, head, key, channel)``."""
    parsed = einsum_letters(args)
    if parsed is None:
        return None
    (first, second), out, (a, b) = parsed
    if not is_weights(a):
        first, second, a, b = second, first, b, a
    key, lead = first[-1], first[:-2]
    channel = [c for c in second if c in out and c not in first]
    if (
        len(first) < 3
        or key not in second
        or len(channel) != 1
        or set(second) - set(first) - set(channel)
        or first[-2] in second
    ):
        return None
    kept = [c for c in (*lead, key, channel[0]) if c in second]
    values = b.permute([second.index(c) for c in kept])
    for i, c in enumerate(lead):
        if c not in second:
            values = values.unsqueeze(i)
    try:
        full = values.expand(*a.shape[:-2], *values.shape[-2:])
        return full.reshape(*shape[:2], *values.shape[-2:])
    except RuntimeError:
        return None


def einsum_projection(args: Any, heads: int) -> Any:
    """Return the matrix of an output projection, ``(head · channel, model channel)``."""
    parsed = einsum_letters(args)
    if parsed is None:
        return None
    (first, second), out, (_, matrix) = parsed
    summed = [c for c in first if c in second and c not in out]
    kept = [c for c in second if c not in summed]
    if len(summed) != 2 or len(kept) != 1 or matrix.shape[second.index(summed[0])] != heads:
        return None
    return matrix.permute([second.index(c) for c in (*summed, kept[0])]).flatten(0, 1)
