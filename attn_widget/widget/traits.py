"""The trait types of the widget that ipywidgets does not have."""

from __future__ import annotations

import operator
from typing import Any

import traitlets

from attn_widget.errors import InputError


class Indices(traitlets.List):
    """A list of distinct positions; a single integer may be assigned and becomes a list of one."""

    def set(self, obj: Any, value: Any) -> None:
        """Assign as any trait does: a List would first wrap a string, and the error would show it wrapped."""
        super(traitlets.List, self).set(obj, value)

    def validate(self, obj: Any, value: Any) -> list[int]:
        """Return the value as a sorted list of integers, refusing anything else."""
        name = self.name or "value"
        items = list(value) if hasattr(value, "__iter__") and not isinstance(value, str) else [value]
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
            raise InputError(f"{self.name} must be an integer, got {value!r}. Give a number.") from None
