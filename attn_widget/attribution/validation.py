"""Checks of the arguments of attribution functions, made before any work."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import array_api_compat

from attn_widget.errors import InputError
from attn_widget.records import check_index, check_indices, to_numpy

REDUCTIONS = ("mean", "max", "min")  # of all heads of a layer to one matrix
ISOLATED = "isolated"  # one head in every layer


def namespace(array: Any) -> Any:
    """Return the array API of NumPy, torch … for one of its arrays."""
    return array_api_compat.array_namespace(array)


def as_layers(attention: Any) -> list[Any]:
    """Return attention as one float array per layer, all with the same queries and keys.

    ``(head, query, key)`` or ``(query, key)`` each.
    """
    if (
        not hasattr(attention, "ndim")
        and isinstance(attention, Sequence)
        and hasattr(attention[0], "ndim")
    ):
        layers = list(attention)
    else:
        array = attention if hasattr(attention, "ndim") else to_numpy(attention)
        if array.ndim not in (3, 4):
            raise InputError(
                "attention must be (layer, head, query, key) or (layer, query, key), got "
                f"{array.ndim} axes. Choose one item of a batch first."
            )
        layers = list(array)
    if not layers:
        raise InputError(
            "attention must have at least one layer, got none. Record the model first."
        )
    for i, layer in enumerate(layers):
        if layer.ndim not in (2, 3):
            raise InputError(
                "attention must be (head, query, key) or (query, key) in every layer, got "
                f"{layer.ndim} axes at layer {i}. Choose one item of a batch first."
            )
        if tuple(layer.shape[-2:]) != tuple(layers[0].shape[-2:]):
            raise InputError(
                "attention must have the same queries and keys in every layer, got "
                f"{tuple(layer.shape[-2:])} at layer {i} and {tuple(layers[0].shape[-2:])} at "
                "layer 0. Give layers of one stream."
            )
        if 0 in layer.shape:
            raise InputError(
                f"attention must not be empty, got shape {tuple(layer.shape)} at layer {i}. "
                "Remove the empty layer."
            )
    return [widened(layer) for layer in layers]


def widened(array: Any) -> Any:
    """Return floats of at least 32 bits: half precision loses small weights."""
    xp = namespace(array)
    if not xp.isdtype(array.dtype, "real floating"):
        return xp.astype(array, xp.float64)
    return xp.astype(array, xp.float32) if xp.finfo(array.dtype).bits < 32 else array


def check_residual(residual: float) -> None:
    """Refuse a residual share outside [0, 1]."""
    if (
        isinstance(residual, bool)
        or not isinstance(residual, (int, float))
        or not 0 <= residual <= 1
    ):
        raise InputError(
            f"residual must be a number from 0 to 1, got {residual!r}. 0.5 is the paper's; "
            "0 leaves the residual out."
        )


def check_reduce(reduce: str, head: int | None) -> None:
    """Refuse an unknown reduction of heads, and ``isolated`` without its head."""
    known = (*REDUCTIONS, ISOLATED)
    if reduce not in known:
        raise InputError(
            f"reduce must be one of {', '.join(known)}, got {reduce!r}. Choose one of these."
        )
    if reduce == ISOLATED and head is None:
        raise InputError(
            'head must be given with reduce="isolated", got None. Give the head: head=0.'
        )


def check_layers(layer: int | None, start_layer: int, n: int) -> tuple[int, int]:
    """Return the target layer, the top one for None, and the start layer, which is not above it."""
    top = n - 1 if layer is None else check_index("layer", layer, n)
    start = check_index("start_layer", start_layer, n)
    if start > top:
        raise InputError(
            f"start_layer must not be above layer {top}, got {start}. "
            "Start at or below the target layer."
        )
    return top, start


def check_rows(query: int | Sequence[int] | None, n: int) -> tuple[int, ...]:
    """Return the chosen query positions: one, several, or all when None."""
    if query is None:
        return tuple(range(n))
    if hasattr(query, "__index__") and not getattr(query, "ndim", 0):
        return (check_index("query", query, n),)
    if not isinstance(query, Sequence) and not hasattr(query, "__iter__"):
        raise InputError(
            f"query must be a whole number or several, got {query!r}. Give indices of 0 to {n - 1}."
        )
    rows = tuple(check_indices("query", query, n))
    if not rows:
        raise InputError("query must name at least one row, got none. Omit it for all rows.")
    return rows
