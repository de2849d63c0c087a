"""The second part of the maximum-flow kernel: Dinic's algorithm over bit sets, on what the chains left open.

The compiled kernel is kept on the disk until this very file changes: save it again after a change to
`chains.py` or `arcs.py`.
"""

from __future__ import annotations

import typing

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

from attn_widget.attribution.arcs import ONE, ZERO, clear, close_arc, note_flows, open_arc, restore, touch, write_down
from attn_widget.attribution.chains import INNER, fill_chains, lesser


@intrinsic
@typing.no_type_check
def lowest(typing_context, word):
    """Index of the lowest bit that is set; the word must not be 0."""

    def codegen(context, builder, signature, args):
        return builder.cttz(args[0], ir.Constant(ir.IntType(1), 1))

    return types.uint64(types.uint64), codegen


@njit(nogil=True, cache=True)
@typing.no_type_check
def solve_row(fixed, w, u, out):
    """Fill ``out`` with the flow from source ``u`` to every sink; return -1 if a search did not end."""
    # Unpacked once: a tuple of arrays is costly to hand from function to function.
    top, bottom, middle, turned, diagonal, fixed_out, fixed_in, causal = fixed
    rest, out_open, in_open, out_flow, in_flow, distance, seen, current, found = w[:9]
    source, sink, straight, from_source, to_sink, pushed, least, touched, count, node, level, wanted, left = w[9:]
    n = out.shape[0]
    for v in range(n):
        first, last = 0, n
        if causal:
            if v > u:
                continue
            first, last = v, u + 1
        total = fill_chains(
            top, bottom, middle, turned, diagonal, source, sink, straight, from_source, to_sink, pushed, least,
            u, v, first, last,
        )  # fmt: skip
        if _is_open(source, first, last) and _is_open(sink, first, last):
            write_down(middle, rest, out_open, in_open, straight, from_source, to_sink, u, v, first, last)
            more = _finish(
                middle, rest, out_open, in_open, out_flow, in_flow, distance, seen, current, found, source, sink,
                touched, count, node, level, wanted, left, u, v, first, last,
            )  # fmt: skip
            restore(
                middle, fixed_out, fixed_in, rest, out_open, in_open, out_flow, in_flow, touched, count,
                u, v, first, last,
            )  # fmt: skip
            if more < 0.0:
                return -1
            total += more
        out[v] = total
    return 0


@njit(**INNER)
@typing.no_type_check
def _is_open(arcs, first, last):
    for j in range(first, last):  # noqa: SIM110 - a generator would not compile
        if arcs[j] > 0.0:
            return True
    return False


