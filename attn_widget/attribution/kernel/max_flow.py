"""Exact maximum flow in a layered graph: from a node of the top level to each of the lowest level.

The graph has ``layers + 1`` levels of ``n`` nodes. Each node has an edge to every node of the next
lower level, each with its own capacity. Identity edges (node i to node i) form chains and usually
have large capacities.

The flow of a pair (source node, target node) is computed in three parts:

1. Chains (`chains.py`): all paths with at most one detour from the source's or the target's chain,
   for all nodes at once, in loops over contiguous arrays that the compiler vectorises. They carry
   most of the flow.
2. Descent (`descent.py`): a blocking flow along the remaining downward paths, by depth-first search
   over bit sets: the first phase of Dinic's algorithm. Three pairs in four are then complete.
3. Dinic's algorithm (`dinic.py`) with reverse residual edges for the other pairs: the level graph
by
   breadth-first search from the target node, then a blocking flow by depth-first search. A
   saturated edge gets a residual capacity of exactly 0.0 and its bit is cleared, so no tolerance is
   needed. Each phase makes the shortest path longer, so the algorithm ends.

The algorithm stops once all source edges or all target edges are saturated, which saves the last
search.

References
----------
Y. Dinitz, Algorithm for solution of a problem of maximum flow in networks with power estimation,
Soviet Mathematics Doklady 11, 1970.
"""

from __future__ import annotations

import threading
from collections import namedtuple

import numpy as np
from jaxtyping import Float

Fixed = namedtuple("Fixed", "top bottom middle turned diagonal out_open in_open causal")
Work = namedtuple(
    "Work",
    "rest out_open in_open out_flow in_flow distance seen current found source sink straight "
    "from_source to_sink pushed least touched count node level wanted left",
)


class Network:
    """A layered graph, prepared: the arrays that all pairs and threads share.

    Parameters
    ----------
    capacities
        At least 0; ``capacities[0]`` is the lowest layer. An edge leads from the second axis (upper
        node) to the third (lower node).

    Examples
    --------
    >>> import numpy as np
    >>> Network(np.array([[[0.5, 0.0], [0.5, 0.5]], [[1.0, 0.0], [0.25, 0.75]]])).row(1)
    array([0.75, 0.5 ])
    """

    def __init__(self, capacities: Float[np.ndarray, "layer node node"]) -> None:
        capacities = np.asarray(capacities, dtype=np.float64)
        self.n_layers, self.n = len(capacities), capacities.shape[-1]
        self._of_thread = threading.local()
        # From the top down. The top and bottom layers are apart: a pair uses only one row of the
        # top layer and one column of the bottom layer.
        middle = np.ascontiguousarray(capacities[-2:0:-1])
        turned = np.ascontiguousarray(middle.transpose(0, 2, 1))
        self.fixed = Fixed(
            np.array(capacities[-1], order="C"),
            np.ascontiguousarray(capacities[0].T),
            middle,
            turned,
            np.ascontiguousarray(np.diagonal(middle, axis1=1, axis2=2)),
            bits(middle > 0),
            bits(turned > 0),
            all(not np.triu(layer, 1).any() for layer in capacities),
        )

    @property
    def nbytes(self) -> int:
        """Return the size of the shared arrays, in bytes."""
        return sum(getattr(array, "nbytes", 0) for array in self.fixed)

    def row(self, source: int) -> Float[np.ndarray, " node"]:
        """Return the maximum flow from a node of the top level to each node of the lowest level."""
        fixed = self.fixed
        if self.n_layers == 1:
            return fixed.top[source].copy()
        if self.n_layers == 2:
            # Each path has one middle node, and no two paths share an edge.
            return np.minimum(fixed.top[source], fixed.bottom).sum(1)
        from attn_widget.attribution.kernel import dinic

        if not hasattr(self._of_thread, "work"):
            self._of_thread.work = workspace(fixed)
        out = np.zeros(self.n)
        if dinic.solve_row(fixed, self._of_thread.work, source, out) < 0:
            raise RuntimeError(
                f"The searches from node {source} did not end. Please report this graph."
            )
        return out


def compile_kernel() -> None:
    """Compile the kernel (seconds, the first time) or load it from disk (about 0.3 s)."""
    Network(np.full((3, 2, 2), 0.5)).row(0)


def bytes_needed(n_layers: int, n: int) -> tuple[int, int]:
    """Return the bytes of a network's shared arrays, and of the arrays of each thread."""
    one = 8 * max(n_layers - 2, 0) * n * n
    return 2 * one + 16 * n * n, one


def workspace(fixed: Fixed) -> Work:
    """Return the arrays that one thread writes to; they are reused for every pair."""
    depth, n, _ = fixed.middle.shape
    words = fixed.out_open.shape[-1]
    longest = (depth + 1) * n + 2
    return Work(
        rest=fixed.middle.copy(),
        out_open=fixed.out_open.copy(),
        in_open=fixed.in_open.copy(),
        out_flow=np.zeros_like(fixed.out_open),
        in_flow=np.zeros_like(fixed.out_open),
        distance=np.zeros((depth + 1, n), np.int32),
        seen=np.zeros((depth + 1, words), np.uint64),
        current=np.zeros((depth + 1, words), np.uint64),
        found=np.zeros((depth + 1, words), np.uint64),
        source=np.zeros(n),
        sink=np.zeros(n),
        straight=np.zeros((depth, n)),
        from_source=np.zeros((depth, n)),
        to_sink=np.zeros((depth, n)),
        pushed=np.zeros((depth, n)),
        least=np.zeros(n),
        touched=np.zeros(64 * (depth + 1) * n, np.int64),
        count=np.zeros(2, np.int64),
        node=np.zeros(longest, np.int32),
        level=np.zeros(longest, np.int32),
        wanted=np.zeros(longest),
        left=np.zeros(longest),
    )


def bits(mask: np.ndarray) -> np.ndarray:
    """Return booleans packed along the last axis, 64 to a word, lowest bit first."""
    n = mask.shape[-1]
    padded = np.zeros((*mask.shape[:-1], -(-n // 64) * 64), bool)
    padded[..., :n] = mask
    return np.ascontiguousarray(np.packbits(padded, axis=-1, bitorder="little")).view(np.uint64)
