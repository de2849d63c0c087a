"""Cheap cuts: an upper bound on attention flow for every pair at once, without solving anything.

A cut that separates one query from one input token bounds what can flow between them. Four kinds cost
nothing: around the query, around the query's own residual chain down to some layer, around the key,
and around the key's own chain up to some layer.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float


def cut_bounds(
    capacities: Float[np.ndarray, "layer node node"],
) -> tuple[Float[np.ndarray, "node node"], Float[np.ndarray, "node node"]]:
    """Return ``(upper, saturating)`` for every pair: the best cheap cut, and the best of those that hold one end alone.

    ``upper`` is the least of all four kinds. ``saturating`` leaves out the cuts that name both ends: a flow
    that reaches it is decided by the query alone or by the key alone, and so says nothing of the pair.
    """
    top, n = len(capacities), capacities.shape[-1]
    diagonal = np.diagonal(capacities, axis1=1, axis2=2)  # (layer, node)
    row_sums = capacities.sum(axis=2)
    causal = not np.triu(capacities, 1).any()

    # From the query down: leave its chain at some layer above the input, or never (then only the last hop counts).
    left = np.zeros(n)
    query_side = np.full(n, np.inf)
    for layer in range(top - 1, 0, -1):
        query_side = np.minimum(query_side, left + row_sums[layer])
        left += np.maximum(row_sums[layer] - diagonal[layer], 0)
    own_chain = left[:, None] + capacities[0]
    query_side = np.minimum(query_side, left + row_sums[0])

    # From the key up; with causal attention only rows up to the query can be reached.
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
    """Return where a value equals its bound: only rounding is forgiven."""
    return (values > 0) & (values >= bound - 1e-12 - 1e-12 * np.abs(bound))
