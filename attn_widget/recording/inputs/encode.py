"""Texts, words, ids, pictures and sounds -> the tensors that a model takes.

Every check of these inputs is made here, before any work.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from jaxtyping import UInt8

from attn_widget.errors import InputError
from attn_widget.recording.inputs.model_call import name_arguments
from attn_widget.recording.inputs.tokens import tokenizer_of
from attn_widget.records import to_numpy


@dataclass
class Prepared:
    """Model inputs, and what `capture` should know of them."""

    inputs: Any
    options: dict[str, Any] = field(default_factory=dict)


def encode(
    model: torch.nn.Module,
    reader: Any,
    given: Any,
    pair: str | None = None,
    *,
    truncate: bool = False,
    images: Any = None,
    sampling_rate: int | None = None,
) -> Prepared:
    """Return model inputs for whatever was given.

    Parameters
    ----------
    model, reader
        The model, and its tokenizer, processor, image processor or feature extractor.
    given
        A text; a list of words; a list of ids; a picture (Pillow, or ``(row, column, rgb)`` uint8);
        a sound (one axis of samples, with ``sampling_rate``); or a mapping of tensors, unchanged.
    pair
        The second text of a pair.
    truncate
        Keep only as many tokens as the model has positions.
    images
        A picture beside a text.
    sampling_rate
        Samples a second, in Hz.
    """
    if isinstance(given, str):
        return _text(model, reader, given, pair, truncate, images)
    if hasattr(given, "keys"):
        return Prepared(given)
    if sampling_rate is not None:
        return _sound(reader, np.asarray(to_numpy(given)), sampling_rate)
    if _is_picture(given):
        return _picture(reader, given)
    if isinstance(given, Sequence) and given and all(isinstance(word, str) for word in given):
        return _text(model, reader, list(given), None, truncate, None)
    if (
        isinstance(given, Sequence)
        and given
        and all(isinstance(i, int | np.integer) for i in given)
    ):
        ids = torch.tensor([[int(i) for i in given]])
        check_ids(model, ids)
        check_length(model, ids.shape[1], "ids")
        return Prepared({"input_ids": ids})
    if isinstance(given, torch.Tensor) or (
        isinstance(given, tuple) and isinstance(given[0], torch.Tensor)
    ):
        return Prepared(name_arguments(model, given) or given)
    raise InputError(
        "text must be a text, words, ids, a picture, a sound or a mapping of tensors, "
        f"got {type(given).__name__}. For a sound, give sampling_rate as well."
    )


def check_length(model: torch.nn.Module, n: int, argument: str = "text") -> None:
    """Refuse more tokens than the model has positions."""
    limit = positions_of(model)
    if limit is not None and n > limit:
        raise InputError(
            f"{argument} must have at most {limit} tokens for this model's positions, got {n}. "
            f"Shorten it, or pass truncate=True to keep the first {limit} tokens."
        )


def check_ids(model: Any, ids: torch.Tensor, tokenizer: Any = None) -> None:
    """Refuse ids that the model has no embedding for."""
    try:
        rows = model.get_input_embeddings().num_embeddings
    except (AttributeError, NotImplementedError):
        return
    worst = int(ids.max())
    if worst >= rows:
        shown = f" ({tokenizer.convert_ids_to_tokens(worst)!r})" if tokenizer is not None else ""
        raise InputError(
            f"tokenizer must fit the model, got id {worst}{shown} where the model's embedding has "
            f"{rows} rows. Use the tokenizer that this model was trained with."
        )


def positions_of(model: torch.nn.Module) -> int | None:
    """Return how many positions the model has, or None where nothing limits them."""
    limits = []
    config = getattr(model, "config", None)
    if config is not None:
        text = config.get_text_config() if hasattr(config, "get_text_config") else config
        stated = getattr(text, "max_position_embeddings", None)
        limits.append(stated if isinstance(stated, int) else 0)
    for path, module in model.named_modules():
        name = path.rsplit(".", 1)[-1].lower()
        vision = any(word in path.lower() for word in ("vision", "visual", "image", "audio"))
        if (
            isinstance(module, torch.nn.Embedding)
            and "position" in name
            and "relative" not in name
            and not vision
        ):
            # Tables with a padding row begin counting after it.
            offset = 0 if module.padding_idx is None else module.padding_idx + 1
            limits.append(module.num_embeddings - offset)
    limits = [limit for limit in limits if limit > 0]
    return min(limits) if limits else None


def _text(
    model: torch.nn.Module, reader: Any, text: Any, pair: str | None, truncate: bool, images: Any
) -> Prepared:
    """Return a text, a pair of texts or a list of words as the model's tokenizer encodes it."""
    words = not isinstance(text, str)
    for argument, value in (("text", " ".join(text) if words else text), ("pair", pair)):
        if value is not None and not value.strip():
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
    cut = (
        {"truncation": True, "max_length": limit}
        if truncate and limit is not None
        else {"truncation": False}
    )
    if words:
        cut["is_split_into_words"] = True
    encoding = tokenizer(text, pair, return_tensors="pt", verbose=False, **cut)
    n = int(encoding["input_ids"].shape[-1])
    if n == 0:
        raise InputError(
            f"text must hold at least one token, got none in {text!r}. Write something else."
        )
    check_length(model, n)
    check_ids(model, encoding["input_ids"], tokenizer)
    _drop_untaken(model, encoding)
    source = () if words else (text,) if pair is None else (text, pair)
    options: dict[str, Any] = {"source": source, "tokenizer": tokenizer}
    if images is not None:
        picture = _picture(reader, images)
        for name, value in picture.inputs.items():
            encoding[name] = value
        options |= picture.options
    return Prepared(encoding, options)


