"""Attention rollout: the share of each input token in each token if layers mixed them linearly."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
from array_api_compat import device
from jaxtyping import Float

from attn_widget.attribution.joint import Graph, SubLayer, graph_of_arrays
from attn_widget.attribution.reduce_heads import BLOCK_BYTES
from attn_widget.attribution.validation import check_rows, namespace


def rollout(
    attention: Any,
    *,
    layer: int | None = None,
    start_layer: int = 0,
    query: int | Sequence[int] | None = None,
    residual: float = 0.5,
    reduce: str = "mean",
    head: int | None = None,
    normalise: bool = False,
) -> Float[Any, "query key"]:
    """Return attention rollout ``(query, key)`` from a layer down to the input.

    ``R_l = A_l · R_{l−1}`` with ``A_l = residual·I + (1 − residual)·reduce_heads(attention_l)``.

    Parameters
    ----------
    attention
        Attention after softmax, ``(layer, head, query, key)`` or ``(layer, query, key)``, layer 0
        nearest the input; NumPy or torch on any device, or a list of one array per layer. Rows sum
        to 1, or to less with an attention sink. Rectangular attention is cross-attention to keys
        that stay the same in all layers.
    layer
        The target layer, from 0 (1 in the paper). Omit it for the top one.
    start_layer
        The lowest layer that takes part, from 0. The columns stand for tokens at its input.
    query
        One row or several. Omit it for all. A few rows need no product of matrices.
    residual
        Share of each token that the residual connection carries past attention, 0 to 1.
    reduce
        ``mean``, ``max`` or ``min`` over heads (the latter two rescaled to the mean's row sums), or
        ``isolated``: the one ``head`` in every layer.
    head
        One head at the target layer, with reduced heads below (the paper's appendix A.1).
    normalise
        Divide each row by its sum; a row of zeros stays zeros.

    Returns
    -------
    array, (query, key)
        Shares; each row sums to 1 less the share of attention sinks (and, for rectangular
        attention, less the share of the query's own stream).

    Raises
    ------
    InputError
        If ``attention`` is not attention, or a layer, row, head or share is out of range.

    Notes
    -----
    Costs ``(layer − 1)·query³`` multiplications for all rows, ``layer·query²`` for one. Ignores
    values, feed-forward layers and the sign of an effect. In deep causal models most of every row
    goes to the first token.

    References
    ----------
    Abnar and Zuidema 2020, "Quantifying Attention Flow in Transformers", section 3.
    https://aclanthology.org/2020.acl-main.385

    Examples
    --------
    >>> import numpy as np
    >>> rollout(np.array([[[0.75, 0.25], [0.5, 0.5]], [[0.5, 0.5], [0.0, 1.0]]]))
    array([[0.71875, 0.28125],
           [0.25   , 0.75   ]])
    """
    graph = graph_of_arrays(
        attention, layer=layer, start_layer=start_layer, residual=residual, reduce=reduce, head=head
    )
    values = rollout_rows(graph, check_rows(query, graph.n_queries))
    return normalised(values) if normalise else values


def rollout_rows(
    graph: Graph,
    rows: tuple[int, ...],
    through_cache: Callable[[int, Callable[[], Any]], Any] | None = None,
) -> Float[Any, "query key"]:
    """Return rollout of the chosen rows.

    Vector times matrix from the top down for a few rows; products of matrices from the input up for
    all of them. ``through_cache(i, make)`` returns the product up to sub-layer ``i``, from a cache
    or from ``make()``.
    """
    if len(rows) < graph.n_queries:
        return _few_rows(graph, rows)
    state: Any = None
    for i, layer in enumerate(graph.sublayers):
        make = partial(_next_state, graph, layer, state)
        # The product up to the top is not cached: its head is another for each call.
        last = i == len(graph.sublayers) - 1
        state = make() if through_cache is None or last else through_cache(i, make)
    state = state[graph.rows]
    return state if rows == tuple(range(graph.n_queries)) else state[list(rows)]


def normalised(values: Float[Any, "query key"]) -> Float[Any, "query key"]:
    """Return rows divided by their sums; a row of zeros stays zeros."""
    xp = namespace(values)
    sums = xp.sum(values, axis=-1, keepdims=True)
    return values / xp.where(sums > 0, sums, xp.ones_like(sums))


def _next_state(graph: Graph, layer: SubLayer, state: Any) -> Any:
    """Return the state ``(position, column)`` after one sub-layer; None stands for the input."""
    weights = layer.weights(None)
    xp = namespace(weights)
    every = slice(0, graph.n)
    if state is None:
        state = xp.eye(graph.n, dtype=weights.dtype, device=device(weights))[:, graph.columns]
        if layer.queries == layer.keys == every == graph.columns:
            # The product with the identity is the joint matrix itself.
            return mixed(state, weights, graph.residual)
    if layer.queries == layer.keys == every:
        return mixed(state, weights @ state, graph.residual)
    changed = mixed(state[layer.queries], weights @ state[layer.keys], graph.residual)
    return xp.concat([state[: layer.queries.start], changed, state[layer.queries.stop :]], axis=0)


def mixed(own: Any, read: Any, residual: float) -> Any:
    """Return ``residual·own + (1 − residual)·read``; a NumPy product is changed in place."""
    if not isinstance(read, np.ndarray):
        return residual * own + (1 - residual) * read
    if residual == 0.5 and read.flags.owndata and read is not own:
        out = read + own
        out *= 0.5
        return out
    return residual * own + (1 - residual) * read


def _few_rows(graph: Graph, rows: tuple[int, ...]) -> Float[Any, "query key"]:
    """Return rollout of a few rows as row vectors times matrices, from the top down."""
    top = graph.sublayers[-1]
    weights = top.weights(rows)
    xp = namespace(weights)
    positions = [top.queries.start + row for row in rows]
    state = xp.zeros((len(rows), graph.n), dtype=weights.dtype, device=device(weights))
    state[:, top.keys] += (1 - graph.residual) * weights
    state[list(range(len(rows))), positions] += graph.residual
    for layer in reversed(graph.sublayers[:-1]):
        attended = (1 - graph.residual) * state[:, layer.queries]
        read = sum(attended[:, block] @ layer.weights(chosen) for block, chosen in _blocks(layer))
        state[:, layer.queries] *= graph.residual
        state[:, layer.keys] += read
    return state[:, graph.columns]


def _blocks(layer: SubLayer) -> list[tuple[slice, range | None]]:
    """Return the rows of a sub-layer that are read at a time: all, if the matrix is small."""
    n = layer.queries.stop - layer.queries.start
    size = max(1, BLOCK_BYTES // (8 * (layer.keys.stop - layer.keys.start)))
    if size >= n:
        return [(slice(0, n), None)]
    return [(slice(i, min(i + size, n)), range(i, min(i + size, n))) for i in range(0, n, size)]
