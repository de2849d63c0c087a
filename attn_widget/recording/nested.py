"""Values that a model takes or returns: tensors, also inside tuples, lists and mappings."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import torch


def tensors_in(value: Any) -> Iterator[torch.Tensor]:
    """Yield the tensors of a value, also those in tuples, lists and mappings."""
    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, tuple | list):
        for part in value:
            yield from tensors_in(part)
    elif hasattr(value, "values") and hasattr(value, "keys"):
        for part in value.values():
            yield from tensors_in(part)


def copied(value: Any) -> Any:
    """Return a value that a model may change, such as a cache of keys, as a copy."""
    if value is None or isinstance(value, torch.Tensor | int | float | str | torch.nn.Module):
        return value
    if type(value) in (tuple, list):
        return type(value)(copied(part) for part in value)
    if type(value) is dict:
        return {name: copied(part) for name, part in value.items()}
    return copy.deepcopy(value)
