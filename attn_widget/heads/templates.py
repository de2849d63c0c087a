"""Templates of head metrics: which keys count for which query.

A share is ``Σ attention · template`` over the queries that have such a key, so all shares of a
layer are one matrix product. A template is made for a block of queries at a time and depends on the
tokens only: all layers share it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from attn_widget.records import Tokens

Rows = Int[np.ndarray, "row 1"]


@dataclass(frozen=True)
class TokenAxes:
    """The tokens along the query axis and the key axis of one attention."""

    queries: Tokens
    keys: Tokens
    square: bool  # the same tokens on both axes, so that their positions can be compared

    @property
    def positions(self) -> Int[np.ndarray, "1 key"]:
        """Return the position of every key."""
        return np.arange(len(self.keys))[None]


@dataclass(frozen=True)
class Share:
    """A metric that is a sum of attention over some keys, or over all keys with a factor each."""

    title: str
    template: Callable[[TokenAxes, Rows], Any]  # rows of queries -> (row, key)
    square: bool = False  # compares positions of queries with positions of keys
    every_row: bool = False  # queries without such a key count as 0 instead of being left out
    unit: str = "share"


def _distance(axes: TokenAxes, rows: Rows) -> Any:
    return np.abs(rows - axes.positions)


def _previous(axes: TokenAxes, rows: Rows) -> Any:
    return axes.positions == rows - 1


def _next(axes: TokenAxes, rows: Rows) -> Any:
    return axes.positions == rows + 1


def _same(axes: TokenAxes, rows: Rows) -> Any:
    return axes.positions == rows


def _first(axes: TokenAxes, rows: Rows) -> Any:
    return np.broadcast_to(axes.positions == 0, (len(rows), len(axes.keys)))


def _special(axes: TokenAxes, rows: Rows) -> Any:
    return np.broadcast_to(np.array(axes.keys.special, bool)[None], (len(rows), len(axes.keys)))


def _duplicate(axes: TokenAxes, rows: Rows) -> Any:
    kinds = _kinds(axes.keys)
    return (kinds[rows] == kinds[None]) & (kinds[rows] >= 0) & (axes.positions < rows)


def _induction(axes: TokenAxes, rows: Rows) -> Any:
    kinds = _kinds(axes.keys)
    before = np.concatenate([[-2], kinds[:-1]])  # the token before each key
    return (kinds[rows] == before[None]) & (kinds[rows] >= 0) & (axes.positions < rows)


def _kinds(tokens: Tokens) -> Int[np.ndarray, " token"]:
    """Return a number per token, equal for equal tokens; −1 for special tokens."""
    names = tokens.text if tokens.ids is None else tokens.ids
    _, kinds = np.unique(np.array(names), return_inverse=True)
    return np.where(np.array(tokens.special, bool), -1, kinds.reshape(-1))


SHARES = {
    "distance": Share("mean distance", _distance, square=True, every_row=True, unit="tokens"),
    "previous": Share("previous token", _previous, square=True),
    "next": Share("next token", _next, square=True),
    "same": Share("same token", _same, square=True),
    "first": Share("first token", _first, every_row=True),
    "special": Share("special tokens", _special, every_row=True),
    "duplicate": Share("duplicate token", _duplicate, square=True),
    "induction": Share("induction", _induction, square=True),
}


def share_of_mask(title: str, mask: Float[np.ndarray, "query key"]) -> Share:
    """Return the share of attention on a caller's mask, each key times the mask's factor."""
    return Share(title, lambda axes, rows: mask[rows[:, 0]])
