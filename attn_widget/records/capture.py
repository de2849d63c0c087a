"""`Capture`: one forward pass, recorded, or a text that the model wrote with its steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import PurePath
from types import MappingProxyType
from typing import Any

import numpy as np

from attn_widget.errors import InputError
from attn_widget.records.arrays import to_numpy
from attn_widget.records.indices import check_index
from attn_widget.records.layers import LayerAttention, most_heads
from attn_widget.records.runner_call import RunnerCall
from attn_widget.records.tokens import Tokens

NOTHING: Mapping[Any, Any] = MappingProxyType({})


def part_stream(stream: str, part: int) -> str:
    """Return the name in ``streams`` under which the tokens of one part stand."""
    return stream if part == 0 else f"{stream} part {part + 1}".strip()


@dataclass(frozen=True)
class Step:
    """One generation step: the query, the token that the model wrote, and the likeliest tokens."""

    position: int  # of the query; the new token is at the next position
    token: str
    id: int
    probability: float
    top: tuple[tuple[str, float], ...]  # the likeliest tokens and their probabilities


@dataclass(frozen=True, eq=False)
class Capture:
    """One forward pass, recorded: the layers in the order they ran, and the tokens of their axes.

    Parameters
    ----------
    layers
        All attentions.
    streams
        The tokens of each stream; its name is ``""`` when there is one.
    cross_streams
        For cross-attention: stream of the queries -> stream of the keys.
    model_name, dtype
        Of the model.
    image
        ``(row, column, rgb)`` uint8, when the input was a picture.
    logits
        ``(query, class)`` or ``(class,)``, as the model returned them; None where it has none or
        they are large.
    missing
        Paths of modules that mixed positions and were not recorded.
    answers
        Whether the model gave logits, kept or not.
    steps
        The generation steps of a text that the model wrote; the token of the last one has no row.
    drawn
        Group -> layers and heads that pictures of all heads are limited to; groups that are not
        named are drawn whole.
    part
        Which part of the layers that have several is in `groups`, from 0.
    part_words
        Stream -> what its parts are called: ``"window"``, ``"picture"``, ``"frame"`` …
    not_joint
        Group -> why its layers cannot be multiplied: their positions are not the same, or a module
        between them was not recorded. Groups that are not named can be.
    made_by
        The call of a runner that made it; None where no runner did.

    Examples
    --------
    >>> capture = from_arrays([[[[1.0, 0.0], [0.25, 0.75]]]], ["The", "keys"])
    >>> capture
    <Capture of arrays: self (1, 1, 2, 2)>
    >>> capture.attention.shape, capture.tokens.text
    ((1, 1, 2, 2), ('The', 'keys'))
    """

    layers: tuple[LayerAttention, ...]
    streams: Mapping[str, Tokens]
    cross_streams: Mapping[str, str] = field(default_factory=lambda: NOTHING)
    model_name: str = ""
    dtype: str = "float32"
    image: Any = None
    logits: Any = None
    missing: tuple[str, ...] = ()
    answers: bool = False
    steps: tuple[Step, ...] = ()
    drawn: Mapping[str, tuple[Sequence[int], Sequence[int]]] = field(
        default_factory=lambda: NOTHING
    )
    part: int = 0
    part_words: Mapping[str, str] = field(default_factory=lambda: NOTHING)
    not_joint: Mapping[str, str] = field(default_factory=lambda: NOTHING)
    made_by: RunnerCall | None = None

    def __repr__(self) -> str:
        """Return one line: the numbers would fill pages."""
        shapes = [
            f"{name} {(len(layers), most_heads(layers), layers[0].n_queries, layers[0].n_keys)}"
            for name, layers in self.groups.items()
        ]
        model = f" of {self.title}" if self.title else ""
        return f"<Capture{model}: {', '.join(shapes) or 'no attention'}>"

    @property
    def title(self) -> str:
        """Return the model's name; of a folder only its last part, since pictures are shared."""
        path = PurePath(self.model_name)
        return path.name if path.is_absolute() else self.model_name

    @property
    def groups(self) -> dict[str, tuple[LayerAttention, ...]]:
        """Return the attentions by name: ``self``, or ``encoder``, ``decoder`` and ``cross``.

        A group is all layers of one stream and kind, in order; ``widget.attention`` takes its name.
        Of a layer in several parts it holds the part that `part` chooses.
        """
        pairs = list(dict.fromkeys((one.stream, one.kind) for one in self.chosen_layers))
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
            name: tuple(one for one in self.chosen_layers if (one.stream, one.kind) == pair)
            for pair, name in names.items()
        }

    @property
    def chosen_layers(self) -> tuple[LayerAttention, ...]:
        """Return the attentions of all groups, in the order they ran, of the chosen part.

        A layer that has fewer parts gives its last one.
        """
        return tuple(one for one in self.layers if one.part == min(self.part, one.n_parts - 1))

    def at_part(self, part: int) -> Capture:
        """Return this capture with another part of its layers in `groups`.

        Raises
        ------
        InputError
            If no layer has that part.
        """
        count = max(layer.n_parts for layer in self.layers)
        remedy = "Choose a part that exists."
        part = check_index("part", part, count, remedy, negative=False)
        return self if part == self.part else replace(self, part=part)

    def n_parts(self, attention: str | None = None) -> int:
        """Return how many parts the layers of a group have; 1 where they attend to all at once."""
        return max(layer.n_parts for layer in self.group(attention))

    def part_word(self, attention: str | None = None) -> str:
        """Return what the parts of a group are called."""
        return self.part_words.get(self.group(attention)[0].stream, "part")

    def group(self, attention: str | None = None) -> tuple[LayerAttention, ...]:
        """Return the layers of one group; omitted: the first group."""
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
        queries = self._tokens(first.stream, first)
        if first.kind == "self":
            return queries, queries
        return queries, self._tokens(self.cross_streams[first.stream], first)

    def _tokens(self, stream: str, layer: LayerAttention) -> Tokens:
        """Return the tokens of a stream, of a layer's part where parts have tokens of their own."""
        return self.streams.get(part_stream(stream, layer.part), self.streams[stream])

    def places(self, attention: str) -> list[tuple[int, int]]:
        """Return the layer and head of every map in a picture of all heads."""
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
        """Return attention of the first group, ``(layer, head, query, key)``.

        Raises
        ------
        InputError
            If its layers differ in heads, queries or keys.
        """
        layers = self.group()
        shapes = {(one.n_heads, one.n_queries, one.n_keys) for one in layers}
        if len(shapes) > 1:
            raise InputError(
                "attention must have the same (head, query, key) in every layer to be one array, "
                f"got {', '.join(map(str, sorted(shapes)))}. Take one layer at a time.",
                code="[layer.weights_for() for layer in capture.group()]",
            )
        return np.stack([to_numpy(layer.weights_for()) for layer in layers])
