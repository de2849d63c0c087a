"""The attention rows of all generation steps, joined to one attention call.

A step with a cache computes one query against all keys so far. Row by row this is what one pass
over the final text computes, since no row of a causal model sees what comes after it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import torch

from attn_widget.errors import InputError
from attn_widget.recording.softmax import allowed_keys
from attn_widget.recording.tracing.attention_call import AttentionCall


def stitch_steps(parts: Sequence[AttentionCall], n_first: int) -> AttentionCall:
    """Return one call with all rows from the calls of the same attention at every step.

    Parameters
    ----------
    parts
        The first holds ``n_first`` queries, each later one a query more; models without a cache
        compute earlier rows again, of which only the new ones are taken.
    """
    first, last = parts[0], parts[-1]
    if any(part.shape[0] != 1 for part in parts):
        raise InputError(
            f"generate must follow one sequence, got {first.shape[0]} at {first.name}. "
            "Write one at a time."
        )
    n_rows = n_first + len(parts) - 1
    cross = first.cross or (
        all(part.shape[3] == first.shape[3] for part in parts[1:]) and first.shape[3] != n_first
    )
    n_keys = first.shape[3] if cross else n_rows
    before = last.shape[3] - n_rows
    if not cross and before > 0 and last.shape[3] > first.shape[3]:  # a static cache does not grow
        raise InputError(
            f"generate must attend to the text alone, got {before} keys from before it at "
            f"{first.name}. Run the model on the text: its prefix is recorded there.",
            code="runner.run(text)",
        )
    shape = (1, first.shape[1], n_rows, n_keys)
    stops = [n_first + i for i in range(len(parts))]
    fresh = [n_first, *[1] * (len(parts) - 1)]

    def rows(terms: Sequence[torch.Tensor | None], empty: Any) -> Any:
        """Return the new rows of every step's term; keys that did not exist yet are empty."""
        heads = max(part.shape[1] for part in terms if part is not None)
        whole = next(part for part in terms if part is not None).new_full(
            (1, heads, n_rows, n_keys), empty
        )
        for part, call, stop, new in zip(terms, parts, stops, fresh, strict=True):
            if part is not None:
                # A sliding cache holds the last keys only; a static one has more places than keys.
                end = n_keys if cross else stop
                width = min(part.shape[-1], end) if call.shape[3] <= end else end
                start = max(0, end - call.shape[3])
                new_rows = part[..., -new:, :] if part.shape[-2] > 1 else part
                whole[:, :, stop - new : stop, start : start + width] = new_rows[..., :width]
        return whole

    weights = (
        None
        if any(part.weights is None for part in parts)
        else rows([p.weights for p in parts], 0.0)
    )
    whole_keys = (
        last.k is not None
        and last.k.shape[2] == n_keys
        and all(part.q is not None for part in parts)
    )
    if weights is None and not whole_keys:
        raise InputError(
            f"weights must be kept where not all keys are, got neither at {first.name}. "
            "Pass weights=True."
        )
    biases = [part.bias for part in parts]
    device = last.q.device if weights is None else weights.device
    return dataclasses.replace(
        first,
        shape=shape,
        q=torch.cat([p.q[:, :, -new:] for p, new in zip(parts, fresh, strict=True)], 2)
        if whole_keys
        else None,
        k=last.k if whole_keys else None,
        v=last.v if whole_keys else None,
        weights=weights,
        mask=rows([allowed_keys(part, device) for part in parts], False),
        causal=False,
        bias=None if all(bias is None for bias in biases) else rows(biases, 0.0),
        altered=any(part.altered for part in parts),
        family_rows=None,
    )


def release_tensors(call: AttentionCall, keep_keys: bool) -> None:
    """Drop what the call of a later step holds too; weights by the family's code are kept."""
    if call.weights is None and call.family_rows is not None and call.shape[0] == 1:
        call.weights = call.family_rows(torch.arange(call.shape[2]))
    if not keep_keys:
        call.k = call.v = None
    call.family_rows = None
