"""`from_arrays`: a capture of attention weights that were computed elsewhere."""

from __future__ import annotations

from typing import Any

from attn_widget.errors import InputError
from attn_widget.recording.array_layers import GivenAttention, read_layers
from attn_widget.recording.inputs.given_tokens import given_tokens
from attn_widget.recording.inputs.tokens import positions
from attn_widget.records import Capture, LayerAttention, Tokens
from attn_widget.records.tokens import select
from attn_widget.records.weights import ROW_TOLERANCE, check_weights, dtype_name, row_tolerance


def from_arrays(
    attention: Any,
    tokens: Any = None,
    *,
    key_tokens: Any = None,
    tokenizer: Any = None,
    name: str = "arrays",
) -> Capture:
    """Return a capture of attention that was computed elsewhere.

    ``attention[layer, head, query, key] ≥ 0`` with ``Σ_key attention ≤ 1``.

    Parameters
    ----------
    attention
        Lists, NumPy, torch or pandas: ``(layer, head, query, key)``; a sequence of one
        ``(head, query, key)`` or ``(1, head, query, key)`` per layer, such as
        ``outputs.attentions``; one layer ``(head, query, key)``; one matrix ``(query, key)``; with
        a batch of one, ``(layer, 1, head, query, key)``; what ``generate`` returns, steps that hold
        layers, whose rows are joined; a model's output that holds one kind of attention; or a
        mapping ``name -> array``, such as a cache of activations. Dimensionless shares.
    tokens
        `Tokens`, labels or ids of the queries, and of the keys where those are as many.
    key_tokens
        `Tokens`, labels or ids of the keys of rectangular attention.
    tokenizer
        Makes pieces and ids readable, and tells their words and special tokens.
    name
        What the capture is called in titles.

    Returns
    -------
    Capture
        Rows sum to 1, or to less: attention sinks are legal. Arrays are not copied, except to join
        steps.

    Raises
    ------
    InputError
        If a weight is negative or no number, a row sums to more than 1 beyond the dtype's rounding,
        a cell is masked, the axes cannot be told, or there are not as many tokens as positions.

    Examples
    --------
    >>> capture = from_arrays([[[[1.0, 0.0], [0.25, 0.75]]]], ["The", "keys"])
    >>> capture.attention.shape
    (1, 1, 2, 2)
    """
    given = read_layers(attention)
    layers = given.layers
    for i, layer in enumerate(layers):
        _check(layer, i, layers[0])
    _check_queries(given, tokens, key_tokens)
    _, n_queries, n_keys = layers[0].shape
    if tokens is None:
        tokens = given.row_labels
    if key_tokens is None and (n_queries != n_keys or given.column_labels != given.row_labels):
        key_tokens = given.column_labels
    square = n_queries == n_keys and key_tokens is None
    streams = {"": _tokens("tokens", tokens, n_queries, tokenizer, given.written)}
    if not square:
        streams["keys"] = _tokens("key_tokens", key_tokens, n_keys, tokenizer, False)
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


def _check_queries(given: GivenAttention, tokens: Any, key_tokens: Any) -> None:
    """Refuse three axes that may hold no queries: (batch, head, key)."""
    shape = tuple(given.layers[0].shape)
    told = key_tokens is not None or (hasattr(tokens, "__len__") and len(tokens) == shape[1])
    if given.maybe_no_queries and shape[1] != shape[2] and not told:
        raise InputError(
            f"attention must have axes that can be told apart, got shape {shape} at layer 0, which "
            "could be (head, query, key) or (batch, head, key). Name the keys, or give a query "
            "axis of one.",
            code="aw.from_arrays(attention, key_tokens=labels)\n"
            "    # or: aw.from_arrays(attention[item][:, None], key_tokens=labels)",
        )


def _tokens(argument: str, given: Any, n: int, tokenizer: Any, written: bool) -> Tokens:
    """Return tokens for n positions; numbers where none were given."""
    if given is None:
        return positions(n)
    found = given_tokens(argument, given, tokenizer)
    if written and len(found) == n + 1:  # the last token that was written has no row yet
        found = select(found, range(n))
    if len(found) != n:
        axis = "queries" if argument == "tokens" else "keys"
        raise InputError(
            f"{argument} must be as many as the {axis}, got {len(found)} for {n}. "
            f"Give {n} labels or omit them."
        )
    return found
