"""The residual graph of the maximum-flow kernel, and how it is reset between pairs.

``rest`` is the residual capacity of an edge; its flow is ``middle − rest``. Bit sets hold the open
edges, which have residual capacity (``out_open``, indexed by the upper node; ``in_open``, by the
lower node), and the edges that carry flow, whose reverse edges are open (``out_flow``,
``in_flow``). ``touched`` lists the changed edges. ``count`` holds its length, and whether
``in_open``, ``out_flow`` and ``in_flow`` are in use: only Dinic's algorithm with reverse edges
needs them.
"""

from __future__ import annotations

import typing

import numpy as np
from numba import njit

from attn_widget.attribution.kernel.chains import INDEX, INNER
from attn_widget.attribution.kernel.descent import ONE, ZERO


@njit(**INNER)
@typing.no_type_check
def close_arc(sets, k, row, node):
    """Remove a node from a bit set."""
    sets[k, row, node >> 6] &= ~(ONE << np.uint64(node & 63))


@njit(**INNER)
@typing.no_type_check
def open_arc(sets, k, row, node):
    """Add a node to a bit set."""
    sets[k, row, node >> 6] |= ONE << np.uint64(node & 63)


@njit(**INNER)
@typing.no_type_check
def set_arc(sets, k, row, node, is_in):
    """Add a node to a bit set or remove it, without a branch."""
    bit = np.uint64(node & 63)
    sets[k, row, node >> 6] = (sets[k, row, node >> 6] & ~(ONE << bit)) | (np.uint64(is_in) << bit)


@njit(**INNER)
@typing.no_type_check
def touch(touched, count, k, i, j):
    """Record an edge that must be reset after this pair."""
    if count[0] < touched.shape[0]:
        touched[count[0]] = (k << 40) | (i << 20) | j
    count[0] += 1


@njit(**INNER)
@typing.no_type_check
def write_down(rest, out_open, straight, from_source, to_sink, u, v, first, last):
    """Copy the chains' residual capacities into the graph: columns v, rows u and the diagonals."""
    u, v, first, last = u & INDEX, v & INDEX, first & INDEX, last & INDEX
    for k in range(straight.shape[0]):
        for j in range(first, last):
            rest[k, j, v] = to_sink[k, j]
            set_arc(out_open, k, j, v, to_sink[k, j] > 0.0)
        for j in range(first, last):
            rest[k, u, j] = from_source[k, j]
            set_arc(out_open, k, u, j, from_source[k, j] > 0.0)
        for j in range(first, last):
            rest[k, j, j] = straight[k, j]
            set_arc(out_open, k, j, j, straight[k, j] > 0.0)


@njit(**INNER)
@typing.no_type_check
def restore(
    middle, turned, diagonal, fixed_out, fixed_in, rest, out_open, in_open, out_flow, in_flow,
    touched, count, u, v, first, last,
):  # fmt: skip
    """Reset the edges of the chains and the touched edges; all edges if ``touched`` overflowed."""
    u, v, first, last = u & INDEX, v & INDEX, first & INDEX, last & INDEX
    both_ways = count[1] != 0
    if count[0] > touched.shape[0]:
        for k in range(middle.shape[0]):
            for i in range(middle.shape[1]):
                for j in range(middle.shape[1]):
                    rest[k, i, j] = middle[k, i, j]
                for word in range(out_open.shape[2]):
                    out_open[k, i, word] = fixed_out[k, i, word]
                    in_open[k, i, word] = fixed_in[k, i, word]
                    out_flow[k, i, word] = ZERO
                    in_flow[k, i, word] = ZERO
        count[0], count[1] = 0, 0
        return
    u_word, v_word = u >> 6, v >> 6
    for k in range(middle.shape[0]):
        for j in range(first, last):
            rest[k, j, v] = turned[k, v, j]
            rest[k, j, j] = diagonal[k, j]
            out_open[k, j, v_word] = fixed_out[k, j, v_word]
            out_open[k, j, j >> 6] = fixed_out[k, j, j >> 6]
        for j in range(first, last):
            rest[k, u, j] = middle[k, u, j]
        for word in range(out_open.shape[2]):
            out_open[k, u, word] = fixed_out[k, u, word]
    for t in range(count[0]):
        edge = touched[t]
        k, i, j = (edge >> 40) & INDEX, (edge >> 20) & INDEX, edge & INDEX
        rest[k, i, j] = middle[k, i, j]
        out_open[k, i, j >> 6] = fixed_out[k, i, j >> 6]
        if both_ways:
            in_open[k, j, i >> 6] = fixed_in[k, j, i >> 6]
            out_flow[k, i, j >> 6] = ZERO
            in_flow[k, j, i >> 6] = ZERO
    if both_ways:
        for k in range(middle.shape[0]):
            for j in range(first, last):
                in_open[k, j, u_word] = fixed_in[k, j, u_word]
                in_open[k, j, j >> 6] = fixed_in[k, j, j >> 6]
                in_flow[k, j, u_word] = ZERO
                in_flow[k, j, j >> 6] = ZERO
                out_flow[k, j, v_word] = ZERO
                out_flow[k, j, j >> 6] = ZERO
            for word in range(out_open.shape[2]):
                in_open[k, v, word] = fixed_in[k, v, word]
                out_flow[k, u, word] = ZERO
                in_flow[k, v, word] = ZERO
    count[0], count[1] = 0, 0


@njit(**INNER)
@typing.no_type_check
def allow_taking_back(
    middle, turned, diagonal, rest, in_open, out_flow, in_flow, touched, count, u, v, first, last
):  # fmt: skip
    """Update the bit sets that only reverse edges need: ``in_open``, ``out_flow``, ``in_flow``."""
    u, v, first, last = u & INDEX, v & INDEX, first & INDEX, last & INDEX
    count[1] = 1
    if count[0] > touched.shape[0]:
        for k in range(middle.shape[0]):
            for i in range(middle.shape[1]):
                for j in range(middle.shape[2]):
                    _note(in_open, out_flow, in_flow, k, i, j, rest[k, i, j], middle[k, i, j])
        return
    for k in range(middle.shape[0]):
        for j in range(first, last):
            _note(in_open, out_flow, in_flow, k, u, j, rest[k, u, j], middle[k, u, j])
        for j in range(first, last):
            _note(in_open, out_flow, in_flow, k, j, v, rest[k, j, v], turned[k, v, j])
        for j in range(first, last):
            _note(in_open, out_flow, in_flow, k, j, j, rest[k, j, j], diagonal[k, j])
    for t in range(count[0]):
        edge = touched[t]
        k, i, j = (edge >> 40) & INDEX, (edge >> 20) & INDEX, edge & INDEX
        _note(in_open, out_flow, in_flow, k, i, j, rest[k, i, j], middle[k, i, j])


@njit(**INNER)
@typing.no_type_check
def _note(in_open, out_flow, in_flow, k, i, j, room, capacity):
    set_arc(out_flow, k, i, j, room < capacity)
    set_arc(in_flow, k, j, i, room < capacity)
    set_arc(in_open, k, j, i, room > 0.0)


@njit(**INNER)
@typing.no_type_check
def clear(sets, low, high):
    """Clear the bit sets of levels ``low`` to ``high``, in loops: slices compile seconds slower."""
    for k in range(low, high + 1):
        for word in range(sets.shape[1]):
            sets[k, word] = ZERO
