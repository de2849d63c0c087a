"""A tokenizer and its output -> `Tokens`: readable strings, words, segments and spans.

Nothing here depends on a tokenizer's family. The text of a token is what the tokenizer decodes it
to. Two things are added: the continuation mark of word pieces is removed, and bytes that form no
character alone are shown as bytes.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from attn_widget.errors import InputError
from attn_widget.records import Tokens

VISIBLE = {"\n": "⏎", "\t": "⇥", " ": "␣", "\r": "␍"}


def tokenizer_of(reader: Any) -> Any:
    """Return the tokenizer that a processor holds; a tokenizer unchanged."""
    return getattr(reader, "tokenizer", reader)


def from_encoding(
    tokenizer: Any,
    encoding: Any,
    *,
    item: int = 0,
    source: Sequence[str] = (),
    ids: Sequence[int] | None = None,
) -> Tokens:
    """Return the tokens of one item of a batch encoding, with words, segments and spans.

    Parameters
    ----------
    tokenizer
        The tokenizer that made the encoding; None: only what the encoding itself knows.
    encoding
        What it returned: ``input_ids`` of shape ``(item, token)`` or ``(token,)``.
    item
        Which item of the batch.
    source
        The text, or the two texts of a pair, as they were given.
    ids
        The ids where the encoding does not hold them.

    Returns
    -------
    Tokens
        All positions, padding included: the capture drops it together with its rows and columns.
    """
    ids = _row(encoding["input_ids"], item) if ids is None else [int(i) for i in ids]
    fast = (getattr(encoding, "encodings", None) or [None] * (item + 1))[item]
    if fast is not None and len(fast.ids) != len(ids):
        fast = None
    special_ids = _special_ids(tokenizer)
    special = [i in special_ids for i in ids]
    if fast is not None:
        special = [a or bool(b) for a, b in zip(special, fast.special_tokens_mask, strict=True)]
        segments = [s or 0 for s in fast.sequence_ids]
        spans = [
            None
            if s is None or stop <= start
            else _trimmed(start, stop, source[s] if s < len(source) else "")
            for s, (start, stop) in zip(fast.sequence_ids, fast.offsets, strict=True)
        ]
        word_ids = list(fast.word_ids)
        text = [readable(tokenizer, i, piece) for i, piece in zip(ids, fast.tokens, strict=True)]
    else:
        kinds = encoding.get("token_type_ids") if hasattr(encoding, "get") else None
        segments = [0] * len(ids) if kinds is None else _row(kinds, item)
        text = [readable(tokenizer, i) for i in ids]
        spans = _align(text, special, segments, source)
        word_ids = [None] * len(ids)
    return Tokens(
        text=tuple(text),
        ids=tuple(ids),
        special=tuple(special),
        words=_words(word_ids, segments, spans, special, source),
        segments=tuple(segments),
        spans=tuple(spans) if any(span is not None for span in spans) else (),
        source=tuple(source),
    )


def readable(tokenizer: Any, token_id: int, piece: str | None = None) -> str:
    """Return the readable text of a token: no ``Ġ``, ``▁`` or ``##``, white space made visible."""
    if tokenizer is None:
        return piece if piece is not None else str(token_id)
    if piece is None:
        piece = tokenizer.convert_ids_to_tokens(token_id)
    if piece is None:  # an id without an entry in the vocabulary
        return f"id {token_id}"
    if piece in getattr(tokenizer, "all_special_tokens", ()):
        return piece
    text = tokenizer.decode([token_id], clean_up_tokenization_spaces=False)
    if "\ufffd" in text:
        return _bytes(piece)
    if not text:  # a space alone, which decoding drops
        return "␣" if set(piece) <= {"▁", "Ġ", " "} else piece
    if _continues(tokenizer, piece):
        text = text.removeprefix("##")
    shown = text.strip(" ") if text.strip() else text
    return (
        "".join(VISIBLE.get(c, c) if c in "\n\t\r" or not shown.strip() else c for c in shown)
        or piece
    )


def labels(values: Sequence[Any]) -> Tokens:
    """Return tokens from plain labels: residues, atoms, notes, names of columns."""
    return Tokens(text=tuple(str(value) for value in values))


def positions(n: int) -> Tokens:
    """Return tokens that are only numbered, where nothing is known of what stands there."""
    return Tokens(text=tuple(str(i) for i in range(n)))


