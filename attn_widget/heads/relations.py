"""What a person means by "this token, that token": pairs, a pattern or a function -> positions in one capture."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from attn_widget.errors import InputError, MethodError
from attn_widget.records import Capture, Tokens

EXAMPLE = r'relation=r"(?P<key>\w+) (?P<query>\w+)"'
Positions = tuple[int, ...]


@dataclass(frozen=True)
class Relation:
    """A relation between tokens, as it was given; ``pairs`` finds it in a capture."""

    given: Any
    kind: str  # "pattern", "function", "pairs" or "pairs of each text"

    @property
    def title(self) -> str:
        """Return what the relation is called in tables and files."""
        if self.kind == "pattern":
            return self.given.pattern
        return getattr(self.given, "__name__", "function") if self.kind == "function" else self.kind

    def pairs(
        self, capture: Capture, attention: str | None, item: Any, index: int
    ) -> dict[Positions, Positions]:
        """Return the positions of every query that has a partner, and those of all its keys."""
        queries, keys = capture.axes(attention)
        found: dict[Positions, set[int]] = {}
        for number, pair in enumerate(self._given_pairs(capture, queries, keys, item, index)):
            where = f"pair {number} of text {index}"
            try:
                query, key = pair
            except (TypeError, ValueError):
                raise InputError(
                    f"relation must give pairs (query, key), got {pair!r} at {where}."
                ) from None
            asking = _positions(query, queries, "query", where)
            found.setdefault(asking, set()).update(_positions(key, keys, "key", where))
        return {query: tuple(sorted(partners)) for query, partners in found.items()}

    def _given_pairs(
        self, capture: Capture, queries: Tokens, keys: Tokens, item: Any, index: int
    ) -> Iterator[Any]:
        """Return the pairs of one text, as positions or as spans of characters."""
        if self.kind == "pattern":
            if queries is not keys:
                raise MethodError(
                    "relation must be a function or pairs for attention between two streams, got a pattern. "
                    "A pattern cannot match in two texts at once."
                )
            yield from self._matches(queries)
        elif self.kind == "function":
            asked = (
                item
                if not isinstance(item, Capture)
                else queries.source[0]
                if queries.source
                else queries
            )
            yield from self.given(asked)
        elif self.kind == "pairs":
            yield from self.given
        else:
            if index >= len(self.given):
                raise InputError(
                    f"relation must hold the pairs of every text, got {len(self.given)} for text {index}. "
                    "Give as many as there are texts."
                )
            yield from self.given[index]

    def _matches(self, tokens: Tokens) -> Iterator[Any]:
        """Return where the pattern's two groups stand in each text that the tokens were made from."""
        if not tokens.source:
            raise InputError(
                "relation must be pairs where a capture has no text, got a pattern. Give positions."
            )
        for segment, source in enumerate(tokens.source):
            for match in self.given.finditer(source):
                if match.start("query") >= 0 and match.start("key") >= 0:
                    yield (*match.span("query"), segment), (*match.span("key"), segment)


def relation_of(given: Any, one_text: bool) -> Relation:
    """Return a relation, refusing what is none."""
    if isinstance(given, str):
        try:
            given = re.compile(given)
        except re.error as error:
            raise InputError(
                f"relation must be a regular expression, got {given!r}: {error}."
            ) from None
    if isinstance(given, re.Pattern):
        if not {"query", "key"} <= set(given.groupindex):
            raise InputError(
                f"relation must have the groups query and key, got {given.pattern!r}. Name both groups.",
                code=EXAMPLE,
            )
        return Relation(given, "pattern")
    if callable(given):
        return Relation(given, "function")
    if not isinstance(given, Sequence) or isinstance(given, bytes | Mapping) or not len(given):
        raise InputError(
            f"relation must be pairs, a regular expression or a function, got {given!r}. "
            "Pairs are positions: [(query, key), …].",
            code=EXAMPLE,
        )
    return Relation(given, "pairs" if one_text else "pairs of each text")


def _positions(place: Any, tokens: Tokens, axis: str, where: str) -> Positions:
    """Return the positions that a place names: one position, or all that a span of characters touches."""
    n = len(tokens)
    if isinstance(place, int | np.integer) and not isinstance(place, bool):
        if not -n <= place < n:
            raise InputError(
                f"relation must give a {axis} 0 to {n - 1}, got {int(place)} at {where}. Count tokens."
            )
        return (int(place) % n,)
    try:
        start, stop, *rest = (int(number) for number in place)
        (segment,) = rest or [0]
    except (TypeError, ValueError):
        raise InputError(
            f"relation must give a {axis} as a position or as (start, stop) in characters, got {place!r} at {where}."
        ) from None
    touched = tuple(
        i for i, span in enumerate(tokens.spans)
        if span is not None and span[0] < stop and start < span[1] and tokens.segments[i] == segment
    )  # fmt: skip
    if not touched:
        raise InputError(
            f"relation must give a {axis} that covers a token, got characters {start} to {stop} at {where}. "
            "Spans count characters of the text, the first is 0."
        )
    return touched
