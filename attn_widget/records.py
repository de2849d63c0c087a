"""The nouns that travel through the house: Tokens, Capture, Attribution, HeadScores, Prediction, Runner and so on.

Frozen values without behaviour beyond looking at themselves. Arrays are NumPy or torch; this module
imports neither torch nor a user interface. Axis order is always ``(layer, head, query, key)``;
queries and keys are ``(head, token, channel)``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Protocol, runtime_checkable

import numpy as np

from attn_widget.errors import InputError


@dataclass(frozen=True)
class Tokens:
    """What stands along one axis of an attention matrix: strings a person can read, and their marks.

    Attributes
    ----------
    text
        One string per position, cleaned for display (``"keys"``, not ``"Ġkeys"`` or ``"##ys"``).
    ids
        Vocabulary ids, or None where there is no vocabulary (patches, frames, own labels).
    special
        True where the position is a special token ([CLS], <s>, [SEP] …).
    words
        Index of the word each position belongs to; None outside any word. Empty: words unknown.
    segments
        0 for the first sentence, 1 for the second of a pair.
    spans
        ``(start, stop)`` characters in ``source`` (of the position's segment); None where unknown.
    source
        The text or texts as the user wrote them, one per segment.
    grid
        ``(rows, columns)`` of image patches, when positions are patches after the specials.
    seconds
        Seconds of sound one position covers, when positions are audio frames.
    """

    text: tuple[str, ...]
    ids: tuple[int, ...] | None = None
    special: tuple[bool, ...] = ()
    words: tuple[int | None, ...] = ()
    segments: tuple[int, ...] = ()
    spans: tuple[tuple[int, int] | None, ...] = ()
    source: tuple[str, ...] = ()
    grid: tuple[int, int] | None = None
    seconds: float | None = None

    def __post_init__(self) -> None:
        """Fill the marks that were left out, and refuse marks of another length."""
        n = len(self.text)
        if not self.special:
            object.__setattr__(self, "special", (False,) * n)
        if not self.segments:
            object.__setattr__(self, "segments", (0,) * n)
        for name in ("ids", "special", "words", "segments", "spans"):
            value = getattr(self, name)
            if value and len(value) != n:
                raise InputError(
                    f"tokens.{name} must have one entry per token, got {len(value)} for {n} tokens. "
                    f"Give {n} entries or leave it out."
                )

    def __len__(self) -> int:
        """Return the number of positions."""
        return len(self.text)


@dataclass(frozen=True, eq=False)
class LayerAttention:
    """What one attention module computed in one forward pass, for one item of the batch.

    ``weights`` is attention after softmax, ``(head, query, key)``, or None in light mode; ask
    ``weights_for`` and never mind which. Rows may sum to less than 1: attention sinks are legal.
    """

    name: str  # path of the module inside the model
    kind: str  # "self" or "cross"
    stream: str  # "encoder", "decoder", "vision", "text", "" when the model has only one
    layer: int  # 0 nearest the input, counted within one (stream, kind)
    n_heads: int
    n_queries: int
    n_keys: int
    weights: Any = None  # (head, query, key)
    q: Any = None  # (head, query, channel), after RoPE and norms
    k: Any = None  # (key head, key, channel): grouped keys are kept unrepeated
    v: Any = None  # (key head, key, channel)
    scaling: float | None = None
    mask: Any = None  # additive or boolean, broadcasts to (head, query, key); None with causal=True: the triangle
    causal: bool = False
    bias: Any = None  # additive, broadcasts to (head, query, key)
    bias_kind: str | None = None  # "position" or "content": what the part of the scores that is not q·kᵀ is
    softcap: float | None = None
    sinks: Any = None  # (head,)
    window: int | None = None
    gradient: Any = None  # (head, query, key)
    output_projection: Any = None  # (head, channel, model channel), where it was found
    recompute: Callable[..., Any] | None = field(default=None, repr=False)  # (layer, heads, rows) -> weights
    row_tolerance: float = 1e-4  # how far above 1 a row may sum: 1e-4 for float32, 2e-2 for bfloat16

    def weights_for(self, heads: Sequence[int] | None = None, rows: Sequence[int] | None = None) -> Any:
        """Return attention ``(head, query, key)`` of the chosen heads and query rows, kept or recomputed.

        Raises
        ------
        InputError
            If a head or a row does not exist.
        """
        heads = _indices("heads", heads, self.n_heads)
        rows = _indices("rows", rows, self.n_queries)
        if self.weights is not None:
            kept = self.weights
            if heads is not None:  # one head is a view: a copy of a long text's head takes longer than drawing it
                kept = kept[heads[0] : heads[0] + 1] if len(heads) == 1 else kept[heads]
            return kept if rows is None else kept[:, rows]
        if self.recompute is None:
            raise InputError(f"weights must have been recorded or be recomputable, got neither at {self.name}.")
        return self.recompute(self, heads, rows)

    def head_output(self, head: int) -> Any:
        """Return ``weights @ v`` of one head, ``(query, channel)``: what it writes before the output projection."""
        if self.v is None:
            raise InputError(f"v must have been recorded for head_output, got None at {self.name}.")
        (head,) = _indices("head", [head], self.n_heads)
        return self.weights_for([head])[0] @ self.v[head * len(self.v) // self.n_heads]


@dataclass(frozen=True)
class Step:
    """One token that a model wrote: the query that asked for it, what was chosen, and what else was likely."""

    position: int  # of the query whose row this step measured; the token itself stands one further
    token: str
    id: int
    probability: float
    top: tuple[tuple[str, float], ...]  # the likeliest tokens, each with its probability, likeliest first


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
    logits: Any = None  # (query, class) or (class,), as the model returned them; None where it has no head
    missing: tuple[str, ...] = ()  # modules that attended in a layout that holds no one weight per query and key
    answers: bool = False  # the model gave logits, kept or not
    steps: tuple[Step, ...] = ()  # of a text that the model wrote; the last one's token ended it and is no row
    drawn: Mapping[str, tuple[Sequence[int], Sequence[int]]] = field(default_factory=lambda: MappingProxyType({}))
    # group -> layers and heads that pictures of all heads are limited to; all of them in a group that is not named

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
            raise InputError(f"attention must be one of {known}, got {attention!r}. Choose one of these.")
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


@dataclass(frozen=True)
class Progress:
    """How far long work has come; a progress callback may raise `Cancelled` to stop it."""

    what: str  # "flow", "compiling (once)", "running the model"
    done: int
    total: int  # 0: length unknown
    values: Any = None  # (query, key), filled row by row; rows still open hold the upper bound
    exact: Any = None  # (query,) True where the row is exact


@dataclass(frozen=True, eq=False)
class Attribution:
    """One method's answer: how much each query takes from each key, and how far to trust it.

    ``np.asarray(attribution)`` is ``values``.
    """

    method: str
    values: Any  # (query, key): only the rows in `rows`
    rows: tuple[int, ...]  # the query positions that `values` holds
    layer: int
    start_layer: int = 0
    attention: str = "self"  # which group
    unit: str = "share"  # "share": rows sum to 1; "flow": attention capacity; "ratio": times the baseline;
    # "score": change of the score asked for; "norm": length of the vector that is sent
    lower: Any = None  # (query, key) never above the value
    upper: Any = None  # (query, key) never below the value
    saturated: Any = None  # (query, key) bool: the value equals its bound and so says nothing of this query
    saturation: float | None = None  # share of pairs at the bound
    sink_mass: Any = None  # (query,) share that went to no key
    other_mass: Any = None  # (query,) share that went to the other stream's tokens, where two streams take part
    residual: float | None = None
    reduce: str | None = None
    normalise: bool = False
    baseline: str | None = None  # what values were divided by; None when they were not

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        """Return the values as NumPy."""
        return np.array(to_numpy(self.values), dtype=dtype)


@dataclass(frozen=True, eq=False)
class HeadScores:
    """One number per layer and head: what a head metric or a relation search measured."""

    name: str  # "entropy", "previous token" …: what stands in menus and above columns
    values: np.ndarray  # (layer, head); NaN where a layer has no such head or nothing could be measured
    attention: str = "self"  # which group of the capture
    unit: str = "share"  # "share", "tokens", "bits" …

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        """Return the values as NumPy."""
        return np.array(self.values, dtype=dtype)


@dataclass(frozen=True, eq=False)
class Prediction:
    """What a model answers at one place: the token that comes next, a class, or one number of its output."""

    kind: str  # "token", "class" or "score"
    logits: Any = None  # (class,) NumPy float32; None for a score
    label_of: Callable[[int], str] = field(default=str, repr=False)  # what a class or token is called
    position: int | None = None  # the position whose logits these are; None for a class or a score
    loss: float | None = None  # mean of −ln p over the text's own tokens, each from those before it; None: not asked
    score: float | None = None  # the value of the function that was asked for
    asked: int | None = None  # the token or class that was asked for

    @property
    def probabilities(self) -> np.ndarray:
        """Return the distribution over tokens or classes, ``(class,)``, which sums to 1."""
        if self.logits is None:
            raise InputError("probabilities must be of tokens or classes, got a score. Ask without a function.")
        powers = np.exp(self.logits.astype(np.float64) - self.logits.max())
        return powers / powers.sum()

    def top(self, n: int = 5) -> tuple[tuple[str, float], ...]:
        """Return the n most likely tokens or classes, each with its probability, most likely first."""
        shares = self.probabilities
        first = np.argsort(-shares, kind="stable")[:n]
        return tuple((self.label_of(int(i)), float(shares[i])) for i in first)


@runtime_checkable
class Runner(Protocol):
    """What the widget, the head searches and the faithfulness tests need of a model."""

    name: str

    def run(self, text: Any, pair: str | None = None, **options: Any) -> Capture:
        """Run the model once on a text (or prepared inputs) and return its capture."""


def most_heads(layers: Sequence[LayerAttention]) -> int:
    """Return the largest number of heads in these layers: pruned models have fewer in some."""
    return max(layer.n_heads for layer in layers)


def to_numpy(array: Any) -> np.ndarray:
    """Return any array as NumPy on the CPU, bfloat16 widened to float32; NumPy passes unchanged."""
    if isinstance(array, np.ndarray):
        return array
    if hasattr(array, "detach"):  # torch, without importing it
        array = array.detach().cpu()
        if "bfloat16" in str(array.dtype):
            array = array.float()
        return array.numpy()
    return np.asarray(array)


def _indices(name: str, wanted: Sequence[int] | None, n: int) -> list[int] | None:
    """Return indices as a list with negatives resolved, or None for all."""
    if wanted is None:
        return None
    chosen = [int(i) for i in wanted]
    for i in chosen:
        if not -n <= i < n:
            raise InputError(f"{name} must be 0 to {n - 1}, got {i}. Choose one that exists.")
    return [i % n for i in chosen]
