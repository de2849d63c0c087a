"""Attention that a model computes one query after another: the steps of a recurrent decoder.

Each step reads what the step before it gave, as a layer reads the layer below. But all steps weigh
the same keys, with one query each, in one module: they are the rows of one map.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import torch

from attn_widget.recording.softmax import weights_of
from attn_widget.recording.tracing.attention_call import AttentionCall

Place = tuple[str, bool, int]  # stack of layers, whether it is cross-attention, depth


def joined_steps(
    places: Mapping[Place, list[AttentionCall]],
) -> dict[Place, list[AttentionCall]]:
    """Return calls by place, the steps of each module as one call at the place of the first."""
    by_module: dict[tuple[str, bool, str], list[tuple[Place, AttentionCall]]] = {}
    for place, calls in places.items():
        if len(calls) == 1:
            by_module.setdefault((*place[:2], calls[0].name), []).append((place, calls[0]))
    out = dict(places)
    for steps in by_module.values():
        calls = [call for _, call in steps]
        if not _are_steps(calls):
            continue
        out[steps[0][0]] = [_joined(calls)]
        for place, _ in steps[1:]:
            del out[place]
    return out


def _are_steps(calls: Sequence[AttentionCall]) -> bool:
    """Return whether calls hold one query each, for the same keys."""
    first = calls[0]
    if len(calls) < 2 or first.shape[2] != 1 or first.shape[3] < 2:
        return False
    if any(c.shape != first.shape or c.k is None or c.graph_weights is not None for c in calls):
        return False
    return all(torch.equal(call.k, first.k) for call in calls[1:])


def _joined(calls: Sequence[AttentionCall]) -> AttentionCall:
    """Return one call whose queries are the steps."""
    first = calls[0]
    plain = (
        all(
            c.q is not None
            and c.bias is None
            and c.mask is None
            and c.sinks is None
            and not c.altered
            for c in calls
        )
        and len({(c.scaling, c.softcap) for c in calls}) == 1
    )
    kept: list[Any] = [c.weights for c in calls]
    if not plain:
        kept = [weights_of(c) for c in calls]
    whole = None if any(weights is None for weights in kept) else torch.cat(kept, 2)
    return dataclasses.replace(
        first,
        shape=(*first.shape[:2], len(calls), first.shape[3]),
        cross=True,
        q=torch.cat([c.q for c in calls], 2) if plain else None,
        k=first.k if plain else None,
        weights=whole,
        mask=None,
        bias=None,
        sinks=None,
        causal=False,
        family_rows=None,
        altered=not plain,
        head_calls=(),
    )
