"""The baseline of causal attention: each method on uniform causal attention, to divide by.

With a causal mask more queries can attend to early tokens, through more layers, so rollout and flow
are high there for any model. The paper suggests to "normalize based on the receptive field" and
gives no formula; dividing by the same method on attention ``1 / (query + 1)`` is our correction.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache, partial

import numpy as np
from jaxtyping import Float

from attn_widget.attribution.flow import capacities
from attn_widget.attribution.joint import Graph, SubLayer
from attn_widget.attribution.kernel.max_flow import Network
from attn_widget.attribution.rollout import rollout_rows

UNIFORM = "uniform causal attention"


def uniform_causal(
    method: str, n: int, n_layers: int, rows: tuple[int, ...], residual: float
) -> Float[np.ndarray, "query key"]:
    """Return a method's rows on attention that is equal for the query and all tokens before it."""
    return np.stack([_row(method, n, n_layers, row, residual) for row in rows])


def corrected(
    values: Float[np.ndarray, "query key"], base: Float[np.ndarray, "query key"]
) -> Float[np.ndarray, "query key"]:
    """Return values divided by the baseline; a key that the query cannot attend to stays 0."""
    return np.divide(values, base, out=np.zeros(values.shape), where=base > 0)


@lru_cache(maxsize=8)
def _whole_rollout(n: int, n_layers: int, residual: float) -> Float[np.ndarray, "query key"]:
    """Return all rows: cheaper at once than one by one."""
    return rollout_rows(_graph(n, n_layers, residual), tuple(range(n)))


@lru_cache(maxsize=2)
def _network(n: int, n_layers: int, residual: float) -> Network:
    """Return the network of uniform causal attention."""
    return Network(capacities(_graph(n, n_layers, residual)))


@lru_cache(maxsize=8192)
def _row(
    method: str, n: int, n_layers: int, row: int, residual: float
) -> Float[np.ndarray, " key"]:
    """Return one row of the baseline; cached, as it depends on these numbers only."""
    if method == "raw":
        return _weights(n, [row])[0]
    if method == "rollout":
        return _whole_rollout(n, n_layers, residual)[row]
    return _network(n, n_layers, residual).row(row)


def _graph(n: int, n_layers: int, residual: float) -> Graph:
    """Return the layer graph of uniform causal attention."""
    every = slice(0, n)
    layer = SubLayer(every, every, partial(_weights, n), UNIFORM)
    return Graph((layer,) * n_layers, n, every, every, residual)


def _weights(n: int, rows: Sequence[int] | None) -> Float[np.ndarray, "query key"]:
    """Return uniform causal attention: each token attends equally to itself and all before it."""
    chosen = np.arange(n) if rows is None else np.asarray(rows)
    return np.tril(np.ones((n, n)))[chosen] / (chosen[:, None] + 1)
