"""What a head's attention is compared with: which keys count for which query, for each metric that is a share.

A share is ``Σ attention · template`` over the queries that have a key to look at, so all shares of a layer are one
matrix product. A template is made for a block of queries at a time and depends on the tokens only: all layers share it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from attn_widget.records import Tokens

Rows = Int[np.ndarray, "row 1"]
Block = Float[np.ndarray, "row key"]


@dataclass(frozen=True)
class Axes:
    """What stands along the queries and the keys of one attention."""

    queries: Tokens
    keys: Tokens
    square: bool  # queries and keys are the same tokens, so that places along them can be compared

    @property
    def places(self) -> Int[np.ndarray, "1 key"]:
        """Return the position of every key."""
        return np.arange(len(self.keys))[None]


@dataclass(frozen=True)
class Share:
    """A metric that is a sum of attention over chosen keys, or over all keys with a factor each."""

    title: str
    template: Callable[[Axes, Rows], Any]  # rows of queries -> (row, key)
    square: bool = False  # compares places of queries with places of keys
    every_row: bool = False  # queries without such a key count as 0, and are not left out
    unit: str = "share"


def _distance(axes: Axes, rows: Rows) -> Any:
    return np.abs(rows - axes.places)


def _previous(axes: Axes, rows: Rows) -> Any:
    return axes.places == rows - 1


def _next(axes: Axes, rows: Rows) -> Any:
    return axes.places == rows + 1


def _same(axes: Axes, rows: Rows) -> Any:
    return axes.places == rows


def _first(axes: Axes, rows: Rows) -> Any:
    return np.broadcast_to(axes.places == 0, (len(rows), len(axes.keys)))


def _special(axes: Axes, rows: Rows) -> Any:
    return np.broadcast_to(np.array(axes.keys.special, bool)[None], (len(rows), len(axes.keys)))


def _duplicate(axes: Axes, rows: Rows) -> Any:
    kinds = _kinds(axes.keys)
    return (kinds[rows] == kinds[None]) & (kinds[rows] >= 0) & (axes.places < rows)


def _induction(axes: Axes, rows: Rows) -> Any:
    kinds = _kinds(axes.keys)
    before = np.concatenate([[-2], kinds[:-1]])  # the token that stands before each key
    return (kinds[rows] == before[None]) & (kinds[rows] >= 0) & (axes.places < rows)


def _kinds(tokens: Tokens) -> Int[np.ndarray, " token"]:
    """Return a number per token, equal where tokens are; −1 for special ones, which repeat for other reasons."""
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


def of_mask(title: str, mask: Float[np.ndarray, "query key"]) -> Share:
    """Return the share of attention that falls on a mask of one's own, each key with the mask's factor."""
    return Share(title, lambda axes, rows: mask[rows[:, 0]])
