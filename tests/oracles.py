"""Slow, plain answers to compare with: written from the definitions, sharing no line with the package."""

from __future__ import annotations

import itertools

import networkx as nx
import numpy as np


def joint(attention: np.ndarray, residual: float = 0.5) -> np.ndarray:
    """Return ``residual·I + (1 − residual)·mean over heads`` of ``(layer, head, query, key)``, entry by entry."""
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
    """Return nodes ``(level, token)`` and an edge for every capacity above zero, from the top down."""
    graph = nx.DiGraph()
    layers, n, _ = matrices.shape
    graph.add_nodes_from(itertools.product(range(layers + 1), range(n)))
    for level, i, j in zip(*np.nonzero(matrices), strict=True):
        graph.add_edge((level + 1, int(i)), (level, int(j)), capacity=float(matrices[level, i, j]))
    return graph


def flow_pair(graph: nx.DiGraph, layers: int, query: int, key: int) -> float:
    """Return one maximum flow. (networkx's `dinitz` fails on float capacities; this algorithm does not.)"""
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