def patches(n: int, rows: int, columns: int) -> Tokens:
    """Return tokens for image patches: specials first ([CLS], registers), then ``row,column``."""
    n_special = n - rows * columns
    if n_special < 0:
        raise InputError(
            f"patches must fill {rows}×{columns} cells, got {n} positions. Check the patch size."
        )
    names = [f"{r},{c}" for r in range(rows) for c in range(columns)]
    first = ["[CLS]", *(f"[REG{i}]" for i in range(1, n_special))][:n_special]
    return Tokens(
        text=(*first, *names),
        special=(True,) * n_special + (False,) * len(names),
        grid=(rows, columns),
    )


def frames(n: int, seconds: float | None) -> Tokens:
    """Return tokens for sound frames: the time at which each begins, where that is known."""
    if seconds is None:
        return positions(n)
    return Tokens(text=tuple(f"{i * seconds:.2f} s" for i in range(n)), seconds=seconds)


def _row(values: Any, item: int) -> list[int]:
    """Return one item's numbers from a tensor, an array or nested lists."""
    values = values.tolist() if hasattr(values, "tolist") else list(values)
    return [int(v) for v in (values[item] if values and isinstance(values[0], list) else values)]


def _special_ids(tokenizer: Any) -> set[int]:
    """Return the ids of special tokens; the unknown token stands for a word and is none."""
    ids = set(getattr(tokenizer, "all_special_ids", ()))
    unknown = getattr(tokenizer, "unk_token_id", None)
    others = {
        getattr(tokenizer, f"{name}_token_id", None)
        for name in ("bos", "eos", "pad", "cls", "sep", "mask")
    }
    return ids - ({unknown} - others)


def _trimmed(start: int, stop: int, text: str) -> tuple[int, int]:
    """Return a span without the space that byte-level tokens begin with."""
    while start < min(stop - 1, len(text)) and text[start].isspace():
        start += 1
    return start, stop


def _continues(tokenizer: Any, piece: str) -> bool:
    """Return whether the token is a word piece that continues the one before it."""
    if not piece.startswith("##") or len(piece) < 3:
        return False
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None:
        return hasattr(tokenizer, "wordpiece_tokenizer")
    return type(backend.decoder).__name__ == "WordPiece"


def _bytes(piece: str) -> str:
    """Return a token that is part of one character as its bytes, ``<F0 9F>``."""
    known = _byte_of()
    if re.fullmatch(r"<0x[0-9A-Fa-f]{2}>", piece):
        return f"<{piece[3:5].upper()}>"
    if all(c in known for c in piece):
        return "<" + " ".join(f"{known[c]:02X}" for c in piece).removeprefix("20 ") + ">"
    return piece


def _byte_of() -> dict[str, int]:
    """Return the byte of each character of byte-level vocabularies (Radford et al. 2019)."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [b for b in range(256) if b not in printable]
    return {chr(b): b for b in printable} | {chr(256 + i): b for i, b in enumerate(others)}


def _align(
    text: Sequence[str], special: Sequence[bool], segments: Sequence[int], source: Sequence[str]
) -> list[tuple[int, int] | None]:
    """Return the span of each token in its source, searched from the end of the one before."""
    cursor = dict.fromkeys(range(len(source)), 0)
    spans: list[tuple[int, int] | None] = []
    for token, is_special, segment in zip(text, special, segments, strict=True):
        span = None
        if not is_special and segment < len(source):
            start = source[segment].lower().find(token.lower(), cursor[segment])
            if start >= 0:
                span = (start, start + len(token))
                cursor[segment] = span[1]
        spans.append(span)
    return spans


def _words(
    word_ids: Sequence[int | None],
    segments: Sequence[int],
    spans: Sequence[tuple[int, int] | None],
    special: Sequence[bool],
    source: Sequence[str],
) -> tuple[int | None, ...]:
    """Return the number of each token's word: the tokenizer's words, else between white space."""
    kinds = {(s, w) for s, w in zip(segments, word_ids, strict=True) if w is not None}
    by_tokenizer = len(kinds) > len(set(segments)) or (
        kinds and not any(" " in text for text in source)
    )
    keys: list[Any] = []
    for i, word in enumerate(word_ids):
        span = spans[i]
        if special[i]:
            keys.append(None)
        elif by_tokenizer:
            keys.append(None if word is None else (segments[i], word))
        elif span is not None and segments[i] < len(source):
            keys.append((segments[i], len(source[segments[i]][: span[0] + 1].split())))
        else:
            keys.append(None)
    order = {key: i for i, key in enumerate(dict.fromkeys(k for k in keys if k is not None))}
    return tuple(None if key is None else order[key] for key in keys) if order else ()
