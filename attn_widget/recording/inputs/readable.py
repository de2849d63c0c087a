"""The readable text of one token, and the bytes that several tokens make a character of.

Nothing here depends on a tokenizer's family. The text of a token is what the tokenizer decodes it
to. Two things are added: the continuation mark of word pieces is removed, and bytes that form no
character alone are shown as bytes.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

VISIBLE = {"\n": "⏎", "\t": "⇥", " ": "␣", "\r": "␍"}
NO_CHARACTER = "\ufffd"


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
    text = decoded(tokenizer, [token_id])
    if NO_CHARACTER in text:
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


def decoded(tokenizer: Any, ids: Sequence[int]) -> str:
    """Return the text of ids, as it was written."""
    return tokenizer.decode(list(ids), clean_up_tokenization_spaces=False)


@dataclass(frozen=True)
class ByteRun:
    """Tokens in a row that are bytes and make characters only together."""

    start: int  # position of the first token
    values: tuple[bytes, ...]  # of each token
    text: str  # what they are together


def byte_runs(
    tokenizer: Any, ids: Sequence[int], special: Sequence[bool], pieces: Sequence[str | None]
) -> list[ByteRun]:
    """Return the runs of tokens that are bytes.

    A token that decodes to no character alone is a byte where the bytes of the whole run, read as
    UTF-8, are what the tokenizer decodes the run to.
    """
    if tokenizer is None:
        return []
    silent = [
        not s and (not (text := decoded(tokenizer, [i])) or NO_CHARACTER in text)
        for i, s in zip(ids, special, strict=True)
    ]
    runs: list[ByteRun] = []
    start = 0
    while start < len(ids):
        stop = start
        while stop < len(ids) and silent[stop]:
            stop += 1
        if stop > start:
            text = decoded(tokenizer, ids[start:stop])
            values = _values(pieces[start:stop], text)
            if values is not None:
                runs.append(ByteRun(start, values, text))
        start = stop + 1
    return runs


def shown_bytes(value: bytes) -> str:
    """Return bytes as they are shown: ``<F0 9F>``."""
    return "<" + " ".join(f"{byte:02X}" for byte in value) + ">"


def _values(pieces: Sequence[str | None], text: str) -> tuple[bytes, ...] | None:
    """Return the bytes of pieces by the first way of writing them that gives the text, or None."""
    for way in (_hexadecimal, _latin, _printable):
        values = [None if piece is None else way(piece) for piece in pieces]
        whole = b"".join(value for value in values if value is not None)
        same = whole.decode("utf-8", errors="ignore") == text.replace(NO_CHARACTER, "")
        if same and text and None not in values:
            return tuple(value for value in values if value is not None)
    return None


def _hexadecimal(piece: str) -> bytes | None:
    """Return the byte of ``<0xE2>``."""
    found = re.fullmatch(r"<0x([0-9A-Fa-f]{2})>", piece)
    return bytes([int(found[1], 16)]) if found else None


def _latin(piece: str) -> bytes | None:
    """Return the bytes of characters whose code points are the bytes."""
    return piece.encode("latin-1") if all(ord(c) < 256 for c in piece) else None


def _printable(piece: str) -> bytes | None:
    """Return the bytes of byte-level vocabularies, where every byte is a printable character."""
    known = _byte_of()
    return bytes(known[c] for c in piece) if all(c in known for c in piece) else None


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
    ways: tuple[Callable[[str], bytes | None], ...] = (_hexadecimal, _printable)
    value = next((found for way in ways if (found := way(piece)) is not None), None)
    if value is None:
        return piece
    return shown_bytes(value[1:] if len(value) > 1 and value[:1] == b" " else value)


@functools.cache
def _byte_of() -> dict[str, int]:
    """Return the byte of each character of byte-level vocabularies (Radford et al. 2019)."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [b for b in range(256) if b not in printable]
    return {chr(b): b for b in printable} | {chr(256 + i): b for i, b in enumerate(others)}


def piece_of_bytes(value: bytes) -> str:
    """Return bytes as one piece of a byte-level vocabulary."""
    characters = {byte: character for character, byte in _byte_of().items()}
    return "".join(characters[byte] for byte in value)