@njit(**INNER)
@typing.no_type_check
def _finish(
    middle, rest, out_open, in_open, out_flow, in_flow, distance, seen, current, found, source, sink,
    touched, count, node, level, wanted, left, u, v, first, last,
):  # fmt: skip
    """Augment until no path is left; return what was added, or -1 when it does not end."""
    total = 0.0
    for search in range(distance.size + 1):
        if search == 0:
            shortest = _straight_down(distance, seen, sink, first, last)
        else:
            if search == 1:
                note_flows(middle, rest, out_flow, in_flow, touched, count, u, v, first, last)
            shortest = _distances(in_open, out_flow, distance, seen, current, found, source, sink, first, last)
        if shortest < 0:
            return total
        for i in range(first, last):
            if source[i] > 0.0 and distance[0, i] == shortest:
                sent, full = _blocking(
                    middle, rest, out_open, in_open, out_flow, in_flow, distance, seen, source, sink,
                    touched, count, node, level, wanted, left, i, shortest,
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
def _straight_down(distance, seen, sink, first, last):
    """Label every node with its level's distance to the sink: right while no flow can be taken back."""
    depth = seen.shape[0] - 1
    clear(seen, 0, depth)
    for j in range(first, last):
        bit = ONE << np.uint64(j & 63)
        for k in range(depth):
            seen[k, j >> 6] |= bit
            distance[k, j] = depth - k
        distance[depth, j] = 0
        if sink[j] > 0.0:
            seen[depth, j >> 6] |= bit
    return depth


@njit(**INNER)
@typing.no_type_check
def _distances(in_open, out_flow, distance, seen, current, found, source, sink, first, last):
    """Label nodes with their distance to the sink, up to the nearest open source arc; return it, or -1."""
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
                    if source[word * 64 + np.int64(lowest(here))] > 0.0:
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
                    i = word * 64 + np.int64(lowest(here))
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
                    distance[k, word * 64 + np.int64(lowest(new))] = far
                    new &= new - ONE
        if not any_found:
            return -1
        low, high = wide_low, wide_high


@njit(**INNER)
@typing.no_type_check
def _blocking(
    middle, rest, out_open, in_open, out_flow, in_flow, distance, seen, source, sink,
    touched, count, node, level, wanted, left, root, shortest,
):  # fmt: skip
    """Send from one source arc along shortest paths until it is full or cut off; return (sent, is it full)."""
    depth, words = seen.shape[0] - 1, seen.shape[1]
    taking_back = count[1] != 0
    node[0], level[0], wanted[0], left[0] = root, 0, source[root], source[root]
    at = 0
    # Every step down ends by filling an edge, closing a node or using up what was wanted; a fault would go on for ever.
    for _ in range(64 * (depth + 1) * sink.shape[0] ** 2 + 4096):
        k, i, nearer = np.int64(level[at]), np.int64(node[at]), shortest - at - 1
        step, j = -1, 0
        if nearer < 0:
            # The last node before the sink; an arc that fills takes its node out.
            sent = lesser(left[at], sink[i])
            left[at] = 0.0 if sent == left[at] else left[at] - sent
            sink[i] = 0.0 if sent == sink[i] else sink[i] - sent
            if sink[i] == 0.0:
                seen[depth, i >> 6] &= ~(ONE << np.uint64(i & 63))
        elif nearer == 0 and k == depth - 1:
            # One hop from the sink arcs: fill them here, without going down for each.
            for word in range(words):
                here = out_open[k, i, word] & seen[depth, word]
                while here != ZERO and left[at] > 0.0:
                    j = word * 64 + np.int64(lowest(here))
                    bit = here & (~here + ONE)
                    here ^= bit
                    if sink[j] == 0.0:
                        continue  # farther from the sink: it is reached by taking back what it was sent
                    sent = lesser(lesser(left[at], sink[j]), rest[k, i, j])
                    left[at] = 0.0 if sent == left[at] else left[at] - sent
                    if sent == sink[j]:
                        sink[j] = 0.0
                        seen[depth, word] ^= bit
                    else:
                        sink[j] -= sent
                    room = rest[k, i, j]
                    if room == middle[k, i, j]:
                        touch(touched, count, k, i, j)
                    if sent == room:
                        out_open[k, i, word] ^= bit
                        close_arc(in_open, k, j, i)
                    room -= sent
                    rest[k, i, j] = room
                    if taking_back and room < middle[k, i, j]:
                        out_flow[k, i, word] |= bit
                        open_arc(in_flow, k, j, i)
            if left[at] > 0.0:
                seen[k, i >> 6] &= ~(ONE << np.uint64(i & 63))
        elif left[at] > 0.0:
            # A node one step nearer to the sink: down an open edge, its own chain first, or back up a flow.
            if k < depth:
                own = (out_open[k, i, i >> 6] & seen[k + 1, i >> 6]) >> np.uint64(i & 63) & ONE
                if own != ZERO and distance[k + 1, i] == nearer:
                    step, j = k + 1, i
                for word in range(words):
                    if step >= 0:
                        break
                    here = out_open[k, i, word] & seen[k + 1, word]
                    while here != ZERO:
                        j = word * 64 + np.int64(lowest(here))
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
                        j = word * 64 + np.int64(lowest(here))
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
            seen[k, i >> 6] &= ~(ONE << np.uint64(i & 63))  # a dead end stays one for this search
        # Go back up, and enter what was sent into the edge that led here.
        sent, full = wanted[at] - left[at], left[at] == 0.0
        if at == 0:
            return sent, full
        at -= 1
        if sent <= 0.0:
            continue
        above, j, i = np.int64(level[at]), i, np.int64(node[at])
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
            if taking_back and room < middle[above, i, j]:
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
