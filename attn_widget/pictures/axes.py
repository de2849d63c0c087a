"""Axes on screen: all tokens, tokens without the hidden ones, or tokens merged to words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from attn_widget.records import Tokens

SEGMENTS = ("all", "A-A", "A-B", "B-A", "B-B")  # sentence of the queries, sentence of the keys


@dataclass(frozen=True)
class Axis:
    """The displayed rows or columns; each represents one or more neighbouring token positions."""

    text: tuple[str, ...]
    positions: tuple[tuple[int, ...], ...]
    special: tuple[bool, ...]
    segment: tuple[int, ...]
    n_tokens: int  # before anything was hidden or merged
    hidden: tuple[str, ...] = ()  # descriptions of the hidden tokens, for captions

    def __len__(self) -> int:
        """Return the number of displayed rows."""
        return len(self.text)

    @property
    def is_plain(self) -> bool:
        """Return whether every token has a row of its own."""
        return len(self.text) == self.n_tokens

    def header(self) -> dict:
        """Return the JSON form that the front end reads."""
        return {
            "text": list(self.text),
            "positions": [list(p) for p in self.positions],
            "special": [int(s) for s in self.special],
            "segment": list(self.segment),
            "hidden": list(self.hidden),
        }


def pair(
    queries: Tokens,
    keys: Tokens,
    *,
    hide_special: bool = False,
    words: bool = False,
    segments: str = "all",
    sinks: Sequence[int] = (),
) -> tuple[Axis, Axis]:
    """Return the displayed rows (queries) and columns (keys).

    ``segments`` is one of `SEGMENTS`; ``sinks`` are key positions to hide, also as queries if both
    axes are the same text.
    """
    query_segment, key_segment = (
        (None, None)
        if segments == "all"
        else ("AB".index(letter) for letter in segments.split("-"))
    )
    one_text = queries is keys
    rows = sinks if one_text else ()
    shown = displayed(
        queries, hide_special=hide_special, words=words, segment=query_segment, sinks=rows
    )
    if one_text and query_segment == key_segment:
        return shown, shown
    return shown, displayed(
        keys, hide_special=hide_special, words=words, segment=key_segment, sinks=sinks
    )


def displayed(
    tokens: Tokens,
    *,
    hide_special: bool = False,
    words: bool = False,
    segment: int | None = None,
    sinks: Sequence[int] = (),
) -> Axis:
    """Return the displayed axis of these tokens, without special tokens, sinks or a sentence.

    Words are maximal runs of neighbouring positions with the same word index in the same segment; a
    position outside any word stands alone.
    """
    groups: list[list[int]] = []
    hidden: dict[str, None] = {}  # used as an ordered set
    for i in range(len(tokens)):
        if why := _hidden(tokens, i, hide_special, segment, sinks):
            hidden[why] = None
            continue
        if words and groups and _same_word(tokens, groups[-1][-1], i):
            groups[-1].append(i)
        else:
            groups.append([i])
    return Axis(
        text=tuple(_label(tokens, g) for g in groups),
        positions=tuple(tuple(g) for g in groups),
        special=tuple(tokens.special[g[0]] for g in groups),
        segment=tuple(tokens.segments[g[0]] for g in groups),
        n_tokens=len(tokens),
        hidden=tuple(hidden),
    )


def _hidden(
    tokens: Tokens, i: int, hide_special: bool, segment: int | None, sinks: Sequence[int]
) -> str:
    """Return why a position is hidden; "" if it is shown."""
    if segment is not None and tokens.segments[i] != segment:
        return (
            f"sentence {'AB'[tokens.segments[i]] if tokens.segments[i] < 2 else tokens.segments[i]}"
        )
    if hide_special and tokens.special[i]:
        return "special tokens"
    return f"sink {tokens.text[i].strip() or i} ({i})" if i in sinks else ""


def merge(
    attention: Float[np.ndarray, "lane query key"], queries: Axis, keys: Axis
) -> Float[np.ndarray, "lane shown_query shown_key"]:
    """Return attention between displayed rows: queries of a word averaged, its keys summed.

    This keeps the total of every row: the row of a word is the mean of the rows of its tokens.
    """
    if not keys.is_plain:
        attention = _sum_groups(attention, keys, axis=2)
    if not queries.is_plain:
        counts = np.array([len(p) for p in queries.positions], dtype=attention.dtype)
        attention = _sum_groups(attention, queries, axis=1) / counts[:, None]
    return attention


def merge_flags(flags: np.ndarray, queries: Axis, keys: Axis) -> np.ndarray:
    """Return a boolean map between displayed rows: true if true for every pair of their tokens."""
    return (
        _sum_groups(_sum_groups((~flags).astype(np.int64)[None], keys, axis=2), queries, axis=1)[0]
        == 0
    )


def _sum_groups(array: np.ndarray, axis_shown: Axis, axis: int) -> np.ndarray:
    """Sum the members of each displayed row; hidden positions are left out."""
    if not axis_shown.positions:
        shape = list(array.shape)
        shape[axis] = 0
        return np.zeros(shape, array.dtype)
    order = np.concatenate([np.asarray(p) for p in axis_shown.positions])
    kept = np.take(array, order, axis=axis)
    starts = np.cumsum([0, *(len(p) for p in axis_shown.positions[:-1])])
    return np.add.reduceat(kept, starts, axis=axis)


def _same_word(tokens: Tokens, before: int, here: int) -> bool:
    """Return whether two neighbouring positions belong to one word."""
    return (
        bool(tokens.words)
        and here == before + 1
        and tokens.words[here] is not None
        and tokens.words[here] == tokens.words[before]
        and tokens.segments[here] == tokens.segments[before]
    )


def _label(tokens: Tokens, group: list[int]) -> str:
    """Return the text of a displayed row: the source text if known, else its tokens joined."""
    if len(group) > 1 and tokens.spans and tokens.source:
        first, last = tokens.spans[group[0]], tokens.spans[group[-1]]
        segment = tokens.segments[group[0]]
        if first is not None and last is not None and segment < len(tokens.source):
            return tokens.source[segment][first[0] : last[1]].strip()
    return "".join(tokens.text[i] for i in group)
