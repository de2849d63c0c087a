"""Kernel, part 2: the blocking flow of Dinic's first phase, by depth-first search over bit sets.

Without reverse residual edges every path from the source to the target node has the same length,
so the layered graph itself is the level graph: the level of a node gives its distance to the
target, and no breadth-first search is needed.
"""

from __future__ import annotations

import typing

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

from attn_widget.attribution.kernel.chains import INDEX, INNER, lesser

ONE = np.uint64(1)
ZERO = np.uint64(0)


@intrinsic
@typing.no_type_check
def lowest(typing_context, word):
    """Index of the lowest bit that is set; the word must not be 0."""

    def codegen(context, builder, signature, args):
        return builder.cttz(args[0], ir.Constant(ir.IntType(1), 1))

    return types.uint64(types.uint64), codegen


@njit(**INNER)
@typing.no_type_check
def first_of(word, here):
    """Return the node of the lowest set bit in word number ``word`` of a bit set."""
    return word * 64 + (np.int64(lowest(here)) & 63)


@njit(**INNER)
@typing.no_type_check
def descend(rest, out_open, alive, source, sink, touched, count, node, wanted, left, first, last):
    """Send a blocking flow from all source edges to the target edges; return its amount.

    ``rest`` (residual capacities) and ``out_open`` are flattened: level, upper node, lower node (or
    word). ``alive`` holds the nodes of each level from which the target may still be reachable; a
    node that cannot forward all that it receives is removed from it.
    """
    first, last = first & INDEX, last & INDEX
    n, words, depth = sink.shape[0], alive.shape[1], alive.shape[0] - 1
    clear_alive(alive, sink, first, last)
    total, used, longest = 0.0, count[0], touched.shape[0]
    # In descending order: node 0 often has many wide edges, and serves best as the last choice.
    for root in range(last - 1, first - 1, -1):
        if source[root] <= 0.0:
            continue
        node[0], wanted[0], left[0] = root, source[root], source[root]
        at = 0
        while True:
            i = node[at] & INDEX
            row, amount = at * n + i, left[at]
            if at == depth - 1:
                for word in range(words):
                    here = out_open[row * words + word] & alive[depth, word]
                    while here != ZERO and amount > 0.0:
                        j, bit = first_of(word, here), here & (~here + ONE)
                        here ^= bit
                        edge, open_sink = rest[row * n + j], sink[j]
                        sent = lesser(lesser(amount, open_sink), edge)
                        amount -= sent
                        sink[j] = open_sink - sent
                        rest[row * n + j] = edge - sent
                        if used < longest:
                            touched[used] = (at << 40) | (i << 20) | j
                        used += 1
                        if sent == open_sink:
                            alive[depth, word] ^= bit
                        if sent == edge:
                            out_open[row * words + word] ^= bit
                    if amount <= 0.0:
                        break
                left[at] = amount
            elif amount > 0.0:
                j = -1
                word = i >> 6
                own = out_open[row * words + word] & alive[at + 1, word]
                if own >> np.uint64(i & 63) & ONE != ZERO:
                    j = i  # the identity edge is usually the widest
                else:
                    for word in range(words):
                        here = out_open[row * words + word] & alive[at + 1, word]
                        if here != ZERO:
                            j = first_of(word, here)
                            break
                if j >= 0:
                    room = lesser(amount, rest[row * n + j])
                    at += 1
                    node[at], wanted[at], left[at] = j, room, room
                    continue
            if left[at] > 0.0:
                alive[at, i >> 6] &= ~(ONE << np.uint64(i & 63))
            # Backtrack: subtract the amount sent from the edge by which the search came here.
            sent = wanted[at] - left[at]
            if at == 0:
                source[root] = left[0]
                total += sent
                break
            at -= 1
            if sent > 0.0:
                above = node[at] & INDEX
                row = at * n + above
                edge = rest[row * n + i]
                left[at] = left[at] - sent if sent < left[at] else 0.0
                if used < longest:
                    touched[used] = (at << 40) | (above << 20) | i
                used += 1
                if sent < edge:
                    rest[row * n + i] = edge - sent
                else:
                    rest[row * n + i] = 0.0
                    out_open[row * words + (i >> 6)] &= ~(ONE << np.uint64(i & 63))
    count[0] = used
    return total


@njit(**INNER)
@typing.no_type_check
def clear_alive(alive, sink, first, last):
    """Mark all nodes in use; at the lowest level, only those with an open target edge."""
    first, last = first & INDEX, last & INDEX
    depth = alive.shape[0] - 1
    for word in range(alive.shape[1]):
        low, high = max(first - 64 * word, 0), min(last - 64 * word, 64)
        inside = ZERO
        if low < high:
            inside = (~ZERO >> np.uint64(64 - (high - low))) << np.uint64(low)
        for k in range(depth):
            alive[k, word] = inside
        alive[depth, word] = ZERO
    for j in range(first, last):
        alive[depth, j >> 6] |= np.uint64(sink[j] > 0.0) << np.uint64(j & 63)
