"""The residual graph of the maximum-flow kernel: which edges are open, which carry flow, and putting it all back.

An edge has its residual capacity in ``rest``; its flow is ``middle − rest``. Bit sets say which edges of a
node are open (``out_open``, ``in_open``) and which carry flow that can be taken back (``out_flow``,
``in_flow``), by the node above and by the node below. ``touched`` lists the edges to put back; ``count``
holds its length, and whether the flow bits are in use.
"""

from __future__ import annotations

import typing

import numpy as np
from numba import njit

from attn_widget.attribution.chains import INNER

ONE = np.uint64(1)
ZERO = np.uint64(0)


@njit(inline="always")
@typing.no_type_check
def close_arc(sets, k, row, node):
    """Take a node out of a bit set."""
    sets[k, row, node >> 6] &= ~(ONE << np.uint64(node & 63))


@njit(inline="always")
@typing.no_type_check
def open_arc(sets, k, row, node):
    """Put a node into a bit set."""
    sets[k, row, node >> 6] |= ONE << np.uint64(node & 63)


@njit(inline="always")
@typing.no_type_check
def touch(touched, count, k, i, j):
    """Remember an edge that must be put back."""
    if count[0] < touched.shape[0]:
        touched[count[0]] = (k << 40) | (i << 20) | j
    count[0] += 1


@njit(**INNER)
@typing.no_type_check
def write_down(middle, rest, out_open, in_open, straight, from_source, to_sink, u, v, first, last):
    """Write what the chains left into the residual graph: the source's rows, the sink's columns, the diagonals."""
    for k in range(straight.shape[0]):
        for j in range(first, last):
            rest[k, j, v] = to_sink[k, j]
        for j in range(first, last):
            rest[k, u, j] = from_source[k, j]
        for j in range(first, last):
            rest[k, j, j] = straight[k, j]
        for j in range(first, last):
            if from_source[k, j] == 0.0 and j != u:
                close_arc(out_open, k, u, j)
                close_arc(in_open, k, j, u)
            if to_sink[k, j] == 0.0 and j != v and j != u:
                close_arc(out_open, k, j, v)
                close_arc(in_open, k, v, j)
            if straight[k, j] == 0.0:
                close_arc(out_open, k, j, j)
                close_arc(in_open, k, j, j)


@njit(**INNER)
@typing.no_type_check
def restore(
    middle, fixed_out, fixed_in, rest, out_open, in_open, out_flow, in_flow, touched, count, u, v, first, last
):  # fmt: skip
    """Put back what this pair changed: the chains' edges, and those that were touched, or all if the list ran over."""
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
    flows = count[1] != 0
    u_word, v_word = u >> 6, v >> 6
    for k in range(middle.shape[0]):
        for j in range(first, last):
            rest[k, u, j] = middle[k, u, j]
        for j in range(first, last):
            rest[k, j, v] = middle[k, j, v]
        for j in range(first, last):
            rest[k, j, j] = middle[k, j, j]
        for j in range(first, last):
            in_open[k, j, u_word] = fixed_in[k, j, u_word]
            in_open[k, j, j >> 6] = fixed_in[k, j, j >> 6]
            out_open[k, j, v_word] = fixed_out[k, j, v_word]
            out_open[k, j, j >> 6] = fixed_out[k, j, j >> 6]
        for word in range(out_open.shape[2]):
            out_open[k, u, word] = fixed_out[k, u, word]
            in_open[k, v, word] = fixed_in[k, v, word]
        if flows:
            for j in range(first, last):
                in_flow[k, j, u_word] = ZERO
                in_flow[k, j, j >> 6] = ZERO
                out_flow[k, j, v_word] = ZERO
                out_flow[k, j, j >> 6] = ZERO
            for word in range(out_flow.shape[2]):
                out_flow[k, u, word] = ZERO
                in_flow[k, v, word] = ZERO
    for t in range(count[0]):
        edge = touched[t]
        k, i, j = (edge >> 40) & 0xFFFFF, (edge >> 20) & 0xFFFFF, edge & 0xFFFFF
        rest[k, i, j] = middle[k, i, j]
        out_open[k, i, j >> 6] = fixed_out[k, i, j >> 6]
        in_open[k, j, i >> 6] = fixed_in[k, j, i >> 6]
        if flows:
            out_flow[k, i, j >> 6] = ZERO
            in_flow[k, j, i >> 6] = ZERO
    count[0], count[1] = 0, 0


@njit(**INNER)
@typing.no_type_check
def note_flows(middle, rest, out_flow, in_flow, touched, count, u, v, first, last):
    """Set the bits of edges that carry flow: the first search goes down only and does not need them."""
    count[1] = 1
    depth, n = middle.shape[0], middle.shape[1]
    if count[0] > touched.shape[0]:
        for k in range(depth):
            for i in range(n):
                for j in range(n):
                    _note(middle, rest, out_flow, in_flow, k, i, j)
        return
    for k in range(depth):
        for j in range(first, last):
            _note(middle, rest, out_flow, in_flow, k, u, j)
            _note(middle, rest, out_flow, in_flow, k, j, v)
            _note(middle, rest, out_flow, in_flow, k, j, j)
    for t in range(count[0]):
        edge = touched[t]
        _note(middle, rest, out_flow, in_flow, (edge >> 40) & 0xFFFFF, (edge >> 20) & 0xFFFFF, edge & 0xFFFFF)


@njit(inline="always")
@typing.no_type_check
def _note(middle, rest, out_flow, in_flow, k, i, j):
    if rest[k, i, j] < middle[k, i, j]:
        open_arc(out_flow, k, i, j)
        open_arc(in_flow, k, j, i)


@njit(**INNER)
@typing.no_type_check
def clear(sets, low, high):
    """Empty the bit sets of some levels; assigning to slices would take seconds longer to compile."""
    for k in range(low, high + 1):
        for word in range(sets.shape[1]):
            sets[k, word] = ZERO
