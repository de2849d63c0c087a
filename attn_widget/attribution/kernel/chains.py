"""First part of the maximum-flow kernel: paths along chains with at most one detour.

Levels count from 0 at the top; layer k leads from level k to level k + 1. ``first`` and ``last`` bound the
nodes that can take part: in a causal graph only those from the sink to the source.
"""

from __future__ import annotations

import typing

from numba import njit, types
from numba.extending import intrinsic

# Functions that only other compiled functions call: without wrappers for Python they compile much faster.
INNER = {"nogil": True, "no_cpython_wrapper": True, "no_cfunc_wrapper": True}
INDEX = 0xFFFFF  # indices go through this mask: the compiler then knows that none is negative, and vectorises
VECTOR = {
    "reassoc",
    "nsz",
}  # sums may be taken in any order, so that they vectorise; nothing else is loosened
DETOURS = 6  # up to so many middle layers, paths that leave the source's chain and join the sink's are tried


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
    """Load a pair's arrays, send what chains can carry, and return how much that is."""
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
    """Send through a source arc, one chain all the way, sink arc."""
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
    """Cut amounts, in order, so that they sum to no more than a limit; return their sum."""
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
    """Send down the source's chain to level k, across to chain j, down to its sink arc; lowest crossing first."""
    first, last = first & INDEX, last & INDEX
    total = 0.0
    for j in range(first, last):
        least[j] = sink[j]
    for k in range(depth - 1, -1, -1):
        amounts = pushed[k]
        limit = source[u]
        for above in range(k):
            limit = lesser(limit, straight[above, u])
        limit -= total  # everything sent so far went down the same upper part of the chain
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
    # What crossed at layer k went down every chain below it, and down the source's chain above it.
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
    """Send through a source arc, chain j down to level k, across to the sink's chain; highest crossing first."""
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
    """Send down the source's chain, across to chain j, down it, across to the sink's chain."""
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
