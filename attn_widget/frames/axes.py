"""What stands along an axis on screen: tokens as they are, without the specials, or merged to words."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from attn_widget.records import Tokens


@dataclass(frozen=True)
class Axis:
    """The displayed rows or columns, each standing for one or more neighbouring token positions."""

    text: tuple[str, ...]
    positions: tuple[tuple[int, ...], ...]
    special: tuple[bool, ...]
    segment: tuple[int, ...]
    n_tokens: int  # before anything was hidden or merged

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
        }


def displayed(tokens: Tokens, *, hide_special: bool = False, words: bool = False) -> Axis:
    """Return the axis to draw for these tokens.

    Words are maximal runs of neighbouring positions with the same word index in the same segment; a
    position outside any word stands alone.
    """
    groups: list[list[int]] = []
    for i in range(len(tokens)):
        if hide_special and tokens.special[i]:
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
    )


def merge(
    attention: Float[np.ndarray, "lane query key"], queries: Axis, keys: Axis
) -> Float[np.ndarray, "lane shown_query shown_key"]:
    """Return attention between displayed rows: queries of a word averaged, its keys summed.

    Averaging and summing this way keeps every row's total: a word takes what its tokens took on average.
    """
    if not keys.is_plain:
        attention = _sum_groups(attention, keys, axis=2)
    if not queries.is_plain:
        counts = np.array([len(p) for p in queries.positions], dtype=attention.dtype)
        attention = _sum_groups(attention, queries, axis=1) / counts[:, None]
    return attention


def merge_flags(flags: np.ndarray, queries: Axis, keys: Axis) -> np.ndarray:
    """Return a boolean map between displayed rows: true only where it holds for every pair of tokens."""
    return _sum_groups(_sum_groups((~flags).astype(np.int64)[None], keys, axis=2), queries, axis=1)[0] == 0


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
