"""Trait types of the widget that traitlets does not have."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np
import traitlets

from attn_widget.errors import InputError
from attn_widget.records import HeadScores, to_numpy


class Indices(traitlets.List):
    """A sorted list of distinct integers; a single integer becomes a list of one."""

    def set(self, obj: Any, value: Any) -> None:
        """Assign a string as it is: List would wrap it, and the error would show a list."""
        super(traitlets.List, self).set(obj, value)

    def validate(self, obj: Any, value: Any) -> list[int]:
        """Return the value as a sorted list of integers, refusing anything else."""
        name = self.name or "value"
        items = (
            list(value) if hasattr(value, "__iter__") and not isinstance(value, str) else [value]
        )
        try:
            return sorted({operator.index(i) for i in items})
        except TypeError:
            raise InputError(
                f"{name} must be an integer or a list of integers, got {value!r}. Give positions."
            ) from None


class Integer(traitlets.Int):
    """An integer, also of NumPy; booleans and floats are refused."""

    def validate(self, obj: Any, value: Any) -> int:
        """Return the value as an int, refusing anything that is not one."""
        if isinstance(value, bool):
            raise InputError(f"{self.name} must be an integer, got {value!r}. Give a number.")
        try:
            return operator.index(value)
        except TypeError:
            raise InputError(
                f"{self.name} must be an integer, got {value!r}. Give a number."
            ) from None


class Metric(traitlets.TraitType):
    """One number per layer and head, as `HeadScores`, or None; an array gets the name "metric"."""

    def validate(self, obj: Any, value: Any) -> HeadScores | None:
        """Return the value as HeadScores of finite numbers or NaN, refusing anything else."""
        if value is None or isinstance(value, HeadScores):
            return value
        try:
            values = np.asarray(to_numpy(value), dtype=np.float64)
        except (TypeError, ValueError):
            values = np.empty(0)
        if values.ndim != 2 or np.isinf(values).any():
            raise InputError(
                f"{self.name} must be HeadScores or finite numbers (layer, head), "
                f"got {_short(value)}. Give one number per layer and head."
            )
        return HeadScores("metric", values, obj.attention, "")


def metric_json(scores: HeadScores | None, _widget: Any = None) -> dict[str, Any]:
    """Return the JSON of a metric: {} for none, and null for a head without a number."""
    if scores is None:
        return {}
    values = [[float(v) if np.isfinite(v) else None for v in row] for row in scores.values]
    return {
        "name": scores.name,
        "unit": scores.unit,
        "attention": scores.attention,
        "values": values,
    }


def _short(value: Any) -> str:
    """Return a value for an error message: the shape of an array, else the start of its text."""
    shape = getattr(value, "shape", None)
    return f"an array of shape {tuple(shape)}" if shape is not None else repr(value)[:60]
