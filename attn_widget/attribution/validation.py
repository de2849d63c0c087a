"""Refuses what is not attention, before any work: every rule once, with the place where it breaks."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Any

import array_api_compat

from attn_widget.errors import InputError, MethodError
from attn_widget.records import to_numpy

REDUCTIONS = ("mean", "max", "min", "isolated")
HALF_TOLERANCE = 2e-2  # rows of bfloat16 and float16 attention sum to 1 only so far
TOLERANCE = 1e-4


def namespace(array: Any) -> Any:
    """Return the array API of NumPy, torch … for one of its arrays."""
    return array_api_compat.array_namespace(array)


def as_layers(attention: Any) -> list[Any]:
    """Return attention as one float array per layer, ``(head, query, key)`` or ``(query, key)``, of one shape."""
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
                f"attention must be (layer, head, query, key) or (layer, query, key), got {array.ndim} axes. "
                "Choose one item of a batch first."
            )
        layers = list(array)
    if not layers:
        raise InputError(
            "attention must have at least one layer, got none. Record the model first."
        )
    for i, layer in enumerate(layers):
        if layer.ndim not in (2, 3):
            raise InputError(
                f"attention must be (head, query, key) or (query, key) in every layer, got {layer.ndim} axes "
                f"at layer {i}. Choose one item of a batch first."
            )
        if tuple(layer.shape[-2:]) != tuple(layers[0].shape[-2:]):
            raise InputError(
                f"attention must have the same queries and keys in every layer, got {tuple(layer.shape[-2:])} at "
                f"layer {i} and {tuple(layers[0].shape[-2:])} at layer 0. Give layers of one stream."
            )
        if 0 in layer.shape:
            raise InputError(
                f"attention must not be empty, got shape {tuple(layer.shape)} at layer {i}. Drop it."
            )
    return [widened(layer) for layer in layers]


def widened(array: Any) -> Any:
    """Return floats of at least 32 bits: half precision loses small weights, and integers cannot be shared out."""
    xp = namespace(array)
    if not xp.isdtype(array.dtype, "real floating"):
        return xp.astype(array, xp.float64)
    return xp.astype(array, xp.float32) if xp.finfo(array.dtype).bits < 32 else array


def tolerance_of(attention: Any) -> float:
    """Return how far above 1 a row may sum in this array's precision."""
    first = (
        attention
        if hasattr(attention, "dtype")
        else (attention[0] if len(attention) else attention)
    )
    return HALF_TOLERANCE if "float16" in str(getattr(first, "dtype", "")) else TOLERANCE


def check_weights(weights: Any, tolerance: float, where: str, missing: bool = False) -> None:
    """Refuse NaN, infinite or negative weights and rows above 1, in two passes over one layer.

    With ``missing``, NaN passes: one head's own weights are shown as they are, whatever made them.
    """
    xp = namespace(weights)
    # A NaN fails every comparison, and an infinity cannot hide from a row's sum.
    if bool(xp.min(weights) >= 0) and bool(xp.max(xp.sum(weights, axis=-1)) <= 1 + tolerance):
        return
    if missing and bool(xp.any(xp.isnan(weights))):
        check_weights(
            xp.where(xp.isnan(weights), xp.zeros_like(weights), weights), tolerance, where
        )
        return
    _explain(weights, tolerance, where)


def _explain(weights: Any, tolerance: float, where: str) -> None:
    """Raise the error that names the first offending weight or row."""
    xp = namespace(weights)
    names = ("head", "query", "key")[-weights.ndim :]

    def at(wrong: Any) -> tuple[tuple[int, ...], str]:
        place = tuple(int(axis[0]) for axis in xp.nonzero(wrong))
        return place, ", ".join(
            [where, *(f"{name} {i}" for name, i in zip(names, place, strict=False))]
        )

    if not bool(xp.all(xp.isfinite(weights))):
        place, text = at(~xp.isfinite(weights))
        raise InputError(
            f"attention must be finite, got {float(weights[place])} at {text}. "
            "Mask padding before the softmax, or run the model in float32."
        )
    if float(xp.min(weights)) < 0:
        place, text = at(weights < 0)
        raise InputError(
            f"attention must not be negative, got {float(weights[place]):.6g} at {text}. "
            "Give attention after the softmax, not scores."
        )
    sums = xp.sum(weights, axis=-1)
    place, text = at(sums > 1 + tolerance)
    raise InputError(
        f"attention must have rows that sum to at most 1 (tolerance {tolerance:g}), got {float(sums[place]):.6g} "
        f"at {text}. Give attention after the softmax, and keys along the last axis."
    )


def check_residual(residual: float) -> None:
    """Refuse a residual share outside [0, 1]."""
    if (
        isinstance(residual, bool)
        or not isinstance(residual, (int, float))
        or not 0 <= residual <= 1
    ):
        raise InputError(
            f"residual must be a number from 0 to 1, got {residual!r}. 0.5 is the paper's; 0 leaves the residual out."
        )


def check_reduce(reduce: str, head: int | None) -> None:
    """Refuse an unknown way of reducing heads, and `isolated` without its head."""
    if reduce not in REDUCTIONS:
        raise InputError(
            f"reduce must be one of {', '.join(REDUCTIONS)}, got {reduce!r}. Choose one of these."
        )
    if reduce == "isolated" and head is None:
        raise InputError(
            'head must be given with reduce="isolated", got None. Say which head: head=0.'
        )


def check_index(name: str, value: int | None, n: int, default: int | None = None) -> int:
    """Return an index of 0 to n − 1, counted from the end when negative, or refuse it."""
    if value is None:
        return default if default is not None else n - 1
    try:
        index = value.__index__()
    except AttributeError:
        raise InputError(
            f"{name} must be a whole number, got {value!r}. Give an index of 0 to {n - 1}."
        ) from None
    if not -n <= index < n:
        raise InputError(f"{name} must be 0 to {n - 1}, got {index}. Choose one that exists.")
    return index % n


def check_rows(query: int | Sequence[int] | None, n: int) -> tuple[int, ...]:
    """Return the query positions asked for: one, several, or all when None."""
    if query is None:
        return tuple(range(n))
    if hasattr(query, "__index__") and not getattr(query, "ndim", 0):
        return (check_index("query", query, n),)
    if not hasattr(query, "__iter__"):
        raise InputError(
            f"query must be a whole number or several, got {query!r}. Give indices of 0 to {n - 1}."
        )
    rows = tuple(check_index("query", i, n) for i in query)
    if not rows:
        raise InputError("query must name at least one row, got none. Leave it out for all rows.")
    return rows


def installed(module: str, what: str, instead: str) -> Any:
    """Return a module that the package does without, or say how to install it."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        name = module.split(".")[0]
        raise MethodError(
            f"{name} must be installed for {what}, got none. Install it, or {instead}.",
            code=f"pip install {name}",
        ) from error
