"""One forward pass, recorded; of a text that the model wrote, its steps too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePath
from types import MappingProxyType
from typing import Any

import numpy as np

from attn_widget.errors import InputError
from attn_widget.records.arrays import to_numpy
from attn_widget.records.layers import LayerAttention, most_heads
from attn_widget.records.tokens import Tokens


@dataclass(frozen=True)
class Step:
    """One token that a model wrote: the query that asked for it, what was chosen, and what else was likely."""

    position: int  # of the query whose row this step measured; the token itself stands one further
    token: str
    id: int
    probability: float
    top: tuple[
        tuple[str, float], ...
    ]  # the likeliest tokens, each with its probability, likeliest first


@dataclass(frozen=True, eq=False)
class Capture:
    """One forward pass, recorded: the layers in the order they ran, and what stands along their axes."""

    layers: tuple[LayerAttention, ...]
    streams: Mapping[str, Tokens]  # tokens of each stream; "" when there is one
    cross_streams: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    # for cross-attention: the stream that asks -> the stream that answers
    model_name: str = ""
    dtype: str = "float32"
    image: Any = None  # (row, column, rgb) uint8, when the input was a picture
    logits: Any = (
        None  # (query, class) or (class,), as the model returned them; None where it has no head
    )
    missing: tuple[
        str, ...
    ] = ()  # modules that attended in a layout that holds no one weight per query and key
    answers: bool = False  # the model gave logits, kept or not
    steps: tuple[
        Step, ...
    ] = ()  # of a text that the model wrote; the last one's token ended it and is no row
    drawn: Mapping[str, tuple[Sequence[int], Sequence[int]]] = field(
        default_factory=lambda: MappingProxyType({})
    )
    # group -> layers and heads that pictures of all heads are limited to; all of them in a group that is not named

    def __repr__(self) -> str:
        """Return one line of what was recorded: the numbers would fill pages."""
        shapes = [
            f"{name} {(len(layers), most_heads(layers), layers[0].n_queries, layers[0].n_keys)}"
            for name, layers in self.groups.items()
        ]
        model = f" of {self.title}" if self.title else ""
        return f"<Capture{model}: {', '.join(shapes) or 'no attention'}>"

    @property
    def title(self) -> str:
        """Return the model's name; of a folder only its last part: pictures go to people who need not know the rest."""
        path = PurePath(self.model_name)
        return path.name if path.is_absolute() else self.model_name

    @property
    def groups(self) -> dict[str, tuple[LayerAttention, ...]]:
        """Return the attentions that can be chosen: ``self`` alone, or ``encoder``, ``decoder``, ``cross`` and so on.

        A group is all layers of one stream and kind, in order; its name is what ``widget.attention`` takes.
        """
        pairs = list(dict.fromkeys((layer.stream, layer.kind) for layer in self.layers))
        n_cross = sum(kind == "cross" for _, kind in pairs)
        names = {}
        for stream, kind in pairs:
            if len(pairs) == 1:
                names[stream, kind] = kind
            elif kind == "cross":
                names[stream, kind] = "cross" if n_cross == 1 else f"{stream} cross"
            else:
                names[stream, kind] = stream or "self"
        return {
            name: tuple(layer for layer in self.layers if (layer.stream, layer.kind) == pair)
            for pair, name in names.items()
        }

    def group(self, attention: str | None = None) -> tuple[LayerAttention, ...]:
        """Return the layers of one group; the first group when none is named."""
        groups = self.groups
        if attention is None:
            return next(iter(groups.values()))
        if attention not in groups:
            known = ", ".join(groups)
            raise InputError(
                f"attention must be one of {known}, got {attention!r}. Choose one of these."
            )
        return groups[attention]

    def axes(self, attention: str | None = None) -> tuple[Tokens, Tokens]:
        """Return the tokens along the query axis and along the key axis of a group."""
        first = self.group(attention)[0]
        queries = self.streams[first.stream]
        if first.kind == "self":
            return queries, queries
        return queries, self.streams[self.cross_streams[first.stream]]

    def places(self, attention: str) -> list[tuple[int, int]]:
        """Return the layer and head of every map in a picture of all heads, in the order of the layers."""
        layers, heads = self.drawn.get(attention, (None, None))
        return [
            (i, head)
            for i, layer in enumerate(self.group(attention))
            for head in range(layer.n_heads)
            if (layers is None or i in layers) and (heads is None or head in heads)
        ]

    @property
    def tokens(self) -> Tokens:
        """Return the tokens of the first group's queries."""
        return self.axes()[0]

    @property
    def attention(self) -> np.ndarray:
        """Return attention of the first group as one array ``(layer, head, query, key)``, recomputed where needed."""
        return np.stack([to_numpy(layer.weights_for()) for layer in self.group()])
