"""Kernel, part 1: send flow along identity chains with at most one detour, for all nodes at once.

Level 0 is the top level; the edges of layer k lead from level k to level k + 1. A chain is the
identity edges of one node through all layers. All arrays hold residual capacities:

- ``source[j]``: the edge from the source node to node j of level 0.
- ``sink[j]``: the edge from node j of the lowest level to the target node.
- ``straight[k, j]``: the identity edge of node j in layer k.
- ``from_source[k, j]``: the edge from the source's chain to chain j in layer k.
- ``to_sink[k, j]``: the edge from chain j to the target's chain in layer k.

u is the source node and v the target node. Only nodes ``first`` to ``last`` - 1 are used: in a
causal graph, those from the target node to the source node.
"""

from __future__ import annotations

import typing

from numba import njit, types
from numba.extending import intrinsic

# For functions that only compiled functions call: they compile faster without Python wrappers.
INNER = {"nogil": True, "no_cpython_wrapper": True, "no_cfunc_wrapper": True}
# Mask of every index: the compiler then knows that it is not negative, and vectorises the loop.
INDEX = 0xFFFFF
# Only the order of additions is free, so that sums vectorise; all else stays IEEE 754.
VECTOR = {"reassoc", "nsz"}
# With at most this many middle layers, also try paths that leave the source's chain and later
# join the target's chain.
DETOURS = 6


@intrinsic
@typing.no_type_check
def lesser(typing_context, a, b):
    """Lesser of two numbers, as one vector instruction."""

    def codegen(context, builder, signature, args):
        return builder.select(builder.fcmp_ordered("<", *args), *args)

    return types.float64(types.float64, types.float64), codegen


@njit(fastmath=VECTOR, **INNER)
@typing.no_type_check
def fill_chains(
    top,
    bottom,
    middle,
    turned,
    diagonal,
    source,
    sink,
    straight,
    from_source,
    to_sink,
    pushed,
    least,
    u,
    v,
    first,
    last,
):
    """Load the arrays of a pair (u, v), send flow along chains, and return its amount."""
    first, last = first & INDEX, last & INDEX
    depth = diagonal.shape[0]
    for j in range(first, last):
        source[j] = top[u, j]
        sink[j] = bottom[v, j]
    for k in range(depth):
        for j in range(first, last):
            straight[k, j] = diagonal[k, j]
            from_source[k, j] = middle[k, u, j]
            to_sink[k, j] = turned[k, v, j]
        from_source[k, u] = 0.0  # the identity edge is in `straight`
        to_sink[k, v] = 0.0
        if first <= u < last:
            to_sink[k, u] = 0.0  # the edge from u to v is in `from_source`
    total = _straight(source, sink, straight, least, depth, first, last)
    total += _leave_source_chain(
        source, sink, straight, from_source, pushed, least, depth, u, first, last
    )
    total += _join_sink_chain(source, sink, straight, to_sink, pushed, least, depth, v, first, last)
    if depth <= DETOURS:
        total += _detours(
            source, sink, straight, from_source, to_sink, least, depth, u, v, first, last
        )
    return total


@njit(fastmath=VECTOR, **INNER)
@typing.no_type_check
def _straight(source, sink, straight, least, depth, first, last):
    """Send along a source edge, one whole chain and a target edge; return the amount."""
    first, last = first & INDEX, last & INDEX
    for j in range(first, last):
        least[j] = lesser(source[j], sink[j])
    for k in range(depth):
        for j in range(first, last):
            least[j] = lesser(least[j], straight[k, j])
    total = 0.0
    for j in range(first, last):
        total += least[j]
        source[j] -= least[j]
        sink[j] -= least[j]
    for k in range(depth):
        for j in range(first, last):
            straight[k, j] -= least[j]
    return total


@njit(fastmath=VECTOR, **INNER)
@typing.no_type_check
def _capped(amounts, limit, first, last):
    """Reduce amounts, the last ones first, to a sum of at most ``limit``; return the sum."""
    first, last = first & INDEX, last & INDEX
    total = 0.0
    for j in range(first, last):
        total += amounts[j]
    if total > limit:
        left = limit
        for j in range(first, last):
            if amounts[j] > left:
                amounts[j] = left
            left -= amounts[j]
        return limit
    return total


