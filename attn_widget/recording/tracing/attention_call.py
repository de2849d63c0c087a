"""`AttentionCall`: what is known of one call of one attention, for the whole batch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

Shape = tuple[int, int, int, int]  # batch, heads, queries, keys


def four_axes(weights: torch.Tensor) -> Shape:
    """Return the shape of weights ``(batch, head, query, key)``."""
    batch, heads, queries, keys = weights.shape
    return batch, heads, queries, keys


@dataclass
class AttentionCall:
    """One attention call of the whole batch; axes are ``(batch, head, query, key or channel)``."""

    name: str  # path of the module
    shape: Shape
    dtype: torch.dtype
    cross: bool = False
    q: Any = None
    k: Any = None
    v: Any = None
    weights: Any = None
    # (head, query, key) with a graph: the output was computed from this very tensor
    graph_weights: Any = None
    scaling: float | None = None
    mask: Any = None
    causal: bool = False
    bias: Any = None
    bias_kind: str | None = None
    softcap: float | None = None
    sinks: Any = None
    output_projection: Any = None  # (head · channel, model channel), where it was found
    confirmed: bool = False  # the weights were multiplied with values
    # the weights were changed after their softmax: q and k cannot give them again
    altered: bool = False
    # rows -> weights by the family's own code, where the plain formula does not hold
    family_rows: Callable[..., Any] | None = None
    index: int | None = None  # which attention call of the pass this is, where heads are ablated
