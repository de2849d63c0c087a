"""Kernel, part 3: Dinic's algorithm on the residual graph, with reverse edges, over bit sets.

numba compiles the kernel again only when this file changes: save it again after a change to
`chains.py`, `descent.py` or `residual_graph.py`.
"""

from __future__ import annotations

import typing

import numpy as np
from numba import njit

from attn_widget.attribution.kernel.chains import INDEX, INNER, fill_chains, lesser
from attn_widget.attribution.kernel.descent import ONE, ZERO, descend, first_of
from attn_widget.attribution.kernel.residual_graph import (
    allow_taking_back,
    clear,
    close_arc,
    open_arc,
    restore,
    touch,
    write_down,
)


@njit(nogil=True, cache=True)
@typing.no_type_check
def solve_row(fixed, w, u, out):
    """Write the flow from source ``u`` to every target node into ``out``; return -1 on failure.

    Failure is a search that did not end within its bound on iterations.
    """
    # Unpacked once: passing a tuple of arrays between compiled functions is slow.
    top, bottom, middle, turned, diagonal, fixed_out, fixed_in, causal = fixed
    rest, out_open, in_open, out_flow, in_flow, distance, seen, current, found = w[:9]
    (
        source,
        sink,
        straight,
        from_source,
        to_sink,
        pushed,
        least,
        touched,
        count,
        node,
        level,
        wanted,
        left,
    ) = w[9:]
    n = out.shape[0]
    rest_flat, open_flat = rest.reshape(-1), out_open.reshape(-1)
    for v in range(n):
        first, last = 0, n
        if causal:
            if v > u:
                continue
            first, last = v, u + 1
        total = fill_chains(
            top, bottom, middle, turned, diagonal, source, sink, straight, from_source, to_sink,
            pushed, least, u, v, first, last,
        )  # fmt: skip
        if _is_open(source, first, last) and _is_open(sink, first, last):
            write_down(rest, out_open, straight, from_source, to_sink, u, v, first, last)
            total += descend(
                rest_flat, open_flat, seen, source, sink, touched, count, node, wanted, left,
                first, last,
            )  # fmt: skip
            more = 0.0
            if _is_open(source, first, last) and _is_open(sink, first, last):
                allow_taking_back(
                    middle, turned, diagonal, rest, in_open, out_flow, in_flow, touched, count,
                    u, v, first, last,
                )  # fmt: skip
                more = _finish(
                    middle, rest, out_open, in_open, out_flow, in_flow, distance, seen, current,
                    found, source, sink, touched, count, node, level, wanted, left, first, last,
                )  # fmt: skip
            restore(
                middle, turned, diagonal, fixed_out, fixed_in, rest, out_open, in_open, out_flow,
                in_flow, touched, count, u, v, first, last,
            )  # fmt: skip
            if more < 0.0:
                return -1
            total += more
        out[v] = total
    return 0


@njit(**INNER)
@typing.no_type_check
def _is_open(arcs, first, last):
    first, last = first & INDEX, last & INDEX
    for j in range(first, last):  # noqa: SIM110 - a generator would not compile
        if arcs[j] > 0.0:
            return True
    return False


@njit(**INNER)
@typing.no_type_check
def _finish(
    middle, rest, out_open, in_open, out_flow, in_flow, distance, seen, current, found, source,
    sink, touched, count, node, level, wanted, left, first, last,
):  # fmt: skip
    """Augment until no path is left; return the flow added, or -1 if the search did not end."""
    total = 0.0
    for _ in range(distance.size + 1):
        shortest = _distances(
            in_open, out_flow, distance, seen, current, found, source, sink, first, last
        )
        if shortest < 0:
            return total
        for i in range(first, last):
            if source[i] > 0.0 and distance[0, i] == shortest:
                sent, full = _blocking(
                    middle, rest, out_open, in_open, out_flow, in_flow, distance, seen, sink,
                    touched, count, node, level, wanted, left, i, source[i], shortest,
                )  # fmt: skip
                if sent < 0.0:
                    return -1.0
                source[i] = 0.0 if full else source[i] - sent
                total += sent
        if not (_is_open(source, first, last) and _is_open(sink, first, last)):
            return total
    return -1.0