@njit(fastmath=VECTOR, **INNER)
@typing.no_type_check
def _leave_source_chain(source, sink, straight, from_source, pushed, least, depth, u, first, last):
    """Send along the source's chain to level k, to chain j and its target edge; largest k first."""
    first, last = first & INDEX, last & INDEX
    total = 0.0
    for j in range(first, last):
        least[j] = sink[j]
    for k in range(depth - 1, -1, -1):
        amounts = pushed[k]
        limit = source[u]
        for above in range(k):
            limit = lesser(limit, straight[above, u])
        limit -= total  # all flow sent so far uses the same upper part of the source's chain
        if k < depth - 1:
            for j in range(first, last):
                least[j] = lesser(least[j], straight[k + 1, j])
        if limit <= 0.0:
            for j in range(first, last):
                amounts[j] = 0.0
            continue
        for j in range(first, last):
            amounts[j] = lesser(from_source[k, j], least[j])
        total += _capped(amounts, limit, first, last)
        for j in range(first, last):
            least[j] -= amounts[j]
            sink[j] -= amounts[j]
            from_source[k, j] -= amounts[j]
    # Flow that changed chains at layer k uses chain j below k and the source's chain above k.
    for j in range(first, last):
        least[j] = 0.0
    below = 0.0
    for k in range(depth):
        if k > 0:
            for j in range(first, last):
                least[j] += pushed[k - 1, j]
                straight[k, j] = max(straight[k, j] - least[j], 0.0)
    for k in range(depth - 1, 0, -1):
        for j in range(first, last):
            below += pushed[k, j]
        straight[k - 1, u] = max(straight[k - 1, u] - below, 0.0)
    source[u] = max(source[u] - total, 0.0)
    return total


@njit(fastmath=VECTOR, **INNER)
@typing.no_type_check
def _join_sink_chain(source, sink, straight, to_sink, pushed, least, depth, v, first, last):
    """Send along a source edge, chain j to level k, then the target's chain; smallest k first."""
    first, last = first & INDEX, last & INDEX
    total = 0.0
    for j in range(first, last):
        least[j] = source[j]
    for k in range(depth):
        amounts = pushed[k]
        limit = sink[v]
        for below in range(k + 1, depth):
            limit = lesser(limit, straight[below, v])
        limit -= total
        if k > 0:
            for j in range(first, last):
                least[j] = lesser(least[j], straight[k - 1, j])
        if limit <= 0.0:
            for j in range(first, last):
                amounts[j] = 0.0
            continue
        for j in range(first, last):
            amounts[j] = lesser(to_sink[k, j], least[j])
        total += _capped(amounts, limit, first, last)
        for j in range(first, last):
            least[j] -= amounts[j]
            source[j] -= amounts[j]
            to_sink[k, j] -= amounts[j]
    for j in range(first, last):
        least[j] = 0.0
    for k in range(depth - 2, -1, -1):
        for j in range(first, last):
            least[j] += pushed[k + 1, j]
            straight[k, j] = max(straight[k, j] - least[j], 0.0)
    above = 0.0
    for k in range(depth - 1):
        for j in range(first, last):
            above += pushed[k, j]
        straight[k + 1, v] = max(straight[k + 1, v] - above, 0.0)
    sink[v] = max(sink[v] - total, 0.0)
    return total


@njit(fastmath=VECTOR, **INNER)
@typing.no_type_check
def _detours(source, sink, straight, from_source, to_sink, least, depth, u, v, first, last):
    """Send along the source's chain, then chain j, then the target's chain; return the amount."""
    first, last = first & INDEX, last & INDEX
    total = 0.0
    for leave in range(depth - 1):
        for join in range(leave + 1, depth):
            limit = lesser(source[u], sink[v])
            for k in range(leave):
                limit = lesser(limit, straight[k, u])
            for k in range(join + 1, depth):
                limit = lesser(limit, straight[k, v])
            if limit <= 0.0:
                continue
            for j in range(first, last):
                least[j] = lesser(from_source[leave, j], to_sink[join, j])
            for k in range(leave + 1, join):
                for j in range(first, last):
                    least[j] = lesser(least[j], straight[k, j])
            sent = _capped(least, limit, first, last)
            for j in range(first, last):
                from_source[leave, j] -= least[j]
                to_sink[join, j] -= least[j]
            for k in range(leave + 1, join):
                for j in range(first, last):
                    straight[k, j] -= least[j]
            for k in range(leave):
                straight[k, u] -= sent
            for k in range(join + 1, depth):
                straight[k, v] -= sent
            source[u] -= sent
            sink[v] -= sent
            total += sent
    return total
