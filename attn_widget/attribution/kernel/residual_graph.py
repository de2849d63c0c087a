"""Residual graph: open edges, edges with flow, and its reset between target nodes.

An edge has its residual capacity in ``rest``; its flow is ``middle − rest``. Bit sets say which edges of a
node are open (``out_open``, by the node above) and, once flow may be taken back, ``in_open`` (by the node
below) and which edges carry flow (``out_flow``, ``in_flow``). ``touched`` lists the edges to put back;
``count`` holds its length, and whether the later three sets are in use.
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
    """Take a node out of a bit set."""
    sets[k, row, node >> 6] &= ~(ONE << np.uint64(node & 63))


@njit(**INNER)
@typing.no_type_check
def open_arc(sets, k, row, node):
    """Put a node into a bit set."""
    sets[k, row, node >> 6] |= ONE << np.uint64(node & 63)


@njit(**INNER)
@typing.no_type_check
def set_arc(sets, k, row, node, is_in):
    """Put a node into a bit set or take it out, without a branch."""
    bit = np.uint64(node & 63)
    sets[k, row, node >> 6] = (sets[k, row, node >> 6] & ~(ONE << bit)) | (np.uint64(is_in) << bit)


@njit(**INNER)
@typing.no_type_check
def touch(touched, count, k, i, j):
    """Remember an edge that must be put back."""
    if count[0] < touched.shape[0]:
        touched[count[0]] = (k << 40) | (i << 20) | j
    count[0] += 1


@njit(**INNER)
@typing.no_type_check
def write_down(rest, out_open, straight, from_source, to_sink, u, v, first, last):
    """Write what the chains left into the residual graph: the sink's columns, the source's rows, the diagonals."""
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
    middle, turned, diagonal, fixed_out, fixed_in, rest, out_open, in_open, out_flow, in_flow, touched, count,
    u, v, first, last,
):  # fmt: skip
    """Put back what this pair changed: the chains' edges, and those that were touched, or all if the list ran over."""
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
    """Bring the sets up to date that paths only going down do not need."""
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
    """Empty the bit sets of some levels; assigning to slices would take seconds longer to compile."""
    for k in range(low, high + 1):
        for word in range(sets.shape[1]):
            sets[k, word] = ZERO
