"""Texts, words and messages -> ids, as the model's tokenizer or processor makes them."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import torch

from attn_widget.errors import InputError
from attn_widget.recording.inputs.limits import check_ids, check_length, positions_of
from attn_widget.recording.inputs.model_forward import parameters_of, takes
from attn_widget.recording.inputs.pictures import as_pixels, picture_inputs, shown
from attn_widget.recording.inputs.prepared import Prepared
from attn_widget.recording.inputs.tokens import tokenizer_of


def text_inputs(
    model: torch.nn.Module,
    reader: Any,
    text: str | list[str],
    pair: str | None = None,
    *,
    truncate: bool = False,
    images: Any = None,
    special: bool = True,
) -> Prepared:
    """Return a text, a pair of texts or a list of words as the model's tokenizer encodes it.

    Parameters
    ----------
    model, reader, text, pair, truncate, images
        As in `encode`.
    special
        Whether the tokenizer adds its special tokens: a chat template holds them already.
    """
    words = not isinstance(text, str)
    for argument, value in (("text", " ".join(text) if words else text), ("pair", pair)):
        if value is not None and (not isinstance(value, str) or not value.strip()):
            raise InputError(
                f"{argument} must hold at least one character, got {value!r}. Write something."
            )
    tokenizer = tokenizer_of(reader)
    if not hasattr(tokenizer, "convert_ids_to_tokens"):
        raise InputError(
            "tokenizer must be given to run a text, "
            f"got {'None' if reader is None else type(reader).__name__}. "
            "Give the tokenizer this model was trained with.",
            code="aw.ModelRunner(model, tokenizer)",
        )
    limit = positions_of(model)
    options: dict[str, Any] = {"truncation": False}
    if truncate and limit is not None:
        options = {"truncation": True, "max_length": limit}
    if not special:
        options["add_special_tokens"] = False
    source = () if words else (text,) if pair is None else (text, pair)
    known: dict[str, Any] = {"source": source, "tokenizer": tokenizer}
    if images is None:
        encoding = _encoded(tokenizer, text, pair, options | {"is_split_into_words": words})
    else:
        _check_takes_pictures(model, reader, images)
        encoding, more = _beside_pictures(reader, text, pair, images, options)
        known |= more
    n = int(encoding["input_ids"].shape[-1])
    if n == 0:
        raise InputError(
            f"text must hold at least one token, got none in {text!r}. Write something else."
        )
    check_length(model, n)
    check_ids(model, encoding["input_ids"], tokenizer)
    _warn_of_unknown(tokenizer, encoding["input_ids"][0].tolist())
    if "token_type_ids" in encoding and "token_type_ids" not in parameters_of(model):
        del encoding["token_type_ids"]
    return Prepared(encoding, known)


def chat_text(reader: Any, messages: Sequence[Mapping[str, Any]], *, reply: bool) -> str:
    """Return messages as the one text that the model was trained on, by its chat template.

    Parameters
    ----------
    reader
        A tokenizer or processor with a chat template.
    messages
        ``{"role": …, "content": …}`` each.
    reply
        Whether the text ends where the model's reply begins.

    Raises
    ------
    InputError
        If there is no chat template, or it does not take these messages.
    """
    owners = [one for one in (reader, tokenizer_of(reader)) if getattr(one, "chat_template", None)]
    if not owners:
        raise InputError(
            "tokenizer must have a chat template to read messages, "
            f"got {type(reader).__name__} without one. Give their text.",
            code='runner.run(" ".join(message["content"] for message in messages))',
        )
    try:
        return owners[0].apply_chat_template(
            list(messages), tokenize=False, add_generation_prompt=reply
        )
    except Exception as error:  # a template raises what it likes
        raise InputError(
            "text must be messages that the chat template takes, "
            f"got messages of which it says: {error}. Check roles and contents."
        ) from error


def _encoded(tokenizer: Any, text: Any, pair: str | None, options: dict[str, Any]) -> Any:
    """Return a text, or words, with the tokenizer's own refusals explained."""
    if not options["is_split_into_words"]:
        del options["is_split_into_words"]
        return tokenizer(text, pair, return_tensors="pt", verbose=False, **options)
    try:
        return tokenizer(text, pair, return_tensors="pt", verbose=False, **options)
    except AssertionError as error:
        raise InputError(
            "text must be one text for this tokenizer, got words, of which it says: "
            f"{error}. Join them.",
            code='runner.run(" ".join(words))',
        ) from error


def _check_takes_pictures(model: torch.nn.Module, reader: Any, images: Any) -> None:
    """Refuse pictures where the reader or the model takes none."""
    processor = getattr(reader, "image_processor", None)
    if processor is None:
        raise InputError(
            f"images must be left out for a tokenizer that reads no pictures, "
            f"got {type(images).__name__} beside {type(reader).__name__}. Give the processor.",
            code="aw.ModelRunner(model, AutoProcessor.from_pretrained(name))",
        )
    names = getattr(processor, "model_input_names", None) or ["pixel_values"]
    if not any(takes(model, name) for name in names):
        raise InputError(
            "images must be left out for a model that takes no pictures, "
            f"got {type(images).__name__} for {type(model).__name__}. Run the text alone.",
            code="runner.run(text)",
        )


def _beside_pictures(
    reader: Any, text: Any, pair: str | None, images: Any, options: dict[str, Any]
) -> tuple[Any, dict[str, Any]]:
    """Return a text and its pictures as the processor joins them, and the picture to be drawn."""
    several = images if isinstance(images, list | tuple) else [images]
    if pair is not None or not isinstance(text, str):
        raise InputError(
            "text must be one text beside images, got a pair or words. Join it to one text."
        )
    pictures = [as_pixels(one, "images") for one in several]
    if not callable(reader):
        tokens = reader.tokenizer(text, return_tensors="pt", verbose=False, **options)
        picture = picture_inputs(reader, pictures[0])
        for name, value in picture.inputs.items():
            tokens[name] = value
        return tokens, picture.options
    mark = getattr(reader, "image_token", None)
    if isinstance(mark, str) and text.count(mark) != len(pictures):
        raise InputError(
            f"text must hold {mark!r} once for each picture, got {text.count(mark)} for "
            f"{len(pictures)}. Write where the picture stands.",
            code=f"runner.run({mark!r} + text, images=images)",
        )
    options = {name: value for name, value in options.items() if value is not False}
    given = pictures if len(pictures) > 1 else pictures[0]
    inputs = reader(text=text, images=given, return_tensors="pt", **options)
    return inputs, shown(inputs, reader.image_processor)


def _warn_of_unknown(tokenizer: Any, ids: Sequence[int]) -> None:
    """Warn where most of a text is the unknown token: the tokenizer lacks the model's vocabulary.

    A folder without the tokenizer's files gives such a tokenizer without a word.
    """
    unknown = getattr(tokenizer, "unk_token_id", None)
    special = set(getattr(tokenizer, "all_special_ids", ())) - {unknown}
    written = [i for i in ids if i not in special]
    n = written.count(unknown) if unknown is not None else 0
    if n >= 2 and 2 * n > len(written):
        warnings.warn(
            f"the tokenizer does not know most of this text: {n} of {len(written)} tokens are "
            f"{tokenizer.unk_token}. Check that it was saved with its vocabulary, beside the model",
            UserWarning,
            stacklevel=2,
        )
