"""Attention that was computed in blocks, laid out on one axis of all positions.

A model may compute only the cells near each query, in blocks whose keys reach into other blocks.
Where it was measured which position each query and key is, every cell of the whole matrix is known:
what no block holds is 0.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

import torch

from attn_widget.recording.building.arrange_axes import heads_in_all
from attn_widget.recording.softmax import weights_of
from attn_widget.recording.tracing.attention_call import AttentionCall
from attn_widget.recording.tracing.position_probe import PADDING, UNKNOWN

MOST_BYTES = 256 * 2**20
LOST = 1e-5  # weight of a row that may lie on padding


def dense(calls: Sequence[AttentionCall], n_tokens: int | None) -> list[AttentionCall] | str:
    """Return calls side by side as one dense call where they are blocks, else unchanged.

    Parameters
    ----------
    calls
        Calls of one layer.
    n_tokens
        Ids of one item, where they are known; positions after them are padding of the model's own
        where no query reads them.

    Returns
    -------
    list of AttentionCall, or str
        Why the blocks cannot be laid out.
    """
    squares = all(call.shape[2] == call.shape[3] for call in calls)
    if squares or any(call.cross for call in calls) or not _in_blocks(calls):
        return list(calls)
    first = calls[0]
    if any(call.query_positions is None for call in calls):
        return "attention in blocks whose positions could not be measured"
    # Items on the first axis; states without one hold the positions of one item.
    shape = first.input_shape if len(first.input_shape) > 1 else (1, *first.input_shape)
    n_items, n, heads = shape[0], math.prod(shape[1:]), first.shape[1]
    if first.shape[0] == n_items and len(calls) == 1 and not _stand_for_positions(first):
        return list(calls)  # keys of another input, or squeezed into fewer
    if any(call.shape[1] != heads for call in calls):
        return "attention in blocks with several numbers of heads"
    if n_items * heads * n * n * first.dtype.itemsize > MOST_BYTES:
        return f"attention in blocks over {n} positions, too many to lay out whole"
    whole = None
    for call in calls:
        weights = weights_of(call)
        queries, keys = call.query_positions, call.key_positions
        if bool((queries == UNKNOWN).any()) or bool((keys == UNKNOWN).any()):
            return "attention in blocks over positions that were mixed before"
        keys = _repeated(keys, heads)
        if float(_on_padding(call, weights).max()) > LOST:
            return "attention in blocks that also reads keys of no position"
        if whole is None:
            whole = weights.new_zeros(heads, n_items * n, n)
        real = (queries != PADDING)[..., None] & (keys != PADDING)[:, :, None]
        entry, head, i, j = real.nonzero(as_tuple=True)
        place = (head, queries[entry, head, i], keys[entry, head, j] % n)
        whole.index_put_(place, weights[entry, head, i, j], accumulate=True)
    assert whole is not None
    whole = whole.reshape(heads, n_items, n, n).transpose(0, 1)
    if n_tokens is not None and n_tokens < n and not bool(whole[:, :, :n_tokens, n_tokens:].any()):
        whole, n = whole[:, :, :n_tokens, :n_tokens], n_tokens
    return [
        dataclasses.replace(
            first,
            shape=(n_items, heads, n, n),
            weights=whole,
            q=None,
            k=None,
            v=None,
            mask=None,
            bias=None,
            sinks=None,
            family_rows=None,
            axes=None,
            causal=False,
            altered=True,
            siblings=None,
            lead=(n_items, heads),
            head_calls=heads_in_all(calls),
        )
    ]


def _in_blocks(calls: Sequence[AttentionCall]) -> bool:
    """Return whether calls hold blocks of a layer: several, or several entries of one item."""
    if len(calls) > 1:  # blocks of one module; others, and passes of other inputs, are no blocks
        several = len({call.name for call in calls}) == 1
        return several and all(call.siblings in ("parts", "unknown") for call in calls)
    return calls[0].query_positions is not None


def _stand_for_positions(call: AttentionCall) -> bool:
    """Return whether the queries and keys of a call are positions of one input."""
    both = (call.query_positions, call.key_positions)
    if not all(bool((p >= 0).any()) and not bool((p == UNKNOWN).any()) for p in both):
        return False
    # Learned keys are of no position; padding of blocks is too, and queries do not read it.
    return float(_on_padding(call, weights_of(call)).max()) <= LOST


def _on_padding(call: AttentionCall, weights: torch.Tensor) -> torch.Tensor:
    """Return the weight that each real query has on keys of no position."""
    keys = _repeated(call.key_positions, call.shape[1])
    lost = weights.masked_fill((keys != PADDING)[:, :, None], 0).sum(-1)
    return lost.masked_fill(call.query_positions == PADDING, 0)


def _repeated(positions: torch.Tensor, heads: int) -> torch.Tensor:
    """Return the positions of grouped keys, one set for each head of queries."""
    return positions.repeat_interleave(heads // positions.shape[1], 1)
