"""Upper bounds on attention flow for every pair at once, by cuts that need no maximum flow.

The capacity of any cut that separates a query from an input token bounds the flow between them.
Four kinds of cut are sums of a few rows or columns: around the query's own chain of residual edges
down to some layer, or down to the input; around the key's own chain up to some layer, or up to the
top.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float


def cut_bounds(
    capacities: Float[np.ndarray, "layer node node"],
) -> tuple[Float[np.ndarray, "node node"], Float[np.ndarray, "node node"]]:
    """Return ``(upper, saturating)`` for every pair of a query and a key.

    ``upper`` is the smallest capacity of the four kinds of cut. ``saturating`` leaves out the two
    kinds that depend on both ends: a flow that reaches it is determined by the query alone or by
    the key alone, and so carries no information about the pair.

    Notes
    -----
    Let ``chain`` be the query's positions from the top layer down to some layer ``l``. What leaves
    the chain is ``Σ (row sum − diagonal)`` over the layers above ``l``, plus the whole row sum at
    ``l``. At the input, only the edge to the key itself counts. The key's chain from the input up
    is cut in the same way, with column sums.
    """
    top, n = len(capacities), capacities.shape[-1]
    diagonal = np.diagonal(capacities, axis1=1, axis2=2)  # (layer, node)
    row_sums = capacities.sum(axis=2)
    causal = not np.triu(capacities, 1).any()

    # From the query down: the chain ends at some layer, or at the input next to the key.
    left = np.zeros(n)
    query_side = np.full(n, np.inf)
    for layer in range(top - 1, 0, -1):
        query_side = np.minimum(query_side, left + row_sums[layer])
        left += np.maximum(row_sums[layer] - diagonal[layer], 0)
    own_chain = left[:, None] + capacities[0]
    query_side = np.minimum(query_side, left + row_sums[0])

    # From the key up; with causal attention only rows up to the query can carry flow.
    joined = np.zeros((n, n) if causal else (1, n))
    key_side = np.full_like(joined, np.inf)
    for layer in range(top - 1):
        sums = (
            np.cumsum(capacities[layer], axis=0)
            if causal
            else capacities[layer].sum(axis=0, keepdims=True)
        )
        key_side = np.minimum(key_side, joined + sums)
        here = np.diagonal(capacities[layer])[None]
        joined = joined + np.maximum(
            sums - (np.tril(np.broadcast_to(here, (n, n))) if causal else here), 0
        )
    key_chain = joined + capacities[-1]

    saturating = np.minimum(query_side[:, None], key_side)
    upper = np.minimum(np.minimum(saturating, own_chain), key_chain)
    return upper, np.broadcast_to(saturating, upper.shape)


def at_bound(
    values: Float[np.ndarray, "query key"], bound: Float[np.ndarray, "query key"]
) -> Bool[np.ndarray, "query key"]:
    """Return where a value equals its bound, to rounding."""
    return (values > 0) & (values >= bound - 1e-12 - 1e-12 * np.abs(bound))
