"""A text or other input -> what the model is called with: on its device, with decoder ids."""

from __future__ import annotations

from typing import Any

import torch

from attn_widget.recording.inputs.decoder import decoder_ids
from attn_widget.recording.inputs.encode import Prepared, encode
from attn_widget.recording.inputs.model_call import is_encoder_decoder
from attn_widget.recording.inputs.tokens import tokenizer_of


def prepare(
    model: torch.nn.Module,
    reader: Any,
    given: Any,
    pair: str | None = None,
    *,
    target: Any = None,
    max_new_tokens: int = 32,
    **options: Any,
) -> Prepared:
    """Return what the model is called with; arguments as in `ModelRunner.run`."""
    ready = encode_on_device(model, reader, given, pair, **options)
    inputs = ready.inputs
    if is_encoder_decoder(model) and hasattr(inputs, "keys") and "decoder_input_ids" not in inputs:
        tokenizer = tokenizer_of(reader)
        ids = decoder_ids(model, tokenizer, inputs, target, max_new_tokens)
        inputs["decoder_input_ids"] = ids
    return ready


def encode_on_device(
    model: torch.nn.Module, reader: Any, given: Any, pair: str | None = None, **options: Any
) -> Prepared:
    """Return encoded inputs on the model's device, with the tokenizer that reads them."""
    ready = encode(model, reader, given, pair, **options)
    return Prepared(
        _placed(model, ready.inputs), {"tokenizer": tokenizer_of(reader), **ready.options}
    )


def _placed(model: torch.nn.Module, inputs: Any) -> Any:
    """Return inputs on the model's device, floating point ones in its dtype."""
    first = next(model.parameters(), None)
    if first is None:
        return inputs
    if isinstance(inputs, tuple | list):
        return tuple(_to(value, first) for value in inputs)
    if not hasattr(inputs, "items"):
        return _to(inputs, first)
    moved = {name: _to(value, first) for name, value in inputs.items()}
    if type(inputs) is dict:
        return moved
    for name, value in moved.items():  # a tokenizer's output keeps its word ids and spans
        inputs[name] = value
    return inputs


def _to(value: Any, like: torch.Tensor) -> Any:
    """Return a tensor on another's device, and in its dtype where both are floating point."""
    if not isinstance(value, torch.Tensor):
        return value
    return value.to(like.device, like.dtype) if value.is_floating_point() else value.to(like.device)
