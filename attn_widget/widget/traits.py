"""The trait types of the widget that ipywidgets does not have."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np
import traitlets

from attn_widget.errors import InputError
from attn_widget.records import HeadScores, to_numpy


class Indices(traitlets.List):
    """A list of distinct positions; a single integer may be assigned and becomes a list of one."""

    def set(self, obj: Any, value: Any) -> None:
        """Assign as any trait does: a List would first wrap a string, and the error would show it wrapped."""
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


class Whole(traitlets.Int):
    """An integer; NumPy's integers count, booleans and floats do not."""

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
    """One number per layer and head, as `HeadScores`; an array is named "metric", and None takes it away."""

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
                f"{self.name} must be HeadScores or finite numbers (layer, head), got {_short(value)}. "
                "Give one number per layer and head."
            )
        return HeadScores("metric", values, obj.attention, "")


def metric_json(scores: HeadScores | None, _widget: Any = None) -> dict[str, Any]:
    """Return what the front end reads of a metric: {} for none, and null where a head has no number."""
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
