"""Kinds of attention on which flow solvers have failed; joint matrices ``(layer, query, key)``."""

from __future__ import annotations

import numpy as np


def dirichlet(rng, layers, n):
    return rng.dirichlet(np.full(n, 0.3), size=(layers, n))


def peaked(rng, layers, n):
    return rng.dirichlet(np.full(n, 0.05), size=(layers, n))


def uniform(rng, layers, n):
    return np.full((layers, n, n), 1 / n)


def causal(rng, layers, n):
    return _rows(np.tril(rng.random((layers, n, n)) ** 4))


def uniform_causal(rng, layers, n):
    return _rows(np.tril(np.ones((layers, n, n))))


def one_hot(rng, layers, n):
    return np.eye(n)[rng.integers(0, n, (layers, n))]


def zero_rows(rng, layers, n):
    weights = dirichlet(rng, layers, n)
    weights[rng.random((layers, n)) < 0.3] = 0
    return weights


def nearly_zero(rng, layers, n):
    return _rows(10.0 ** rng.uniform(-14, 0, (layers, n, n)))


def ties(rng, layers, n):
    return rng.integers(0, 4, (layers, n, n)) / (4 * n)


def sparse(rng, layers, n):
    return dirichlet(rng, layers, n) * (rng.random((layers, n, n)) < 0.3)


def padded(rng, layers, n):
    weights = dirichlet(rng, layers, n)
    weights[:, :, n - n // 3 :] = 0
    weights[:, n - n // 3 :] = 0
    return _rows(weights)


def banded(rng, layers, n):
    near = np.abs(np.subtract.outer(np.arange(n), np.arange(n))) <= 2
    return _rows(rng.random((layers, n, n)) * near)


def first_token(rng, layers, n):
    """Most attention goes to the first token, as in trained decoders."""
    weights = causal(rng, layers, n)
    weights[:, :, 0] += 4
    return _rows(weights)


def sinks(rng, layers, n):
    return dirichlet(rng, layers, n) * rng.uniform(0.1, 1, (layers, n, 1))


def copies(rng, layers, n):
    """The same matrix at every layer: many cuts of the same size."""
    return np.repeat(dirichlet(rng, 1, n), layers, axis=0)


def permutation(rng, layers, n):
    return np.stack([np.eye(n)[rng.permutation(n)] for _ in range(layers)])


FAMILIES = {
    f.__name__: f
    for f in (
        dirichlet, peaked, uniform, causal, uniform_causal, one_hot, zero_rows, nearly_zero, ties,
        sparse, padded,
        banded, first_token, sinks, copies, permutation,
    )
}  # fmt: skip


def mixed(weights: np.ndarray, residual: float = 0.5) -> np.ndarray:
    """Return joint matrices of head-reduced attention."""
    return residual * np.eye(weights.shape[-1]) + (1 - residual) * weights


def _rows(weights: np.ndarray) -> np.ndarray:
    sums = weights.sum(-1, keepdims=True)
    return weights / np.where(sums > 0, sums, 1)
