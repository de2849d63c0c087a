"""What position alone explains: each method on uniform causal attention, to divide by.

With a causal mask early tokens are seen more often and through more layers, so rollout and flow point
at them whatever the model does. The paper asks to "normalize based on the receptive field" and gives no
formula; dividing by the same method on attention ``1 / (query + 1)`` is ours, and is named so.
"""

from __future__ import annotations

from functools import lru_cache, partial
from typing import Any

import numpy as np
from jaxtyping import Float

from attn_widget.attribution.flow import capacities
from attn_widget.attribution.joint import Graph, Step
from attn_widget.attribution.kernel.max_flow import Network
from attn_widget.attribution.rollout import rollout_rows

UNIFORM = "uniform causal attention"


def uniform_causal(
    method: str, n: int, n_layers: int, rows: tuple[int, ...], residual: float
) -> Float[np.ndarray, "query key"]:
    """Return a method's rows on attention that shares evenly between all tokens so far."""
    return np.stack([_row(method, n, n_layers, row, residual) for row in rows])


def corrected(
    values: Float[np.ndarray, "query key"], base: Float[np.ndarray, "query key"]
) -> Float[np.ndarray, "query key"]:
    """Return values divided by the baseline; a key that the query cannot see stays 0."""
    return np.divide(values, base, out=np.zeros(values.shape), where=base > 0)


@lru_cache(maxsize=8)
def _whole_rollout(n: int, n_layers: int, residual: float) -> Float[np.ndarray, "query key"]:
    """Return all rows at once: cheaper than one by one."""
    return rollout_rows(_graph(n, n_layers, residual), tuple(range(n)))


@lru_cache(maxsize=2)
def _network(n: int, n_layers: int, residual: float) -> Network:
    """Return the network of uniform causal attention."""
    return Network(capacities(_graph(n, n_layers, residual)))


@lru_cache(maxsize=8192)
def _row(
    method: str, n: int, n_layers: int, row: int, residual: float
) -> Float[np.ndarray, " key"]:
    """Return one row of the baseline, remembered: it depends on numbers only."""
    if method == "raw":
        return _weights(n, [row])[0]
    if method == "rollout":
        return _whole_rollout(n, n_layers, residual)[row]
    return _network(n, n_layers, residual).row(row)


def _graph(n: int, n_layers: int, residual: float) -> Graph:
    """Return the layer graph of uniform causal attention."""
    everyone = slice(0, n)
    steps = tuple(
        Step(everyone, everyone, partial(_weights, n), f"uniform layer {i}")
        for i in range(n_layers)
    )
    return Graph(steps, n, everyone, everyone, residual)


def _weights(n: int, rows: Any) -> Float[np.ndarray, "query key"]:
    """Return attention in which every token reads evenly from itself and all before it."""
    chosen = np.arange(n) if rows is None else np.asarray(rows)
    return np.tril(np.ones((n, n)))[chosen] / (chosen[:, None] + 1)
