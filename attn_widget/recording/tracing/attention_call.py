"""`AttentionCall`: what is known of one call of one attention, for the whole batch."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from attn_widget.records.layers import HeadCall

Shape = tuple[int, int, int, int]  # batch, heads, queries, keys


@dataclass(frozen=True)
class Axis:
    """One leading axis of queries: heads, or positions (items, windows, pictures)."""

    size: int
    holds_heads: bool


def n_heads_of(axes: Sequence[Axis]) -> int:
    """Return how many heads these axes hold."""
    return math.prod(axis.size for axis in axes if axis.holds_heads)


def n_entries_of(axes: Sequence[Axis]) -> int:
    """Return how many items, windows and pictures these axes hold."""
    return math.prod(axis.size for axis in axes if not axis.holds_heads)


@dataclass(frozen=True)
class Items:
    """How many items the batch has.

    Parameters
    ----------
    stated
        Where the inputs say it.
    likely
        Where nothing does: what splits an axis on which items and heads are merged.
    sizes
        Lengths of the axes of the inputs that may hold items.
    """

    stated: int | None
    likely: int | None
    sizes: frozenset[int] = frozenset()

    def has_other(self, rows: int) -> bool:
        """Return whether a first axis of this length certainly or likely holds more than items."""
        expected = self.likely if self.stated is None else self.stated
        return expected is not None and rows != expected

    def are_first(self, lead: tuple[int, ...]) -> bool:
        """Return whether these leading axes of queries are certainly (item, head)."""
        return len(lead) == 2 and lead[0] == self.stated


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
    # For each head the calls of the pass, and their heads, that compute it; empty: not known.
    head_calls: tuple[tuple[HeadCall, ...], ...] = ()
    depth: int = 0  # attention calls that its input was computed from, one after another
    lead: tuple[int, ...] = ()  # leading axes of the queries, as the model had them
    unsure: bool = False  # the leading axes are not certainly (item, head)
    axes: tuple[Axis, ...] | None = None  # what the leading axes hold, where it was measured
    # What calls side by side are: "heads" or "parts" of one layer, "unknown", or not measured.
    siblings: str | None = None
    measured_in: int = 0  # number of the module call in which its siblings were measured
    windows: int | None = None  # parts that the first axis holds beside the items, if measured
    module_call: int = 0  # number of the innermost module call that it was made in
    # (entry, head) that a change of the model's inputs reaches, for each change that was tried.
    reached: tuple[Any, ...] = ()
    # Which positions of the layer's input the queries and keys are, (item, head, token), and how
    # many items and positions that input has; for layers that attend in blocks, where measured.
    query_positions: Any = None
    key_positions: Any = None
    input_shape: tuple[int, ...] = ()

    def has_parts(self, items: int) -> bool:
        """Return whether this is a part of a layer, or holds more entries than there are items."""
        entries = self.shape[0] if self.axes is None else n_entries_of(self.axes)
        return self.siblings == "parts" or entries > items
