"""Relations between tokens: pairs, a pattern or a function -> positions in one capture."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from attn_widget.errors import InputError, MethodError
from attn_widget.heads.identity import identity
from attn_widget.records import Capture, Tokens, check_index

EXAMPLE = r'relation=r"(?P<key>\w+) (?P<query>\w+)"'
EACH = "pairs of each text"
Positions = tuple[int, ...]


@dataclass(frozen=True)
class Relation:
    """A relation between tokens, as the caller gave it; ``pairs`` finds it in a capture."""

    given: Any
    kind: str  # "pattern", "function", "pairs" or "pairs of each text"

    @property
    def title(self) -> str:
        """Return its name in tables and files."""
        if self.kind == "pattern":
            return self.given.pattern
        return getattr(self.given, "__name__", "function") if self.kind == "function" else self.kind

    def identity(self) -> str:
        """Return a hash of the pattern, of the function's code and values, or of the pairs.

        Pairs of each text do not count here: they belong to their texts.
        """
        given = None if self.kind == EACH else self.given
        return identity([self.kind, given], "relation")

    def given_for(self, index: int) -> Any:
        """Return the pairs that were given for one text alone; None where there are none."""
        return self.given[index] if self.kind == EACH and index < len(self.given) else None

    def pairs(
        self, capture: Capture, attention: str | None, item: Any, index: int
    ) -> dict[Positions, Positions]:
        """Return the positions of each query that has a key in the relation, and of its keys."""
        queries, keys = capture.axes(attention)
        found: dict[Positions, set[int]] = {}
        for number, pair in enumerate(self._given_pairs(capture, queries, keys, item, index)):
            where = f"pair {number} of text {index}"
            try:
                query, key = pair
            except (TypeError, ValueError):
                raise InputError(
                    f"relation must give pairs (query, key), got {pair!r} at {where}. "
                    "Pairs are positions of tokens, or spans of characters."
                ) from None
            positions = _positions(query, queries, "query", where)
            found.setdefault(positions, set()).update(_positions(key, keys, "key", where))
        return {query: tuple(sorted(of_query)) for query, of_query in found.items()}

    def _given_pairs(
        self, capture: Capture, queries: Tokens, keys: Tokens, item: Any, index: int
    ) -> Iterator[Any]:
        """Return the pairs of one text, as positions or as spans of characters."""
        if self.kind == "pattern":
            if queries is not keys:
                raise MethodError(
                    "relation must be a function or pairs for attention between two streams, "
                    "got a pattern. A pattern cannot match in two texts at once."
                )
            yield from self._matches(queries)
        elif self.kind == "function":
            if isinstance(item, Capture):
                item = queries.source[0] if queries.source else queries
            yield from self.given(item)
        elif self.kind == "pairs":
            yield from self.given
        else:
            if index >= len(self.given):
                raise InputError(
                    f"relation must hold the pairs of every text, got {len(self.given)} for text "
                    f"{index}. Give as many as there are texts."
                )
            yield from self.given[index]

    def _matches(self, tokens: Tokens) -> Iterator[Any]:
        """Return the spans of the pattern's two groups in each text of the tokens."""
        if not tokens.source:
            raise InputError(
                "relation must be pairs where a capture has no text, got a pattern. Give positions."
            )
        for segment, source in enumerate(tokens.source):
            for match in self.given.finditer(source):
                if match.start("query") >= 0 and match.start("key") >= 0:
                    yield (*match.span("query"), segment), (*match.span("key"), segment)


def relation_of(given: Any, one_text: bool) -> Relation:
    """Return a relation; refuse an argument that describes none."""
    if isinstance(given, str):
        try:
            given = re.compile(given)
        except re.error as error:
            raise InputError(
                f"relation must be a regular expression, got {given!r}: {error}. Correct it.",
                code=EXAMPLE,
            ) from None
    if isinstance(given, re.Pattern):
        if not {"query", "key"} <= set(given.groupindex):
            raise InputError(
                f"relation must have the groups query and key, got {given.pattern!r}. "
                "Name both groups.",
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
    return Relation(given, "pairs" if one_text else EACH)


def _positions(place: Any, tokens: Tokens, axis: str, where: str) -> Positions:
    """Return one position, or all positions that a span of characters overlaps."""
    if isinstance(place, int | np.integer) and not isinstance(place, bool):
        name = f"{axis} of the relation"
        return (check_index(name, place, len(tokens), "Count tokens.", where=where),)
    try:
        start, stop, *rest = (int(number) for number in place)
        (segment,) = rest or [0]
    except (TypeError, ValueError):
        raise InputError(
            f"relation must give a {axis} as a position or as (start, stop) in characters, "
            f"got {place!r} at {where}. Positions count tokens, the first is 0."
        ) from None
    overlapped = tuple(
        i
        for i, span in enumerate(tokens.spans)
        if span is not None and span[0] < stop and start < span[1] and tokens.segments[i] == segment
    )
    if not overlapped:
        raise InputError(
            f"relation must give a {axis} that covers a token, got characters {start} to {stop} "
            f"at {where}. Spans count characters of the text, the first is 0."
        )
    return overlapped
