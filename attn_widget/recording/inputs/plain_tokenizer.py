"""Tokenizers of any library, seen as the one kind that the rest of the package calls."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch

from attn_widget.errors import InputError
from attn_widget.recording.inputs.readable import piece_of_bytes

# What only readers of the transformers library have: these are used as they are.
OWN_READERS = (
    "convert_ids_to_tokens", "tokenizer", "image_processor", "feature_extractor", "image_mean",
    "sampling_rate",
)  # fmt: skip


def as_reader(given: Any) -> Any:
    """Return what reads a model's inputs, from whatever a person has.

    Parameters
    ----------
    given
        A tokenizer, processor, image processor or feature extractor of transformers (unchanged); a
        ``tokenizers.Tokenizer``; an object with ``encode`` and ``decode``, such as a
        ``tiktoken.Encoding``; a pair of such functions; one function ``text -> ids``; or a table
        ``{character: id}`` or ``{word: id}``.

    Raises
    ------
    InputError
        If it is none of these.
    """
    if given is None or any(hasattr(given, name) for name in OWN_READERS):
        return given
    if hasattr(given, "encode_batch") and hasattr(given, "to_str"):  # of `tokenizers`
        from transformers import PreTrainedTokenizerFast

        return PreTrainedTokenizerFast(tokenizer_object=given)
    if isinstance(given, Mapping):
        return _of_table(given)
    if isinstance(given, tuple | list) and len(given) == 2:
        first, second = given
        if isinstance(first, Mapping):
            return _of_table(first if isinstance(next(iter(first), None), str) else second)
        if callable(first) and (second is None or callable(second)):
            return PlainTokenizer(first, second)
    if callable(getattr(given, "encode", None)):
        return PlainTokenizer(given.encode, getattr(given, "decode", None), given)
    if callable(given):
        return PlainTokenizer(given, None)
    raise InputError(
        "tokenizer must have encode and decode, or be a function or a table of ids, "
        f"got {type(given).__name__}. Give the tokenizer this model was trained with.",
        code="aw.ModelRunner(model, (encode, decode))",
    )


class PlainTokenizer:
    """Functions ``text -> ids`` and ``ids -> text``, called as a tokenizer of transformers is.

    Parameters
    ----------
    encode
        Takes a text; returns ids as a list, an array, a tensor, or under ``input_ids``.
    decode
        Takes a list of ids; returns their text. None: tokens are shown by their ids.
    holder
        The object that these are methods of, which may know special tokens and bytes.
    """

    def __init__(
        self,
        encode: Callable[..., Any],
        decode: Callable[..., Any] | None,
        holder: Any = None,
    ) -> None:
        self._encode, self._decode, self._holder = encode, decode, holder
        special = getattr(holder, "special_tokens_set", None) or ()
        self.all_special_tokens: list[str] = sorted(special)
        self.all_special_ids: list[int] = [i for t in self.all_special_tokens for i in self._ids(t)]

    def __call__(
        self,
        text: Any = None,
        pair: str | None = None,
        *,
        text_target: str | None = None,
        truncation: bool = False,
        max_length: int | None = None,
        is_split_into_words: bool = False,
        return_tensors: str | None = None,
        **options: Any,
    ) -> dict[str, Any]:
        """Return ``input_ids``: a list, or with ``return_tensors="pt"`` a tensor ``(1, token)``.

        Further options are of other tokenizers, and have no effect.
        """
        if pair is not None:
            raise InputError(
                f"pair must be left out for a tokenizer that reads one text, got {pair!r}. "
                "Join the two as the model was trained."
            )
        if is_split_into_words or not isinstance(text or text_target, str):
            raise InputError(
                "text must be one text for this tokenizer, got words. Join them.",
                code='runner.run(" ".join(words))',
            )
        ids = self._ids(text if text_target is None else text_target)
        ids = ids[: max_length if truncation else None]
        return {"input_ids": ids if return_tensors is None else torch.tensor([ids]).long()}

    def decode(self, ids: Any, **options: Any) -> str:
        """Return the text of ids; their numbers where there is no decoder."""
        ids = [int(i) for i in (ids.tolist() if hasattr(ids, "tolist") else ids)]
        if self._decode is None:
            return " ".join(map(str, ids))
        text = self._decode(ids)
        return text if isinstance(text, str) else "".join(map(str, text))

    def convert_ids_to_tokens(self, ids: Any) -> Any:
        """Return the piece of an id, or of each of several; bytes as byte-level pieces."""
        if isinstance(ids, Sequence):
            return [self.convert_ids_to_tokens(i) for i in ids]
        single = getattr(self._holder, "decode_single_token_bytes", None)
        text = self.decode([ids])
        return piece_of_bytes(single(int(ids))) if single and "\ufffd" in text else text

    def convert_tokens_to_ids(self, tokens: Any) -> Any:
        """Return the id of a piece, or of each of several; None where it is not one id."""
        if not isinstance(tokens, str):
            return [self.convert_tokens_to_ids(token) for token in tokens]
        ids = self._ids(tokens)
        return ids[0] if len(ids) == 1 else None

    def _ids(self, text: str) -> list[int]:
        """Return the ids of a text."""
        options = {"allowed_special": "all"} if _takes(self._encode, "allowed_special") else {}
        found = self._encode(text, **options)
        if hasattr(found, "keys"):
            found = found["input_ids"]
        found = getattr(found, "ids", found)
        found = found.tolist() if hasattr(found, "tolist") else list(found)
        return [int(i) for i in (found[0] if found and isinstance(found[0], list) else found)]


class TableTokenizer:
    """Ids of characters, or of words between white space, as a table gives them."""

    def __init__(self, table: Mapping[Any, Any]) -> None:
        if not table:
            raise InputError(
                "tokenizer must have entries, got an empty table. Give {character: id}."
            )
        if not isinstance(next(iter(table)), str):
            table = {token: i for i, token in table.items()}
        self._ids = {str(token): int(i) for token, i in table.items()}
        self._tokens = {i: token for token, i in self._ids.items()}
        self._of_characters = all(len(token) == 1 for token in self._ids)

    def encode(self, text: str) -> list[int]:
        """Return the ids of a text; InputError where the table lacks one."""
        tokens = list(text) if self._of_characters else text.split()
        unknown = next((token for token in tokens if token not in self._ids), None)
        if unknown is not None:
            kind = "characters" if self._of_characters else "words"
            raise InputError(
                f"text must be written in the tokenizer's {len(self._ids)} {kind}, "
                f"got {unknown!r}. Leave it out."
            )
        return [self._ids[token] for token in tokens]

    def decode(self, ids: Sequence[int]) -> str:
        """Return the text of ids."""
        between = "" if self._of_characters else " "
        return between.join(self._tokens.get(i, f"id {i}") for i in ids)


def _of_table(table: Mapping[Any, Any]) -> PlainTokenizer:
    """Return the tokenizer of a table."""
    holder = TableTokenizer(table)
    return PlainTokenizer(holder.encode, holder.decode, holder)


def _takes(function: Callable[..., Any], name: str) -> bool:
    """Return whether a function has a parameter of this name."""
    try:
        return name in inspect.signature(function).parameters
    except (TypeError, ValueError):
        return False
