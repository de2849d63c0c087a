"""A text or other input -> what the model is called with: on its device, with decoder ids."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Iterator
from typing import Any

import torch

from attn_widget.errors import AttnWidgetError, InputError
from attn_widget.recording.inputs.decoder import DECODER_INPUTS, check_target, decoder_ids
from attn_widget.recording.inputs.encode import Prepared, encode
from attn_widget.recording.inputs.model_forward import (
    can_write,
    execution_device,
    floating_dtype,
    reads_target,
)
from attn_widget.recording.inputs.tokens import tokenizer_of

MAX_NEW_TOKENS = 32  # that a decoder may write where no target is given


def prepare(
    model: torch.nn.Module,
    reader: Any,
    given: Any,
    pair: str | None = None,
    *,
    target: Any = None,
    max_new_tokens: int | None = None,
    **options: Any,
) -> Prepared:
    """Return what the model is called with; arguments as in `ModelRunner.run`.

    The decoder of a model that cannot write reads the target, or what the model's own forward gives
    it.
    """
    check_target(model, given, target, max_new_tokens)
    ready = encode_on_device(model, reader, given, pair, reply=False, **options)
    inputs = ready.inputs
    if not _lacks_target(model, inputs) or (target is None and not can_write(model)):
        return ready
    length = MAX_NEW_TOKENS if max_new_tokens is None else max_new_tokens
    ids = decoder_ids(model, tokenizer_of(reader), inputs, target, length)
    inputs["decoder_input_ids"] = ids
    return ready


def encode_on_device(
    model: torch.nn.Module,
    reader: Any,
    given: Any,
    pair: str | None = None,
    *,
    reply: bool = True,
    **options: Any,
) -> Prepared:
    """Return encoded inputs on the model's device, with the tokenizer that reads them.

    ``reply``: messages of a chat end where the model's reply begins.
    """
    ready = encode(model, reader, given, pair, reply=reply, **options)
    return Prepared(
        _placed(model, ready.inputs), {"tokenizer": tokenizer_of(reader), **ready.options}
    )


@contextlib.contextmanager
def explaining_target(model: torch.nn.Module, inputs: Any) -> Iterator[None]:
    """Turn the error of a forward that makes no decoder input into one that asks for a target."""
    try:
        yield
    except AttnWidgetError:
        raise
    except (ValueError, TypeError, AttributeError) as error:
        if not _lacks_target(model, inputs):
            raise
        first = (str(error).splitlines() or [""])[0]
        raise InputError(
            "target must be given for a model that cannot write one and whose forward makes none, "
            f"got None (its forward says: {first}). Give what its decoder reads.",
            code="runner.run(text, target=target)",
        ) from error


def _lacks_target(model: torch.nn.Module, inputs: Any) -> bool:
    """Return whether the model's decoder reads ids that are not among the inputs."""
    named = hasattr(inputs, "keys")
    return named and reads_target(model) and not any(name in inputs for name in DECODER_INPUTS)


def _placed(model: torch.nn.Module, inputs: Any) -> Any:
    """Return inputs on the model's device, floating point ones in its dtype."""
    device, dtype = execution_device(model), floating_dtype(model)

    def to(value: Any) -> Any:
        if not isinstance(value, torch.Tensor):
            return value
        return value.to(device, dtype) if value.is_floating_point() else value.to(device)

    if isinstance(inputs, tuple | list):
        return tuple(to(value) for value in inputs)
    if not hasattr(inputs, "items"):
        return to(inputs)
    moved = {name: to(value) for name, value in inputs.items()}
    if type(inputs) is dict:
        return moved
    inputs = copy.copy(inputs)  # a tokenizer's output keeps its word ids and spans
    for name, value in moved.items():
        inputs[name] = value
    return inputs
