"""What the model is called with, read once: how to call it, how many items, what is padding, what stands where."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from attn_widget.errors import InputError
from attn_widget.recording.building.build_capture import Input
from attn_widget.recording.inputs import tokens as token_makers
from attn_widget.records import Tokens

# The arguments by which models of any library are given the three kinds of input.
IDS = ("input_ids", "decoder_input_ids")
PICTURES = ("pixel_values",)
SOUNDS = ("input_features", "input_values")


@dataclass
class Call(Input):
    """An `Input` that can be run."""

    likely_batch: int | None = (
        None  # the first axis of all inputs, where they agree: a guess, for fused head axes
    )
    n_tokens: int | None = None  # ids of one item, where the inputs hold ids
    model: torch.nn.Module | None = None
    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] | None = None

    def run(self) -> Any:
        """Run the model once and return its output."""
        return self.model(*self.args, **self.kwargs)


def describe(
    model: torch.nn.Module,
    inputs: Any,
    *,
    tokens: Any = None,
    tokenizer: Any = None,
    item: int = 0,
    window: int = 0,
    source: Sequence[str] = (),
    seconds: float | None = None,
) -> Call:
    """Return how to call the model on these inputs, and what is known of them."""
    if isinstance(inputs, str):
        raise InputError(
            "inputs must be what the model is called with, got a text. Use ModelRunner(model, tokenizer)."
        )
    args: tuple[Any, ...] = ()
    kwargs: dict[str, Any] = {}
    if isinstance(inputs, Mapping) or hasattr(inputs, "keys"):
        kwargs = {name: inputs[name] for name in inputs}
    else:
        args = tuple(inputs) if isinstance(inputs, tuple | list) else (inputs,)
    called_with = kwargs
    kwargs = called_with or named(model, args) or {}
    tensors = [value for value in (*kwargs.values(), *args) if isinstance(value, torch.Tensor)]
    if not tensors:
        raise InputError(
            f"inputs must hold at least one tensor, got {type(inputs).__name__}. Use return_tensors='pt'."
        )
    batch = _batch(kwargs)
    if batch is not None and not 0 <= item < batch:
        raise InputError(
            f"item must be 0 to {batch - 1}, got {item}. Choose an item of the batch that exists."
        )
    if batch is None and item < 0:
        raise InputError(
            f"item must be 0 or more, got {item}. Choose an item of the batch that exists."
        )
    return Call(
        batch=batch,
        item=item,
        window=window,
        real=_real(model, kwargs, item),
        make_tokens=lambda stream, n: _tokens(
            model,
            inputs if called_with else kwargs,
            kwargs,
            tokenizer,
            item,
            source,
            seconds,
            stream,
            n,
        ),
        given=_given(tokens, model, kwargs),
        likely_batch=batch or _first_axis(tensors),
        n_tokens=_n_tokens(kwargs),
        model=model,
        args=args,  # a tensor given without a name is passed without one: a hook of the user's may look for it there
        kwargs=called_with,
    )


def named(model: torch.nn.Module, inputs: Any) -> dict[str, Any] | None:
    """Return unnamed inputs by the names of the arguments that they are; None where the signature has no such names."""
    args = inputs if isinstance(inputs, tuple | list) else (inputs,)
    try:
        signature = inspect.signature(model.forward)
        found = signature.bind_partial(*args).arguments
    except (TypeError, ValueError):
        return None
    plain = all(
        signature.parameters[name].kind is inspect.Parameter.POSITIONAL_OR_KEYWORD for name in found
    )
    return dict(found) if plain else None


def is_encoder_decoder(model: torch.nn.Module) -> bool:
    """Return whether the model says that it has an encoder and a decoder."""
    return bool(getattr(getattr(model, "config", None), "is_encoder_decoder", False))


def _batch(kwargs: Mapping[str, Any]) -> int | None:
    """Return the number of items, where the arguments say it."""
    for name in (*IDS, *PICTURES, *SOUNDS, "inputs_embeds", "attention_mask"):
        value = kwargs.get(name)
        if isinstance(value, torch.Tensor):
            return int(value.shape[0])
    return None


def _first_axis(tensors: Sequence[torch.Tensor]) -> int | None:
    """Return the length of the first axis of inputs that have several, where all agree."""
    lengths = {len(tensor) for tensor in tensors if tensor.ndim > 2}
    return lengths.pop() if len(lengths) == 1 else None


def _n_tokens(kwargs: Mapping[str, Any]) -> int | None:
    """Return how many ids one item has."""
    ids = kwargs.get("input_ids", kwargs.get("inputs_embeds"))
    return int(ids.shape[1]) if isinstance(ids, torch.Tensor) and ids.ndim > 1 else None


def _real(model: torch.nn.Module, kwargs: Mapping[str, Any], item: int) -> dict[str, torch.Tensor]:
    """Return the positions of each stream that are no padding, as far as the masks say it."""
    real = {}
    mask = kwargs.get("attention_mask")
    if isinstance(mask, torch.Tensor) and mask.ndim == 2:
        streams = (
            ("", "text", "encoder", "memory")
            if not is_encoder_decoder(model)
            else ("encoder", "memory")
        )
        real |= dict.fromkeys(streams, mask[item] != 0)
    mask = kwargs.get("decoder_attention_mask")
    if isinstance(mask, torch.Tensor) and mask.ndim == 2:
        real["decoder"] = mask[item] != 0
    return real


def _given(tokens: Any, model: torch.nn.Module, kwargs: Mapping[str, Any]) -> dict[str, Tokens]:
    """Return the tokens that the caller named, by stream."""
    if tokens is None:
        return {}
    if isinstance(tokens, str):
        raise InputError(
            f"tokens must be one label per position, got the text {tokens!r}. Give a list of labels."
        )
    if isinstance(tokens, Mapping):
        return {stream: _as_tokens(value) for stream, value in tokens.items()}
    first = _as_tokens(tokens)
    return dict.fromkeys(("", "encoder", "text"), first)


def _as_tokens(value: Any) -> Tokens:
    """Return labels as tokens; tokens unchanged."""
    return value if isinstance(value, Tokens) else token_makers.labels(value)


def _tokens(
    model: torch.nn.Module,
    inputs: Any,
    kwargs: Mapping[str, Any],
    tokenizer: Any,
    item: int,
    source: Sequence[str],
    seconds: float | None,
    stream: str,
    n: int,
) -> Tokens | None:
    """Return what stands along a stream of n positions, or None where the inputs do not tell."""
    ids = kwargs.get("input_ids")
    target = kwargs.get("decoder_input_ids")
    if stream == "decoder" and isinstance(target, torch.Tensor) and target.shape[-1] == n:
        return token_makers.from_encoding(tokenizer, {"input_ids": target}, item=item)
    if (
        isinstance(ids, torch.Tensor)
        and ids.ndim == 2
        and ids.shape[-1] == n
        and stream not in ("vision", "audio")
    ):
        return token_makers.from_encoding(tokenizer, inputs, item=item, source=source)
    if isinstance(kwargs.get("pixel_values"), torch.Tensor):
        return _patches(model, kwargs["pixel_values"], n)
    if any(name in kwargs for name in SOUNDS) and stream in ("", "encoder", "audio"):
        return token_makers.frames(n, None if seconds is None else seconds / n)
    return None


def _patches(model: torch.nn.Module, pixels: torch.Tensor, n: int) -> Tokens | None:
    """Return patch tokens: the grid comes from the convolution that cuts the picture."""
    for module in model.modules():
        if isinstance(module, torch.nn.Conv2d) and module.kernel_size == module.stride:
            rows, columns = (
                pixels.shape[-2] // module.stride[0],
                pixels.shape[-1] // module.stride[1],
            )
            if 0 <= n - rows * columns < min(rows * columns, 64):
                return token_makers.patches(n, rows, columns)
    return None
