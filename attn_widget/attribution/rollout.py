"""Attention rollout: the share of each input token in each token, were layers to mix tokens linearly."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

from attn_widget.attribution.joint import BLOCK_BYTES, Graph, Step, graph_of_arrays
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
        Attention after softmax, ``(layer, head, query, key)`` or ``(layer, query, key)``, layer 0 nearest
        the input; NumPy or torch on any device, or a list of one array per layer. Rows sum to 1, or to
        less where a sink took the rest. Rectangular attention is cross-attention to keys that stay fixed.
    layer
        The target layer, from 0 (the paper's first). The top one when left out.
    start_layer
        The lowest layer that takes part, from 0. The columns stand for tokens at its input.
    query
        One row, several, or all when left out. Few rows need no product of matrices.
    residual
        Share of each token that passes by attention through the residual connection, 0 to 1.
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
        Shares; each row sums to 1 less what went to sinks (and, for rectangular attention, less what
        stayed with the query's own stream).

    Raises
    ------
    InputError
        If ``attention`` is not attention, or a layer, row, head or share is out of range.

    Notes
    -----
    Costs ``(layer − 1)·query³`` multiplications for all rows, ``layer·query²`` for one. Blind to values,
    feed-forward layers and the sign of an effect. In deep causal models it collapses on the first token.

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
    remember: Callable[[int, Callable[[], Any]], Any] | None = None,
) -> Float[Any, "query key"]:
    """Return rollout of the chosen rows: a chain from the top down for few, products from the input up for all."""
    if len(rows) < graph.n_queries:
        return _few(graph, rows)
    state = None
    for i, step in enumerate(graph.steps):
        make = lambda step=step, state=state: _climb(graph, step, state)  # noqa: E731
        # The top step is not remembered here: it may belong to one head.
        state = make() if remember is None or i == len(graph.steps) - 1 else remember(i, make)
    return (
        state[graph.rows]
        if rows == tuple(range(graph.n_queries))
        else state[graph.rows][list(rows)]
    )


def normalised(values: Float[Any, "query key"]) -> Float[Any, "query key"]:
    """Return rows divided by their sums; a row of zeros stays zeros."""
    xp = namespace(values)
    sums = xp.sum(values, axis=-1, keepdims=True)
    return values / xp.where(sums > 0, sums, xp.ones_like(sums))


def _climb(graph: Graph, step: Step, state: Any) -> Any:
    """Return the state ``(position, column)`` one step further up; None stands for the input."""
    weights = step.weights(None)
    xp = namespace(weights)
    if state is None:
        eye = xp.eye(graph.n, dtype=weights.dtype, device=array_device(weights))[:, graph.columns]
        if step.queries == step.keys == slice(0, graph.n) == graph.columns:
            return mixed(
                eye, weights, graph.residual
            )  # the first product is the joint matrix itself
        state = eye
    if step.queries == step.keys == slice(0, graph.n):
        return mixed(state, weights @ state, graph.residual)
    asked = mixed(state[step.queries], weights @ state[step.keys], graph.residual)
    return xp.concat([state[: step.queries.start], asked, state[step.queries.stop :]], axis=0)


def mixed(own: Any, read: Any, residual: float) -> Any:
    """Return ``residual·own + (1 − residual)·read``; a fresh NumPy product is scaled where it lies."""
    if not isinstance(read, np.ndarray):
        return residual * own + (1 - residual) * read
    if residual == 0.5 and read.flags.owndata and read is not own:
        out = read + own
        out *= 0.5
        return out
    return residual * own + (1 - residual) * read


def _few(graph: Graph, rows: tuple[int, ...]) -> Float[Any, "query key"]:
    """Return rollout of a few rows as row vectors times matrices, from the top down."""
    top = graph.steps[-1]
    weights = top.weights(rows)
    xp = namespace(weights)
    positions = [top.queries.start + row for row in rows]
    state = xp.zeros((len(rows), graph.n), dtype=weights.dtype, device=array_device(weights))
    state[:, top.keys] += (1 - graph.residual) * weights
    state[list(range(len(rows))), positions] += graph.residual
    for step in reversed(graph.steps[:-1]):
        asked = (1 - graph.residual) * state[:, step.queries]
        read = sum(asked[:, block] @ step.weights(chosen) for block, chosen in _blocks(step))
        state[:, step.queries] *= graph.residual
        state[:, step.keys] += read
    return state[:, graph.columns]


def _blocks(step: Step) -> list[tuple[slice, range | None]]:
    """Return which rows of a step are read at a time: all, unless their matrix alone would be large."""
    n = step.queries.stop - step.queries.start
    size = max(1, BLOCK_BYTES // (8 * (step.keys.stop - step.keys.start)))
    if size >= n:
        return [(slice(0, n), None)]
    return [(slice(i, min(i + size, n)), range(i, min(i + size, n))) for i in range(0, n, size)]


def array_device(array: Any) -> Any:
    """Return where an array lies, for arrays made beside it."""
    import array_api_compat

    return array_api_compat.device(array)
