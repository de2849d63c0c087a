"""Which span of the source, which sentence and which word each token belongs to."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from typing import Any

from attn_widget.recording.inputs.readable import ByteRun

JOINERS = "\u200c\u200d"  # stand inside words, as combining marks do
Span = tuple[int, int]


def segments_of(
    known: Sequence[int | None] | None, types: Sequence[int] | None, special: Sequence[bool]
) -> list[int]:
    """Return the sentence of each token: 0, or 1 for the second of a pair.

    Parameters
    ----------
    known
        The sentence of each token of a text, None at special tokens; None: not known.
    types
        The token types that the model reads; None: there are none.
    special
        Which tokens are special.

    Returns
    -------
    list of int
        A special token has its token type where the types tell the sentences apart; else the
        sentence of the text before it.
    """
    n = len(special)
    told = types is not None and {0, 1} <= set(types)
    if types is not None and told and known is not None:
        told = all(a is None or a == b for a, b in zip(known, types, strict=True))
    found: list[int] = []
    for i in range(n):
        before = found[-1] if found else 0
        text = known[i] if known is not None else None
        if text is not None:
            found.append(text)
        elif told and types is not None and types[i] in (0, 1):
            found.append(types[i])
        else:
            found.append(before if special[i] or known is not None else 0)
    return found


def trimmed(start: int, stop: int, text: str) -> Span:
    """Return a span without the space that byte-level tokens begin with."""
    while start < min(stop - 1, len(text)) and text[start].isspace():
        start += 1
    return start, stop


def align(
    text: Sequence[str],
    special: Sequence[bool],
    segments: Sequence[int],
    source: Sequence[str],
    runs: Sequence[ByteRun] = (),
) -> list[Span | None]:
    """Return the span of each token in its source, searched from the end of the one before.

    The tokens of a run of bytes have the span of the character that each is a part of.
    """
    cursor = dict.fromkeys(range(len(source)), 0)
    spans: list[Span | None] = []
    starts = {run.start: run for run in runs}

    def find(wanted: str, segment: int) -> int:
        start = source[segment].lower().find(wanted.lower(), cursor[segment])
        if start >= 0:
            cursor[segment] = start + len(wanted)
        return start

    i = 0
    while i < len(text):
        segment, run = segments[i], starts.get(i)
        if segment >= len(source) or special[i]:
            spans.append(None)
        elif run is not None:
            start = find(run.text, segment)
            spans += _byte_spans(run, start) if start >= 0 else [None] * len(run.values)
        else:
            start = find(text[i], segment) if text[i] else -1
            spans.append((start, start + len(text[i])) if start >= 0 else None)
        i = len(spans)
    return spans


def _byte_spans(run: ByteRun, start: int) -> list[Span | None]:
    """Return the span of the characters that each token of a run holds bytes of."""
    owner = [i for i, character in enumerate(run.text) for _ in character.encode()]
    spans: list[Span | None] = []
    place = 0
    for value in run.values:
        owners = owner[place : place + len(value)]
        place += len(value)
        spans.append((start + owners[0], start + owners[-1] + 1) if owners else None)
    return spans


def words_of(
    word_ids: Sequence[int | None],
    segments: Sequence[int],
    spans: Sequence[Span | None],
    special: Sequence[bool],
    source: Sequence[str],
) -> tuple[int | None, ...]:
    """Return the number of each token's word: the tokenizer's words, else between white space.

    Where a tokenizer cuts a word at a combining mark (vowel signs of Hindi or Thai), the two are
    one word; where it joins such a mark with the punctuation after it, they are two.
    """
    kinds = {(s, w) for s, w in zip(segments, word_ids, strict=True) if w is not None}
    by_tokenizer = len(kinds) > len(set(segments)) or (
        kinds and not any(" " in text for text in source)
    )
    keys: list[Any] = []
    same: dict[Any, Any] = {}
    cuts = 0  # between marks and punctuation that the tokenizer joins
    for i, word in enumerate(word_ids):
        span, segment = spans[i], segments[i]
        text = source[segment] if segment < len(source) else ""
        if special[i]:
            keys.append(None)
        elif by_tokenizer:
            cuts += i > 0 and _mark_then_punctuation(text, spans[i - 1], span)
            key = None if word is None else (segment, word, cuts)
            if key is not None and key not in same:
                last = keys[-1] if keys else None
                joined = last is not None and _one_word(text, spans[i - 1], span)
                same[key] = last if joined else key
            keys.append(None if key is None else same[key])
        elif span is not None and text and text[slice(*span)].strip():
            keys.append((segment, len(text[: span[0] + 1].split())))
        else:
            keys.append(None)
    order = {key: i for i, key in enumerate(dict.fromkeys(k for k in keys if k is not None))}
    return tuple(None if key is None else order[key] for key in keys) if order else ()


def _one_word(text: str, before: Span | None, span: Span | None) -> bool:
    """Return whether a combining mark joins two tokens that touch."""
    last, first = _meeting(text, before, span)
    if not last or last.isspace():
        return False
    return _is_mark(first) or (_is_mark(last) and unicodedata.category(first)[0] == "L")


def _mark_then_punctuation(text: str, before: Span | None, span: Span | None) -> bool:
    """Return whether punctuation follows a combining mark."""
    last, first = _meeting(text, before, span)
    return bool(last) and _is_mark(last) and unicodedata.category(first)[0] in "PS"


def _meeting(text: str, before: Span | None, span: Span | None) -> tuple[str, str]:
    """Return the characters at which two tokens touch; empty where they do not."""
    if before is None or span is None or not 0 < span[0] == before[1] < len(text):
        return "", ""
    return text[span[0] - 1], text[span[0]]


def _is_mark(character: str) -> bool:
    """Return whether a character belongs to the one before it."""
    return unicodedata.category(character)[0] == "M" or character in JOINERS
