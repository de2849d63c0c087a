"""The quantities of a search: head metrics of a text, or how well each head finds a relation."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float

from attn_widget.heads.identity import identity
from attn_widget.heads.metrics import head_metrics
from attn_widget.heads.relations import Positions, Relation
from attn_widget.heads.requested_metrics import listed_metrics
from attn_widget.records import Capture, LayerAttention, most_heads, to_numpy


@dataclass(frozen=True, eq=False)
class Measured:
    """One text's part of every mean: ``Σ sums / Σ counts`` over texts is what a search returns."""

    sums: Float[np.ndarray, "measure layer head"]
    counts: Float[np.ndarray, "measure layer head"]
    n_pairs: int = 0
    hidden: int = 0  # queries that cannot attend to their key
    # Distance key − query -> how many queries have a key there.
    offsets: Mapping[int, int] = field(default_factory=dict)
    # The sums of each query; a file holds those of one text.
    parts: Float[np.ndarray, "part measure layer head"] | None = None


@dataclass(frozen=True)
class Header:
    """Names of the numbers of a search."""

    names: tuple[str, ...]  # of the table
    titles: tuple[str, ...]
    units: tuple[str, ...]
    attention: str  # which group was measured


@runtime_checkable
class Measure(Protocol):
    """What a search needs of the quantity that it measures."""

    @property
    def title(self) -> str:
        """Return its name, for tables and files."""

    @property
    def attention(self) -> str | None:
        """Return which attention of a capture it is measured on; None for the first."""

    def identity(self) -> str:
        """Return a hash of it that other code, constants or options change."""

    def text_identity(self, item: Any, index: int) -> str:
        """Return a hash of a text, with what is given for this text alone."""

    def header(self, capture: Capture) -> Header:
        """Return the names of the numbers of a capture."""

    def measured(self, capture: Capture, item: Any, index: int) -> Measured:
        """Return one text's part of every mean."""


@dataclass(frozen=True)
class Metrics:
    """Head metrics of each text; texts count the same, whatever their length."""

    names: Any
    attention: str | None
    title: str

    def identity(self) -> str:
        """Return a hash of the names, functions and masks."""
        return identity(None if self.names is None else listed_metrics(self.names), "metric")

    def text_identity(self, item: Any, index: int) -> str:
        """Return a hash of a text."""
        return identity(item, "texts")

    def header(self, capture: Capture) -> Header:
        """Return the names of the metrics."""
        table = head_metrics(capture, self.names, attention=self.attention)
        first = next(iter(table.values()))
        units = tuple(scores.unit for scores in table.values())
        return Header(
            tuple(table), tuple(scores.name for scores in table.values()), units, first.attention
        )

    def measured(self, capture: Capture, item: Any, index: int) -> Measured:
        """Return each metric of this text, counted once where it could be measured."""
        table = head_metrics(capture, self.names, attention=self.attention)
        values = np.stack([scores.values for scores in table.values()])
        return Measured(np.nan_to_num(values, nan=0.0), (~np.isnan(values)).astype(np.float64))


@dataclass(frozen=True)
class Pairs:
    """How well each head finds the keys of a relation; queries count the same.

    ``share``: each query's attention on its keys. ``hits``: whether one of them has the largest
    weight of all keys that are not special.
    """

    relation: Relation
    attention: str | None

    @property
    def title(self) -> str:
        """Return the relation's name."""
        return self.relation.title

    def identity(self) -> str:
        """Return a hash of the pattern, the function or the pairs."""
        return self.relation.identity()

    def text_identity(self, item: Any, index: int) -> str:
        """Return a hash of a text and of the pairs that were given for it."""
        return identity([item, self.relation.given_for(index)], "texts")

    def header(self, capture: Capture) -> Header:
        """Return the two numbers of a relation."""
        group = next(iter(capture.groups)) if self.attention is None else self.attention
        return Header(
            ("hits", "share"), ("most attended", "share on the partner"), ("share", "share"), group
        )

    def measured(self, capture: Capture, item: Any, index: int) -> Measured:
        """Return sums over the queries of this text that have a key in the relation."""
        group = capture.group(self.attention)
        pairs = self.relation.pairs(capture, self.attention, item, index)
        size = (2, len(group), most_heads(group))
        if not pairs:
            return Measured(np.zeros(size), np.zeros(size))
        special = np.array(capture.axes(self.attention)[1].special, bool)
        parts = np.full((len(pairs), *size), np.nan)
        for i, layer in enumerate(group):
            for part, (hit, share) in zip(parts, _found(layer, pairs, special), strict=True):
                part[0, i, : layer.n_heads], part[1, i, : layer.n_heads] = hit, share
        offsets = Counter(
            offset for query, keys in pairs.items() for offset in {key - query[0] for key in keys}
        )
        causal = group[0].causal
        hidden = sum(causal and min(keys) > query[-1] for query, keys in pairs.items())
        counts = np.where(np.isnan(parts[0]), 0.0, float(len(parts)))
        parts = np.nan_to_num(parts, nan=0.0)
        return Measured(parts.sum(0), counts, len(parts), hidden, dict(offsets), parts)


def _found(
    layer: LayerAttention, pairs: Mapping[Positions, Positions], special: Any
) -> Iterator[tuple[Any, Any]]:
    """Return for each query which heads have their largest weight on its keys, and the share."""
    rows = sorted({position for query in pairs for position in query})
    place = {position: i for i, position in enumerate(rows)}
    weights = to_numpy(layer.weights_for(None, rows)).astype(np.float64)
    for query, keys in pairs.items():
        row = weights[:, [place[position] for position in query]].mean(1)
        compared = ~special
        compared[list(keys)] = True  # a special token counts only where the relation names it
        best = np.where(compared, row, -1.0).argmax(-1)
        yield np.isin(best, keys), row[:, list(keys)].sum(-1)
