"""Exact maximum flow in a layered graph, one source row at a time. Knows nothing of attention."""

from __future__ import annotations

import typing

import numba
import numpy as np
from jaxtyping import Float


def source_row(capacities: Float[np.ndarray, "layer node node"], source: int) -> Float[np.ndarray, " node"]:
    """Return the maximum flow from one node of the top layer to every node below the lowest layer."""
    residual = np.empty((2, *capacities.shape))
    return _source_row(capacities, source, residual)


@numba.njit(nogil=True, cache=True)
@typing.no_type_check
def _source_row(capacities, source, residual):
    layers, n, _ = capacities.shape
    out = np.zeros(n)
    for sink in range(n):
        residual[0] = capacities
        residual[1] = 0.0
        out[sink] = _pair(residual[0], residual[1], source, sink, layers, n)
    return out


@numba.njit(nogil=True, cache=True)
@typing.no_type_check
def _pair(down, up, source, sink, layers, n):
    parent = np.empty((layers + 1, n), np.int64)
    queue = np.empty(((layers + 1) * n, 2), np.int64)
    total = 0.0
    while True:
        parent[:] = -1
        parent[layers, source] = 2 * n
        head, tail = 0, 1
        queue[0, 0], queue[0, 1] = layers, source
        found = False
        while head < tail and not found:
            level, i = queue[head]
            head += 1
            if level > 0:
                for j in range(n):
                    if parent[level - 1, j] < 0 and down[level - 1, i, j] > 0.0:
                        parent[level - 1, j] = i
                        if level - 1 == 0 and j == sink:
                            found = True
                        queue[tail, 0], queue[tail, 1] = level - 1, j
                        tail += 1
            if level < layers:
                for j in range(n):
                    if parent[level + 1, j] < 0 and up[level, j, i] > 0.0:
                        parent[level + 1, j] = n + j if False else n + i
                        queue[tail, 0], queue[tail, 1] = level + 1, j
                        tail += 1
        if not found:
            return total
        amount = np.inf
        level, i = 0, sink
        while not (level == layers and i == source):
            p = parent[level, i]
            if p < n:
                amount = min(amount, down[level, p, i])
                level, i = level + 1, p
            else:
                amount = min(amount, up[level - 1, i, p - n])
                level, i = level - 1, p - n
        level, i = 0, sink
        while not (level == layers and i == source):
            p = parent[level, i]
            if p < n:
                down[level, p, i] -= amount
                up[level, p, i] += amount
                level, i = level + 1, p
            else:
                up[level - 1, i, p - n] -= amount
                down[level - 1, i, p - n] += amount
                level, i = level - 1, p - n
        total += amount
