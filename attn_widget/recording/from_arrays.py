"""`from_arrays`: a capture of attention weights that were computed elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from attn_widget.errors import InputError
from attn_widget.recording.inputs.tokens import labels, positions
from attn_widget.records import Capture, LayerAttention, Tokens
from attn_widget.records.weights import ROW_TOLERANCE, check_weights, dtype_name, row_tolerance

RANKS = "(layer, head, query, key), or one (head, query, key) per layer"


def from_arrays(
    attention: Any,
    tokens: Tokens | Sequence[Any] | None = None,
    *,
    key_tokens: Tokens | Sequence[Any] | None = None,
    name: str = "arrays",
) -> Capture:
    """Return a capture of attention that was computed elsewhere.

    ``attention[layer, head, query, key] ≥ 0`` with ``Σ_key attention ≤ 1``.

    Parameters
    ----------
    attention
        Lists, NumPy or torch: ``(layer, head, query, key)``, or a sequence of one
        ``(head, query, key)`` or ``(1, head, query, key)`` per layer, such as
        ``outputs.attentions``. Dimensionless shares.
    tokens
        `Tokens` or labels of the queries, and of the keys where those are as many.
    key_tokens
        `Tokens` or labels of the keys of rectangular attention.
    name
        What the capture is called in titles.

    Returns
    -------
    Capture
        Rows sum to 1, or to less: attention sinks are legal. Arrays are not copied.

    Raises
    ------
    InputError
        If a weight is negative or no number, a row sums to more than 1 beyond the dtype's rounding,
        the axes are others, or there are not as many tokens as positions.

    Examples
    --------
    >>> capture = from_arrays([[[[1.0, 0.0], [0.25, 0.75]]]], ["The", "keys"])
    >>> capture.attention.shape
    (1, 1, 2, 2)
    """
    layers = _layers(attention)
    for i, layer in enumerate(layers):
        _check(layer, i, layers[0])
    _, n_queries, n_keys = layers[0].shape
    square = n_queries == n_keys and key_tokens is None
    streams = {"": _tokens("tokens", tokens, n_queries)}
    if not square:
        streams["keys"] = _tokens("key_tokens", key_tokens, n_keys)
    kind = "self" if square else "cross"
    return Capture(
        layers=tuple(
            LayerAttention(
                name=f"{name}.{i}",
                kind=kind,
                stream="",
                layer=i,
                n_heads=layer.shape[0],
                n_queries=n_queries,
                n_keys=n_keys,
                weights=layer,
                row_tolerance=row_tolerance(layer),
            )
            for i, layer in enumerate(layers)
        ),
        streams=streams,
        cross_streams={} if square else {"": "keys"},
        model_name=name,
        dtype=dtype_name(layers[0]),
    )


def _layers(attention: Any) -> list[Any]:
    """Return one ``(head, query, key)`` array per layer."""
    if not hasattr(attention, "shape"):
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
        attention = [_array(layer, i) for i, layer in enumerate(attention)]
    elif attention.ndim != 4:
        raise InputError(
            f"attention must have 4 axes, got shape {tuple(attention.shape)}. Give {RANKS}."
        )
    elif len(attention) == 0:
        raise InputError(
            "attention must hold at least one layer, "
            f"got shape {tuple(attention.shape)}. Give {RANKS}."
        )
    layers = []
    for i, layer in enumerate(attention):
        shape = tuple(layer.shape)
        if layer.ndim == 4 and shape[0] != 1:
            raise InputError(
                f"attention must be of one item, got a batch of {shape[0]} at layer {i}. "
                "Choose one: layer[item]."
            )
        if layer.ndim not in (3, 4) or 0 in shape:
            raise InputError(
                f"attention must be {RANKS}, got shape {shape} at layer {i}. Reshape it."
            )
        layers.append(layer[0] if layer.ndim == 4 else layer)
    return layers


def _array(layer: Any, i: int) -> Any:
    """Return one layer as an array; arrays unchanged."""
    if layer is None:
        raise InputError(
            f"attention must hold an array per layer, got None at layer {i}. Remove that layer."
        )
    if hasattr(layer, "shape"):
        return layer
    try:
        return np.asarray(layer, dtype=np.float64)
    except (TypeError, ValueError):
        raise InputError(
            "attention must be numbers in rows of equal length, "
            f"got something else at layer {i}. Give {RANKS}."
        ) from None


def _check(layer: Any, i: int, first: Any) -> None:
    """Refuse weights that no softmax can have made, and name the place."""
    if tuple(layer.shape)[1:] != tuple(first.shape)[1:]:
        raise InputError(
            "attention must have the same queries and keys in every layer, "
            f"got {tuple(layer.shape)[1:]} at layer {i} after {tuple(first.shape)[1:]}. "
            "Give each size as a capture of its own."
        )
    if dtype_name(layer) not in ROW_TOLERANCE:
        raise InputError(
            f"attention must be floating point, got {dtype_name(layer)} at layer {i}. "
            "Convert it first."
        )
    check_weights(layer, f"layer {i}")


def _tokens(argument: str, given: Any, n: int) -> Tokens:
    """Return tokens for n positions; numbers where none were given."""
    if given is None:
        return positions(n)
    if isinstance(given, str):
        raise InputError(
            f"{argument} must be one label per position, got the text {given!r}. "
            "Give a list of labels."
        )
    found = given if isinstance(given, Tokens) else labels(given)
    if len(found) != n:
        axis = "queries" if argument == "tokens" else "keys"
        raise InputError(
            f"{argument} must be as many as the {axis}, got {len(found)} for {n}. "
            f"Give {n} labels or omit them."
        )
    return found
