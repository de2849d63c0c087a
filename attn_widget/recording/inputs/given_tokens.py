"""Labels, pieces or ids that a caller gives for an axis -> `Tokens`."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any

from attn_widget.errors import InputError
from attn_widget.recording.inputs.readable import decoded
from attn_widget.recording.inputs.tokens import from_encoding, labels, tokenizer_of
from attn_widget.records import Tokens


def given_tokens(argument: str, given: Any, tokenizer: Any = None) -> Tokens:
    """Return the tokens that a caller gave for one axis.

    Parameters
    ----------
    argument
        What errors call them.
    given
        `Tokens`; labels; ids as a list, an array or a tensor; a tokenizer's output.
    tokenizer
        Makes pieces and ids readable, and knows their words and which are special; None: they stay
        as they are.

    Raises
    ------
    InputError
        If it is a text, or not one label per position.
    """
    if isinstance(given, Tokens):
        return given
    if isinstance(given, str):
        raise InputError(
            f"{argument} must be one label per position, got the text {given!r}. "
            "Give a list of labels."
        )
    reader = None
    if tokenizer is not None:
        from attn_widget.recording.inputs.plain_tokenizer import as_reader  # needs torch

        reader = tokenizer_of(as_reader(tokenizer))
    if hasattr(given, "keys") and "input_ids" in given:
        if reader is not None and getattr(given, "encodings", None):
            return from_encoding(reader, given)
        given = given["input_ids"]
    values = given.tolist() if hasattr(given, "tolist") else given
    if not hasattr(values, "__iter__"):
        raise InputError(
            f"{argument} must be one label per position, got {given!r}. Give a list of labels."
        )
    values = list(values)
    if len(values) == 1 and isinstance(values[0], list):  # a batch of one
        values = values[0]
    if reader is None:
        return labels(values)
    pieces = [value.item() if hasattr(value, "item") else value for value in values]
    if any(isinstance(piece, str) for piece in pieces):
        return _of_pieces(reader, [str(piece) for piece in pieces])
    return _of_ids(reader, [int(piece) for piece in pieces])


def _of_pieces(tokenizer: Any, pieces: Sequence[str]) -> Tokens:
    """Return the tokens of pieces; one that is not in the vocabulary keeps its text."""
    found = [tokenizer.convert_tokens_to_ids(piece) for piece in pieces]
    unknown = getattr(tokenizer, "unk_token_id", None)
    foreign = [
        i is None or (i == unknown and piece != tokenizer.unk_token)
        for i, piece in zip(found, pieces, strict=True)
    ]
    if all(foreign):
        return labels(pieces)
    if any(i is None for i in found):
        raise InputError(
            "tokenizer must know the tokens, "
            f"got {pieces[found.index(None)]!r}, which it does not. Give ids, or plain labels "
            "without tokenizer."
        )
    tokens = _of_ids(tokenizer, found)
    text = [
        piece if other else shown
        for piece, shown, other in zip(pieces, tokens.text, foreign, strict=True)
    ]
    return dataclasses.replace(tokens, text=tuple(text))


def _of_ids(tokenizer: Any, ids: Sequence[int]) -> Tokens:
    """Return the tokens of ids, with the words of the text between special tokens."""
    tokens = from_encoding(tokenizer, {"input_ids": [list(ids)]})
    words: list[int | None] = [None] * len(ids)
    n_words = 0
    for run in _runs(tokens.special):
        found = _words(tokenizer, [ids[i] for i in run])
        for i, word in zip(run, found, strict=True):
            words[i] = None if word is None else n_words + word
        n_words += 1 + max((word for word in found if word is not None), default=-1)
    return dataclasses.replace(tokens, words=tuple(words) if n_words else ())


def _words(tokenizer: Any, ids: Sequence[int]) -> Sequence[int | None]:
    """Return the word of each id: of its text where that gives these ids again."""
    text = decoded(tokenizer, ids)
    again = tokenizer(text, add_special_tokens=False, return_tensors="pt", verbose=False)
    same = again["input_ids"][0].tolist() == list(ids)
    encoding = again if same else {"input_ids": [list(ids)]}
    return from_encoding(tokenizer, encoding, source=(text,)).words or [None] * len(ids)


def _runs(special: Sequence[bool]) -> Iterator[list[int]]:
    """Return the positions of each run of tokens that are not special."""
    run: list[int] = []
    for i, is_special in enumerate([*special, True]):
        if not is_special:
            run.append(i)
        elif run:
            yield run
            run = []
