"""Slow reference implementations, written from the definitions, independent of the package."""

from __future__ import annotations

import itertools

import networkx as nx
import numpy as np


def joint(attention: np.ndarray, residual: float = 0.5) -> np.ndarray:
    """Return ``residual·I + (1 − residual)·mean over heads`` of ``(layer, head, query, key)``."""
    layers, heads, n, _ = attention.shape
    out = np.zeros((layers, n, n))
    for layer, i, j in np.ndindex(layers, n, n):
        out[layer, i, j] = (
            (1 - residual) * sum(attention[layer, h, i, j] for h in range(heads)) / heads
        )
        out[layer, i, j] += residual * (i == j)
    return out


def rollout_by_paths(matrices: np.ndarray) -> np.ndarray:
    """Return rollout as the sum over all paths down the layers of the product of their weights."""
    layers, n, _ = matrices.shape
    out = np.zeros((n, n))
    for path in itertools.product(
        range(n), repeat=layers + 1
    ):  # path[0] at the input, path[-1] at the top
        out[path[-1], path[0]] += np.prod(
            [matrices[level, path[level + 1], path[level]] for level in range(layers)]
        )
    return out


def layered_graph(matrices: np.ndarray) -> nx.DiGraph:
    """Return the graph of nodes ``(level, token)``, with an edge for every capacity above zero."""
    graph = nx.DiGraph()
    layers, n, _ = matrices.shape
    graph.add_nodes_from(itertools.product(range(layers + 1), range(n)))
    for level, i, j in zip(*np.nonzero(matrices), strict=True):
        graph.add_edge((level + 1, int(i)), (level, int(j)), capacity=float(matrices[level, i, j]))
    return graph


def flow_pair(graph: nx.DiGraph, layers: int, query: int, key: int) -> float:
    """Return one maximum flow; not by networkx's `dinitz`, which fails on float capacities."""
    return nx.maximum_flow_value(
        graph, (layers, query), (0, key), flow_func=nx.algorithms.flow.shortest_augmenting_path
    )


def flow_by_networkx(matrices: np.ndarray) -> np.ndarray:
    """Return the maximum flow of every pair."""
    graph, (layers, n, _) = layered_graph(matrices), matrices.shape
    return np.array([[flow_pair(graph, layers, i, j) for j in range(n)] for i in range(n)])


def block_matrices(
    steps: list[tuple[str, np.ndarray]], n_keys: int, n_queries: int, residual: float
) -> np.ndarray:
    """Return encoder-decoder layers as square matrices over (encoder tokens, then decoder tokens).

    ``steps`` names each head-reduced matrix: ``encoder``, ``decoder`` or ``cross``.
    """
    n = n_keys + n_queries
    out = np.stack([np.eye(n)] * len(steps))
    for matrix, (kind, weights) in zip(out, steps, strict=True):
        asks = range(n_keys) if kind == "encoder" else range(n_keys, n)
        answers = range(n_keys, n) if kind == "decoder" else range(n_keys)
        for a, i in enumerate(asks):
            matrix[i, i] = residual
            for b, j in enumerate(answers):
                matrix[i, j] += (1 - residual) * weights[a, b]
    return out


def cut_capacity(matrices: np.ndarray, inside: np.ndarray) -> float:
    """Return the capacity of all edges that leave a set of nodes ``(level, token)``."""
    return sum(
        matrices[level][np.ix_(inside[level + 1], ~inside[level])].sum()
        for level in range(len(matrices))
    )


def smallest_cuts(matrices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return, for every pair, the smallest cut around a chain of one end and of both ends.

    Around the query's chain down to a level, or the key's chain up to a level: one end. A chain
    that goes on to the level of the other end, which then is cut off alone: both ends.
    """
    layers, n, _ = matrices.shape
    one_end, both_ends = np.full((n, n), np.inf), np.full((n, n), np.inf)
    causal = not np.triu(matrices, 1).any()
    for query, key in np.ndindex(n, n):
        reached = matrices.copy()
        if causal:  # no path from the query meets a later token
            reached[:, query + 1 :] = 0
        for end in range(1, layers + 1):  # the chain's last level
            inside = np.zeros((layers + 1, n), bool)
            inside[end:, query] = True
            one_end[query, key] = min(one_end[query, key], cut_capacity(reached, inside))
        inside[1:, query] = True
        inside[0] = np.arange(n) != key
        both_ends[query, key] = cut_capacity(reached, inside)
        for end in range(layers):
            inside = np.ones((layers + 1, n), bool)
            inside[: end + 1, key] = False
            if end < layers - 1:
                one_end[query, key] = min(one_end[query, key], cut_capacity(reached, inside))
        inside[layers] = np.arange(n) == query
        both_ends[query, key] = min(both_ends[query, key], cut_capacity(reached, inside))
    return one_end, both_ends


def decode_page(
    data: bytes, shape: tuple[int, int], bits: int, scale: float, *, causal: bool = False
) -> np.ndarray:
    """Return the values that a page shows: the inverse of `code`, to within `error_of`."""
    codes = np.frombuffer(data, np.uint8)
    by_key = np.zeros(shape[::-1], np.uint8)
    if causal:
        by_key[np.tri(*shape, dtype=bool).T] = codes
    else:
        by_key[:] = codes.reshape(shape[::-1])
    values = (by_key.T / (2**bits - 1)) ** 2 * scale
    values[(2**bits - 1) < by_key.T] = np.nan
    return values


def from_sqrt8(encoded: np.ndarray, scale: float = 1.0) -> np.ndarray:
    """Return the values that the front end draws from `sqrt8`, for tests and static figures."""
    return (encoded.astype(np.float64) / 255) ** 2 * scale
