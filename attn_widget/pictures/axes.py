"""What stands along an axis on screen: tokens as they are, without some of them, or merged to words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from attn_widget.records import Tokens

SEGMENTS = ("all", "A-A", "A-B", "B-A", "B-B")  # the sentence that asks, the sentence that answers


@dataclass(frozen=True)
class Axis:
    """The displayed rows or columns, each standing for one or more neighbouring token positions."""

    text: tuple[str, ...]
    positions: tuple[tuple[int, ...], ...]
    special: tuple[bool, ...]
    segment: tuple[int, ...]
    n_tokens: int  # before anything was hidden or merged
    hidden: tuple[str, ...] = ()  # what is not shown, in words

    def __len__(self) -> int:
        """Return the number of displayed rows."""
        return len(self.text)

    @property
    def is_plain(self) -> bool:
        """Return whether every token stands for itself."""
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
    """Return the rows and columns to draw: the one place that decides which positions are shown on which axis.

    ``segments`` is one of `SEGMENTS`; ``sinks`` are key positions to hide, as rows too where both
    axes are one text.
    """
    asks, answers = (
        (None, None)
        if segments == "all"
        else ("AB".index(letter) for letter in segments.split("-"))
    )
    one_text = queries is keys
    rows = sinks if one_text else ()
    shown = displayed(queries, hide_special=hide_special, words=words, segment=asks, sinks=rows)
    if one_text and asks == answers:
        return shown, shown
    return shown, displayed(
        keys, hide_special=hide_special, words=words, segment=answers, sinks=sinks
    )


def displayed(
    tokens: Tokens,
    *,
    hide_special: bool = False,
    words: bool = False,
    segment: int | None = None,
    sinks: Sequence[int] = (),
) -> Axis:
    """Return the axis to draw for these tokens: without the specials, the sinks, or all but one sentence.

    Words are maximal runs of neighbouring positions with the same word index in the same segment; a
    position outside any word stands alone.
    """
    groups: list[list[int]] = []
    hidden: dict[str, None] = {}  # in the order in which they are met, each once
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
    """Return why a position is not shown, "" where it is."""
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

    Averaging and summing this way keeps every row's total: a word takes what its tokens took on
    average.
    """
    if not keys.is_plain:
        attention = _sum_groups(attention, keys, axis=2)
    if not queries.is_plain:
        counts = np.array([len(p) for p in queries.positions], dtype=attention.dtype)
        attention = _sum_groups(attention, queries, axis=1) / counts[:, None]
    return attention


def merge_flags(flags: np.ndarray, queries: Axis, keys: Axis) -> np.ndarray:
    """Return a boolean map between displayed rows: true only where it holds for every pair of tokens."""
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
    """Return the text of a displayed row: the user's own spelling where it is known, else the pieces joined."""
    if len(group) > 1 and tokens.spans and tokens.source:
        first, last = tokens.spans[group[0]], tokens.spans[group[-1]]
        segment = tokens.segments[group[0]]
        if first is not None and last is not None and segment < len(tokens.source):
            return tokens.source[segment][first[0] : last[1]].strip()
    return "".join(tokens.text[i] for i in group)
