"""What attention weights must be: finite, 0 or more, rows that sum to at most 1.

Works on arrays of any library that `array_api_compat` knows, on their own device; imports none.
"""

from __future__ import annotations

from typing import Any

import array_api_compat

from attn_widget.errors import InputError

# How far above 1 a row may sum: what rounding of a softmax and of its sum can reach.
ROW_TOLERANCE = {"float64": 1e-4, "float32": 1e-4, "float16": 2e-2, "bfloat16": 2e-2}


def dtype_name(array: Any) -> str:
    """Return the name of an array's dtype, the same for NumPy and torch: ``"float32"``."""
    return str(getattr(array, "dtype", array)).removeprefix("torch.")


def row_tolerance(array: Any) -> float:
    """Return how far above 1 a row may sum, for an array, its dtype or the dtype's name.

    Examples
    --------
    >>> row_tolerance("float32"), row_tolerance("torch.bfloat16")
    (0.0001, 0.02)
    """
    name = dtype_name(array)
    coarse = "float" in name and name not in ("float32", "float64")
    return ROW_TOLERANCE["bfloat16" if coarse else "float32"]


def check_weights(
    weights: Any,
    where: str,
    *,
    argument: str = "attention",
    tolerance: float | None = None,
    allow_nan: bool = False,
) -> None:
    """Refuse weights that are NaN, infinite or negative, and rows that sum to more than 1.

    Two passes over the array where all is well; the place is looked for only in an error.

    Parameters
    ----------
    weights
        ``(head, query, key)`` or ``(query, key)``, floating point, NumPy or torch.
    where
        The place of the whole array, such as ``"layer 3"``; head, query and key are added.
    argument
        What the error calls the weights.
    tolerance
        How far above 1 a row may sum; that of the array's dtype where left out.
    allow_nan
        Let NaN pass: one head's own weights are shown as they are.

    Raises
    ------
    InputError
        Names the first wrong weight or row.

    Examples
    --------
    >>> import numpy as np
    >>> check_weights(np.eye(3), "layer 0")  # returns nothing: all is well
    >>> check_weights(np.eye(3) * 2, "layer 0")
    Traceback (most recent call last):
        ...
    attn_widget.errors.InputError: attention must have rows that sum to at most 1, got 2 at \
layer 0, query 0. Give attention after the softmax, with keys along the last axis.
    """
    xp = array_api_compat.array_namespace(weights)
    limit = 1 + (row_tolerance(weights) if tolerance is None else tolerance)
    # A NaN fails every comparison, and an infinity cannot hide from a row's sum.
    if bool(xp.min(weights) >= 0) and bool(xp.max(_row_sums(xp, weights)) <= limit):
        return
    missing = xp.isnan(weights)
    if allow_nan and bool(xp.any(missing)):
        rest = xp.where(missing, xp.zeros_like(weights), weights)
        check_weights(rest, where, argument=argument, tolerance=tolerance)
    else:
        _refuse(xp, weights, where, argument, limit)


def _row_sums(xp: Any, weights: Any) -> Any:
    """Return the sum of each row, in at least 32 bits: half precision loses small weights."""
    half = xp.finfo(weights.dtype).bits < 32
    return xp.sum(weights, axis=-1, dtype=xp.float32 if half else weights.dtype)


def _refuse(xp: Any, weights: Any, where: str, argument: str, limit: float) -> None:
    """Raise the error that names the first wrong weight or row."""
    axes = ("head", "query", "key")[-weights.ndim :]

    def first(wrong: Any) -> tuple[tuple[int, ...], str]:
        place = tuple(int(axis[0]) for axis in xp.nonzero(wrong))
        named = [f"{axis} {i}" for axis, i in zip(axes, place, strict=False)]
        return place, ", ".join([where, *named])

    finite = xp.isfinite(weights)
    if not bool(xp.all(finite)):
        place, at = first(~finite)
        raise InputError(
            f"{argument} must be finite, got {float(weights[place])} at {at}. "
            "Mask padding before the softmax, or run the model in float32."
        )
    if bool(xp.min(weights) < 0):
        place, at = first(weights < 0)
        raise InputError(
            f"{argument} must be 0 or more, got {float(weights[place]):.4g} at {at}. "
            "Give attention after the softmax, not scores."
        )
    sums = _row_sums(xp, weights)
    place, at = first(sums > limit)
    raise InputError(
        f"{argument} must have rows that sum to at most 1, got {float(sums[place]):.6g} at {at}. "
        "Give attention after the softmax, with keys along the last axis."
    )
