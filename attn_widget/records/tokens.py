"""`Tokens`: what stands along one axis of an attention matrix."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from attn_widget.errors import InputError


@dataclass(frozen=True)
class Tokens:
    """The positions along one axis of an attention matrix: readable strings and their marks.

    Parameters
    ----------
    text
        One string per position, cleaned for display (``"keys"``, not ``"Ġkeys"`` or ``"##ys"``).
    ids
        Vocabulary ids, or None where there is no vocabulary (patches, frames, own labels).
    special
        True where the position is a special token ([CLS], <s>, [SEP] …).
    words
        Index of the word of each position; None outside any word. Empty: words unknown.
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

    Raises
    ------
    InputError
        If a mark has another number of entries than there are positions.

    Examples
    --------
    >>> tokens = Tokens(text=("[CLS]", "keys", "[SEP]"), special=(True, False, True))
    >>> len(tokens), tokens.segments
    (3, (0, 0, 0))
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
        """Fill omitted marks, and refuse marks of another length."""
        n = len(self.text)
        if not self.special:
            object.__setattr__(self, "special", (False,) * n)
        if not self.segments:
            object.__setattr__(self, "segments", (0,) * n)
        for name in ("ids", "special", "words", "segments", "spans"):
            value = getattr(self, name)
            if value and len(value) != n:
                raise InputError(
                    f"tokens.{name} must have one entry per token, got {len(value)} for {n} "
                    f"tokens. Give {n} entries or omit them."
                )

    def __len__(self) -> int:
        """Return the number of positions."""
        return len(self.text)


def select(tokens: Tokens, kept: Sequence[int]) -> Tokens:
    """Return the tokens at the kept positions, every mark with them."""

    def some(values: Any) -> Any:
        return tuple(values[i] for i in kept) if values else values

    marks = {
        name: some(getattr(tokens, name))
        for name in ("text", "ids", "special", "words", "segments", "spans")
    }
    return dataclasses.replace(tokens, **marks)
