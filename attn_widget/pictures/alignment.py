"""Align the tokens of two texts, by words or by position."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from attn_widget.errors import InputError
from attn_widget.pictures.axes import Axis, displayed
from attn_widget.records import Tokens

BY = ("words", "position")


@dataclass(frozen=True)
class Alignment:
    """The rows that two axes have in common, in order, and the words that only one has."""

    a: Axis  # row i of a is aligned with row i of b
    b: Axis
    labels: tuple[str, ...]  # "keys", or "she | he" where the words differ
    only_a: tuple[str, ...] = ()
    only_b: tuple[str, ...] = ()


def aligned(a: Tokens, b: Tokens, by: str = "words") -> Alignment:
    """Return the alignment of two axes.

    Parameters
    ----------
    a, b
        The tokens along one axis of either capture.
    by
        ``position``: token by token. ``words``: the longest runs of equal words, ignoring case;
        if both texts have the same number of words between two runs, these are aligned too
        (she | he).

    Raises
    ------
    InputError
        If the texts have no word in common, or, by position, a different number of tokens.
    """
    if by not in BY:
        raise InputError(f"align must be one of {', '.join(BY)}, got {by!r}. Choose one of these.")
    if by == "position":
        if len(a) != len(b):
            raise InputError(
                "b must have as many tokens as a to be aligned by position, "
                f"got {len(b)} and {len(a)}. "
                'Align by words: align="words".'
            )
        return _joined(displayed(a), displayed(b), [(i, i) for i in range(len(a))])
    rows_a, rows_b = displayed(a, words=True), displayed(b, words=True)
    found = SequenceMatcher(None, _plain(rows_a), _plain(rows_b), autojunk=False).get_opcodes()
    pairs: list[tuple[int, int]] = []
    common = 0
    for kind, start_a, stop_a, start_b, stop_b in found:
        if kind == "equal":
            common += sum(not special for special in rows_a.special[start_a:stop_a])
        if kind == "equal" or (kind == "replace" and stop_a - start_a == stop_b - start_b):
            pairs += zip(range(start_a, stop_a), range(start_b, stop_b), strict=True)
    if not common:
        raise InputError(
            "b must have a word in common with a to be aligned by words, got none. Compare similar "
            'texts, or texts of equally many tokens with align="position".'
        )
    return _joined(rows_a, rows_b, pairs)


def _plain(rows: Axis) -> list[str]:
    """Return the text of each row as it is compared."""
    return [text.strip().casefold() for text in rows.text]


def _joined(rows_a: Axis, rows_b: Axis, pairs: Sequence[tuple[int, int]]) -> Alignment:
    """Return the alignment of these pairs of rows."""
    texts = [(rows_a.text[i].strip(), rows_b.text[j].strip()) for i, j in pairs]
    in_a, in_b = {i for i, _ in pairs}, {j for _, j in pairs}
    return Alignment(
        a=_some(rows_a, [i for i, _ in pairs]),
        b=_some(rows_b, [j for _, j in pairs]),
        labels=tuple(x if x.casefold() == y.casefold() else f"{x} | {y}" for x, y in texts),
        only_a=tuple(text for i, text in enumerate(rows_a.text) if i not in in_a),
        only_b=tuple(text for j, text in enumerate(rows_b.text) if j not in in_b),
    )


def _some(rows: Axis, kept: Sequence[int]) -> Axis:
    """Return an axis of some of the rows."""
    names = ("text", "positions", "special", "segment")
    parts = {name: tuple(getattr(rows, name)[i] for i in kept) for name in names}
    return Axis(**parts, n_tokens=rows.n_tokens)