@njit(**INNER)
@typing.no_type_check
def _distances(in_open, out_flow, distance, seen, current, found, source, sink, first, last):
    """Build the level graph by breadth-first search from the target node.

    Return the distance of the nearest node with an open source edge; -1 if there is none.
    """
    depth, words = seen.shape[0] - 1, seen.shape[1]
    clear(seen, 0, depth)
    clear(current, 0, depth)
    for j in range(first, last):
        distance[0, j] = -1
        if sink[j] > 0.0:
            current[depth, j >> 6] |= ONE << np.uint64(j & 63)
            seen[depth, j >> 6] |= ONE << np.uint64(j & 63)
            distance[depth, j] = 0
    low, high, far = depth, depth, 0  # levels that hold current nodes
    while True:
        if low == 0:
            for word in range(words):
                here = current[0, word]
                while here != ZERO:
                    i = first_of(word, here)
                    if first <= i < last and source[i] > 0.0:
                        return far
                    here &= here - ONE
        far += 1
        any_found = False
        wide_low, wide_high = max(low - 1, 0), min(high + 1, depth)
        clear(found, wide_low, wide_high)
        for k in range(low, high + 1):
            for word in range(words):
                here = current[k, word]
                while here != ZERO:
                    i = first_of(word, here)
                    here &= here - ONE
                    if k > 0:
                        for x in range(words):
                            found[k - 1, x] |= in_open[k - 1, i, x]
                    if k < depth:
                        for x in range(words):
                            found[k + 1, x] |= out_flow[k, i, x]
            clear(current, k, k)
        for k in range(wide_low, wide_high + 1):
            for word in range(words):
                new = found[k, word] & ~seen[k, word]
                current[k, word] = new
                seen[k, word] |= new
                any_found |= new != ZERO
                while new != ZERO:
                    distance[k, first_of(word, new)] = far
                    new &= new - ONE
        if not any_found:
            return -1
        low, high = wide_low, wide_high


@njit(**INNER)
@typing.no_type_check
def _blocking(
    middle, rest, out_open, in_open, out_flow, in_flow, distance, seen, sink,
    touched, count, node, level, wanted, left, root, amount, shortest,
):  # fmt: skip
    """Send a blocking flow through the level graph from one source edge.

    Return the amount sent, and whether the edge is saturated.
    """
    depth, words = seen.shape[0] - 1, seen.shape[1]
    node[0], level[0], wanted[0], left[0] = root, 0, amount, amount
    at = 0
    # Each advance ends with a saturated edge, a removed node or all flow sent, so the loop ends
    # long before this bound, which stops an endless loop if the code has a fault.
    for _ in range(64 * (depth + 1) * sink.shape[0] ** 2 + 4096):
        k, i, nearer = np.int64(level[at]) & INDEX, np.int64(node[at]) & INDEX, shortest - at - 1
        step, j = -1, 0
        if nearer < 0:
            # The last node before the target; it is removed once its target edge is saturated.
            sent = lesser(left[at], sink[i])
            left[at] = 0.0 if sent == left[at] else left[at] - sent
            sink[i] = 0.0 if sent == sink[i] else sink[i] - sent
            if sink[i] == 0.0:
                seen[depth, i >> 6] &= ~(ONE << np.uint64(i & 63))
        elif left[at] > 0.0:
            # Find a node one edge nearer to the target: along an open edge, the identity edge
            # first, or along the reverse residual edge of an edge that carries flow.
            if k < depth:
                own = (out_open[k, i, i >> 6] & seen[k + 1, i >> 6]) >> np.uint64(i & 63) & ONE
                if own != ZERO and distance[k + 1, i] == nearer:
                    step, j = k + 1, i
                for word in range(words):
                    if step >= 0:
                        break
                    here = out_open[k, i, word] & seen[k + 1, word]
                    while here != ZERO:
                        j = first_of(word, here)
                        if distance[k + 1, j] == nearer:
                            step = k + 1
                            break
                        here &= here - ONE
            if k > 0:
                for word in range(words):
                    if step >= 0:
                        break
                    here = in_flow[k - 1, i, word] & seen[k - 1, word]
                    while here != ZERO:
                        j = first_of(word, here)
                        if distance[k - 1, j] == nearer:
                            step = k - 1
                            break
                        here &= here - ONE
            if step >= 0:
                room = rest[k, i, j] if step > k else middle[step, j, i] - rest[step, j, i]
                room = lesser(left[at], room)
                at += 1
                level[at], node[at], wanted[at], left[at] = step, j, room, room
                continue
            seen[k, i >> 6] &= ~(ONE << np.uint64(i & 63))  # a dead end in this level graph
        # Backtrack: update the residual capacity of the edge by which the search came here.
        sent, full = wanted[at] - left[at], left[at] == 0.0
        if at == 0:
            return sent, full
        at -= 1
        if sent <= 0.0:
            continue
        above, j, i = np.int64(level[at]) & INDEX, i, np.int64(node[at]) & INDEX
        left[at] = 0.0 if sent == left[at] else left[at] - sent
        if k > above:
            room = rest[above, i, j]
            if room == middle[above, i, j]:
                touch(touched, count, above, i, j)
            if sent == room:
                close_arc(out_open, above, i, j)
                close_arc(in_open, above, j, i)
            room -= sent
            rest[above, i, j] = room
            if room < middle[above, i, j]:  # equal if `sent` is below the rounding error of `room`
                open_arc(out_flow, above, i, j)
                open_arc(in_flow, above, j, i)
        else:
            if rest[k, j, i] == 0.0:
                open_arc(out_open, k, j, i)
                open_arc(in_open, k, i, j)
            if sent == middle[k, j, i] - rest[k, j, i]:
                rest[k, j, i] = middle[k, j, i]
            else:
                rest[k, j, i] += sent
            if rest[k, j, i] >= middle[k, j, i]:
                rest[k, j, i] = middle[k, j, i]
                close_arc(out_flow, k, j, i)
                close_arc(in_flow, k, i, j)
    return -1.0, False
