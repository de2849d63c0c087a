"""Exact maximum flow from one node to each node of another layer, in a layered graph.

The graph: ``layers + 1`` levels of ``n`` nodes; every node of a level may reach every node of the level
below, with its own capacity; identity edges (node i to node i) form chains and are usually wide.

A pair (source, sink) is solved in three parts.

1. Chains. All paths with at most one detour from the source's chain and the sink's chain, for all nodes
   at once, in loops over contiguous arrays that the compiler turns into vector instructions. This carries
   most of the flow.
2. Descent. Depth-first paths that only go down, over bit sets: the first step of Dinic's algorithm, on what
   the chains left open. After it three pairs in four are done.
3. Dinic's algorithm for the others, where flow has to be taken back: distances to the sink by breadth-first
   search over bit sets, then a blocking flow by depth-first search. An edge that is filled gets a residual of
   exactly 0.0 and loses its bit, so there is no tolerance anywhere; each search makes the shortest path
   longer, so it always ends.

The search stops as soon as every source arc or every sink arc is full, which spares the last, failing search.
"""

from __future__ import annotations

import threading
from collections import namedtuple

import numpy as np
from jaxtyping import Float

Fixed = namedtuple("Fixed", "top bottom middle turned diagonal out_open in_open causal")
Work = namedtuple(
    "Work",
    "rest out_open in_open out_flow in_flow distance seen current found source sink straight from_source "
    "to_sink pushed least touched count node level wanted left",
)


class Network:
    """A layered graph made ready: what is shared by all pairs and all threads; ``capacities`` lowest layer first."""

    def __init__(self, capacities: Float[np.ndarray, "layer node node"]) -> None:
        capacities = np.asarray(capacities, dtype=np.float64)
        self.n_layers, self.n = len(capacities), capacities.shape[-1]
        self._of_thread = threading.local()
        # From the top down; the top and bottom layers stay apart: a pair uses one row and one column of them.
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
        """Return the bytes that all threads share."""
        return sum(getattr(array, "nbytes", 0) for array in self.fixed)

    def row(self, source: int) -> Float[np.ndarray, " node"]:
        """Return the maximum flow from one node of the top level to every node of the lowest level."""
        fixed = self.fixed
        if self.n_layers == 1:
            return fixed.top[source].copy()
        if self.n_layers == 2:
            # A path is a choice of one node between, and no two paths share an edge.
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
    """Compile the kernel, or load it from the disk: seconds once, then a third of a second."""
    Network(np.full((3, 2, 2), 0.5)).row(0)


def bytes_needed(n_layers: int, n: int) -> tuple[int, int]:
    """Return the bytes a network takes: shared by all threads, and of each thread."""
    one = 8 * max(n_layers - 2, 0) * n * n
    return 2 * one + 16 * n * n, one


def workspace(fixed: Fixed) -> Work:
    """Return the arrays one thread writes to: nothing is allocated for a pair."""
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
