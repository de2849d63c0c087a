"""Attention in whatever axes it was computed -> one ``(head, query, key)`` array per layer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from attn_widget.errors import InputError
from attn_widget.recording.attention_holders import (
    is_table,
    refuse_masked,
    table_labels,
    taken_out,
)

RANKS = "(layer, head, query, key), or one (head, query, key) per layer"


@dataclass
class GivenAttention:
    """One array ``(head, query, key)`` per layer, and what the given form says of its axes."""

    layers: list[Any]
    row_labels: list[str] | None = None
    column_labels: list[str] | None = None
    written: bool = False  # row by row, as generate returns it: the last token has no row
    # The first of three axes may be the batch: (batch, head, key) has no axis of queries.
    maybe_no_queries: bool = False


def read_layers(attention: Any) -> GivenAttention:
    """Return one ``(head, query, key)`` array per layer; arguments as in `from_arrays`."""
    attention = taken_out(attention)
    refuse_masked(attention)
    if is_table(attention):
        rows, columns = table_labels(attention)
        matrix = attention.to_numpy()
        return GivenAttention([_floats(matrix)[None]], rows, columns)
    if hasattr(attention, "shape"):
        return _of_array(attention)
    if not isinstance(attention, Sequence) or isinstance(attention, str):
        raise InputError(
            "attention must be an array or a sequence of arrays, "
            f"got {type(attention).__name__}. Give {RANKS}."
        )
    if len(attention) == 0:
        raise InputError(
            "attention must hold at least one layer, got none. With transformers' default "
            "attention, output_attentions=True returns an empty tuple; "
            "use aw.capture(model, inputs) instead."
        )
    if holds_steps(attention):
        from attn_widget.recording.generated_steps import stitched  # needs torch

        return GivenAttention(stitched(attention), written=True)
    if not any(_is_array(one) for one in attention) and not _holds_arrays(attention):
        whole = _numbers(attention)
        if whole is not None:
            return _of_array(whole)
    return _of_layers([_layer(one, i) for i, one in enumerate(attention)])


def _of_array(array: Any) -> GivenAttention:
    """Return the layers of one array of 2 to 5 axes."""
    shape = tuple(array.shape)
    if len(shape) < 2 or len(shape) > 5:
        raise InputError(
            f"attention must have 2 to 5 axes, got shape {shape}. Give {RANKS}; "
            "one weight per key is one row.",
            code='aw.from_arrays([weights], ["query"], key_tokens=labels)',
        )
    if 0 in shape:
        what = "at least one layer" if shape[0] == 0 else "at least one weight"
        raise InputError(f"attention must hold {what}, got shape {shape}. Give {RANKS}.")
    if len(shape) == 2:
        return GivenAttention([array[None]])
    if len(shape) == 3:
        return GivenAttention([array], maybe_no_queries=True)
    if len(shape) == 5:
        if shape[1] != 1:
            both = "\n    # or: aw.from_arrays(attention[0])" if shape[0] == 1 else ""
            raise InputError(
                "attention must be of one item, got shape "
                f"{shape}: of (layer, batch, head, query, key) that is a batch of {shape[1]}. "
                "Choose one item.",
                code=f"aw.from_arrays(attention[:, item]){both}",
            )
        array = array[:, 0]
    return GivenAttention(list(array))


def _of_layers(layers: list[Any]) -> GivenAttention:
    """Return layers, each without its batch axis."""
    ranks = {len(layer.shape) for layer in layers}
    if ranks == {1}:
        return _of_array(np.stack(layers))
    if ranks == {2} and len(layers) > 1:
        raise InputError(
            "attention must be (head, query, key) in every layer, "
            f"got {len(layers)} matrices, which could be layers or heads. Say which.",
            code="aw.from_arrays([matrix[None] for matrix in attention])  # layers\n"
            "    # or: aw.from_arrays(np.stack(attention))  # heads of one layer",
        )
    found = []
    for i, layer in enumerate(layers):
        shape = tuple(layer.shape)
        if len(shape) == 4 and shape[0] != 1:
            raise InputError(
                f"attention must be of one item, got a batch of {shape[0]} at layer {i}. "
                "Choose one: layer[item]."
            )
        if len(shape) not in (2, 3, 4) or 0 in shape or (len(shape) == 2 and len(layers) > 1):
            raise InputError(
                f"attention must be {RANKS}, got shape {shape} at layer {i}. Reshape it."
            )
        found.append(layer[0] if len(shape) == 4 else layer[None] if len(shape) == 2 else layer)
    return GivenAttention(found, maybe_no_queries=ranks == {3})


def _layer(layer: Any, i: int) -> Any:
    """Return one layer as an array; arrays unchanged."""
    if layer is None:
        raise InputError(
            f"attention must hold an array per layer, got None at layer {i}. Remove that layer."
        )
    if is_table(layer):
        return _floats(layer.to_numpy())
    if _is_array(layer):
        return layer
    if isinstance(layer, list | tuple) and any(_is_array(head) for head in layer):
        heads = [_layer(head, i) for head in layer]
        if {len(head.shape) for head in heads} == {2}:
            return np.stack([np.asarray(head) for head in heads])
    found = _numbers(layer)
    if found is None:
        raise InputError(
            "attention must be numbers in rows of equal length, "
            f"got something else at layer {i}. Give {RANKS}."
        )
    return found


def _numbers(values: Any) -> np.ndarray | None:
    """Return nested lists of numbers as an array, or None where they are none."""
    try:
        return np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        return None


def _floats(matrix: np.ndarray) -> np.ndarray:
    """Return the numbers of a table, whose columns may be of several types."""
    found = _numbers(matrix) if matrix.dtype.kind == "O" else matrix
    return matrix if found is None else found


def _is_array(value: Any) -> bool:
    """Return whether a value is an array or a table."""
    return hasattr(value, "shape")


def _holds_arrays(values: Sequence[Any]) -> bool:
    """Return whether the lists in a list hold arrays."""
    return any(isinstance(one, list | tuple) and any(map(_is_array, one)) for one in values)


def holds_steps(attention: Sequence[Any]) -> bool:
    """Return whether these are steps that each hold layers, as `generate` returns them."""

    def of_layers(step: Any) -> bool:
        if not isinstance(step, list | tuple) or len(step) == 0:
            return False
        return all(one is None or (_is_array(one) and len(one.shape) >= 3) for one in step)

    return all(of_layers(step) for step in attention)