def _drop_untaken(model: torch.nn.Module, encoding: Any) -> None:
    """Leave out token types where the model's forward does not take them."""
    parameters = inspect.signature(model.forward).parameters
    if any(p.kind is p.VAR_KEYWORD for p in parameters.values()) and "token_type_ids" in parameters:
        return
    for name in [name for name in encoding if name not in parameters and name == "token_type_ids"]:
        del encoding[name]


def _is_picture(given: Any) -> bool:
    """Return whether this is a picture: Pillow's, or rows, columns and three colours."""
    if hasattr(given, "convert") and hasattr(given, "size"):
        return True
    return isinstance(given, np.ndarray) and given.ndim == 3 and given.shape[-1] in (3, 4)


def _picture(reader: Any, given: Any) -> Prepared:
    """Return a picture as the model's processor crops and scales it, and the pixels it made."""
    processor = getattr(reader, "image_processor", reader)
    if processor is None or not hasattr(processor, "image_mean"):
        raise InputError(
            f"tokenizer must be an image processor to run a picture, got {type(reader).__name__}. "
            "Give the processor this model was trained with.",
            code="aw.ModelRunner(model, AutoImageProcessor.from_pretrained(name))",
        )
    if hasattr(given, "convert"):
        given = np.asarray(given.convert("RGB"))
    pixels = processor(images=np.ascontiguousarray(given[..., :3]), return_tensors="pt")
    return Prepared(pixels, {"image": shown_pixels(pixels["pixel_values"][0], processor)})


def shown_pixels(pixels: Any, processor: Any) -> UInt8[np.ndarray, "row column 3"]:
    """Return a model's input pixels as ``(row, column, rgb)`` uint8, colours restored."""
    image = to_numpy(pixels).transpose(1, 2, 0).astype(np.float64)
    if getattr(processor, "do_normalize", True):
        image = image * np.asarray(processor.image_std) + np.asarray(processor.image_mean)
    return (image.clip(0, 1) * 255).round().astype(np.uint8)


def _sound(reader: Any, samples: np.ndarray, sampling_rate: int) -> Prepared:
    """Return a sound as the model's feature extractor encodes it, and its length in seconds."""
    extractor = getattr(reader, "feature_extractor", reader)
    if extractor is None or not hasattr(extractor, "sampling_rate"):
        raise InputError(
            f"tokenizer must be a feature extractor to run a sound, got {type(reader).__name__}. "
            "Give the processor this model was trained with."
        )
    if samples.ndim != 1 or samples.size == 0:
        raise InputError(
            f"text must be one axis of samples for a sound, got shape {samples.shape}. "
            "Mix it to mono."
        )
    if sampling_rate != extractor.sampling_rate:
        raise InputError(
            f"sampling_rate must be {extractor.sampling_rate} Hz for this model, "
            f"got {sampling_rate}. Resample it first.",
            code=f"scipy.signal.resample_poly(samples, {extractor.sampling_rate}, {sampling_rate})",
        )
    encoded = extractor(
        samples.astype(np.float32), sampling_rate=sampling_rate, return_tensors="pt"
    )
    hop = getattr(extractor, "hop_length", 1) if "input_features" in encoded else 1
    frames = next(iter(encoded.values())).shape[-1]
    return Prepared(encoded, {"seconds": frames * hop / sampling_rate})
