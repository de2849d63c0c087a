"""Texts, words, messages, ids, pictures and sounds -> the tensors that a model takes.

Every check of these inputs is made before any work.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from attn_widget.recording.inputs.kinds import check_taken, kind_of, plain, refuse_several
from attn_widget.recording.inputs.limits import check_ids, check_length, positions_of
from attn_widget.recording.inputs.model_forward import name_arguments
from attn_widget.recording.inputs.pictures import picture_inputs
from attn_widget.recording.inputs.prepared import Prepared
from attn_widget.recording.inputs.sounds import sound_inputs
from attn_widget.recording.inputs.texts import chat_text, text_inputs
from attn_widget.records import to_numpy

__all__ = ["Prepared", "check_ids", "check_length", "encode", "positions_of"]


def encode(
    model: torch.nn.Module,
    reader: Any,
    given: Any,
    pair: str | None = None,
    *,
    truncate: bool = False,
    images: Any = None,
    sampling_rate: int | None = None,
    reply: bool = False,
) -> Prepared:
    """Return model inputs for whatever was given.

    Parameters
    ----------
    model, reader
        The model, and its tokenizer, processor, image processor or feature extractor.
    given
        A text; a list of words; messages ``{"role": …, "content": …}``; a list or one axis of ids;
        a picture (Pillow, or an array with an axis of colours, first or last); a sound (one axis of
        samples, with ``sampling_rate``); or a mapping of tensors, unchanged.
    pair
        The second text of a pair.
    truncate
        Keep only as many tokens as the model has positions.
    images
        A picture beside a text, or several.
    sampling_rate
        Samples a second, in Hz.
    reply
        Whether messages end where the model's reply begins.

    Raises
    ------
    InputError
        If the input is of no kind, or an argument does not go with its kind.
    """
    given = plain(given)
    kind = kind_of(given, sampling_rate, reader)
    if kind == "several":
        refuse_several(given)
    check_taken(kind, pair=pair, truncate=truncate, images=images, sampling_rate=sampling_rate)
    if kind == "chat":
        text = chat_text(reader, given, reply=reply)
        return text_inputs(model, reader, text, truncate=truncate, images=images, special=False)
    if kind in ("text", "words"):
        written = given if kind == "text" else list(given)
        return text_inputs(model, reader, written, pair, truncate=truncate, images=images)
    if kind == "ids":
        return _ids(model, given, truncate)
    if kind == "picture":
        return picture_inputs(reader, given)
    if kind == "sound":
        assert sampling_rate is not None
        return sound_inputs(reader, np.asarray(to_numpy(given)), sampling_rate)
    if kind == "tensors":
        return Prepared(name_arguments(model, given) or given)
    return Prepared(given)


def _ids(model: torch.nn.Module, given: Sequence[int], truncate: bool) -> Prepared:
    """Return ids as a batch of one."""
    limit = positions_of(model)
    ids = torch.tensor([[int(i) for i in given][: limit if truncate else None]])
    check_ids(model, ids)
    check_length(model, ids.shape[1], "ids")
    return Prepared({"input_ids": ids})
