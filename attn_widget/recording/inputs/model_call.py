"""`ModelCall`: how the model is called, how many items there are, and what is padding.

Read once from the inputs, before the forward pass; `building` takes from it what stands along the
axes of each stream.
"""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from attn_widget.errors import InputError
from attn_widget.recording.inputs import tokens as token_makers
from attn_widget.recording.inputs.kinds import is_whole
from attn_widget.recording.inputs.model_forward import (
    fitted,
    name_arguments,
    reads_target,
    takes_one_mapping,
    takes_positions_only,
)
from attn_widget.recording.inputs.patches import measured_patches, picture_of
from attn_widget.recording.nested import copied
from attn_widget.records import Tokens, check_index
from attn_widget.records.names import nearest_name

# Under its former name.
is_encoder_decoder = reads_target

# The arguments by which models of any library take the three kinds of input.
IDS = ("input_ids", "decoder_input_ids")
PICTURES = ("pixel_values",)
SOUNDS = ("input_features", "input_values")


@dataclass(frozen=True)
class ModelCall:
    """The arguments of one call of a model, and what they say about its items and positions."""

    model: torch.nn.Module
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    named: Mapping[str, Any]  # all inputs by name, also those that are passed by position
    encoding: Any  # the inputs as a tokenizer made them, where one did
    batch: int | None  # items, where the inputs say
    # Guess of the number of items from tensors of several axes, to split a fused head axis.
    likely_batch: int | None
    item: int = 0
    window: int = 0
    # stream -> (position,) False at padding
    unpadded: Mapping[str, torch.Tensor] = field(default_factory=dict)
    given_tokens: Mapping[str, Tokens] = field(default_factory=dict)  # by stream
    by_stream: bool = False  # whether the caller named the streams
    tokenizer: Any = None
    source: Sequence[str] = ()
    seconds: float | None = None
    # Filled while the model runs: the ids that its decoder reads, where the caller gave none.
    decoder_reads: list[torch.Tensor] = field(default_factory=list)

    def run(self) -> Any:
        """Run the model once and return its output; the caller's cache of keys stays as it is."""
        with self._following_decoder():
            return self.model(*copied(self.args), **{n: copied(v) for n, v in self.kwargs.items()})

    @contextlib.contextmanager
    def _following_decoder(self) -> Iterator[None]:
        """Keep the ids that the forward gives to the decoder, where the inputs hold none."""
        find = getattr(self.model, "get_decoder", None)
        follow = reads_target(self.model) and find and "decoder_input_ids" not in self.named
        decoder = find() if follow and find else None
        if not isinstance(decoder, torch.nn.Module):
            yield
            return

        def keep(module: torch.nn.Module, args: Any, kwargs: dict[str, Any]) -> None:
            ids = kwargs.get("input_ids", args[0] if args else None)
            if isinstance(ids, torch.Tensor) and ids.ndim == 2 and is_whole(ids):
                self.decoder_reads[:] = [ids]

        handle = decoder.register_forward_pre_hook(keep, with_kwargs=True)
        try:
            yield
        finally:
            handle.remove()

    @property
    def n_tokens(self) -> int | None:
        """Return how many ids one item has, where the inputs hold ids."""
        ids = self.named.get("input_ids", self.named.get("inputs_embeds"))
        return int(ids.shape[1]) if isinstance(ids, torch.Tensor) and ids.ndim > 1 else None

    def unpadded_positions(self, stream: str, n: int) -> torch.Tensor | None:
        """Return which of n positions of a stream are no padding, or None where none is."""
        default = None if stream in ("vision", "audio", "memory") else self.unpadded.get("")
        found = self.unpadded.get(stream, default)
        if found is None or len(found) != n or bool(found.all()):
            return None
        return found

    def check_streams(self, streams: Iterable[str]) -> None:
        """Refuse tokens that the caller gave for a stream that the model does not have."""
        known = list(streams)
        for name in self.given_tokens if self.by_stream else ():
            if name not in known:
                near = nearest_name(name, known) or known[0]
                remedy = f"Use {near!r}." if any(known) else "Give the labels without a name."
                raise InputError(
                    f"tokens must be of the model's streams {', '.join(map(repr, known))}, "
                    f"got {name!r}. {remedy}",
                    code=None if any(known) else f"tokens=tokens[{name!r}]",
                )

    def tokens_of(self, stream: str, n: int) -> Tokens | None:
        """Return what stands along a stream of n positions, or None where the inputs do not say."""
        if stream in self.given_tokens:
            return self.given_tokens[stream]
        if stream == "decoder" and reads_target(self.model):
            return self._decoder_tokens(n)
        ids = self.named.get("input_ids")
        text = isinstance(ids, torch.Tensor) and ids.ndim == 2 and ids.shape[-1] == n
        if text and stream not in ("vision", "audio"):
            return self.text_tokens()
        if picture_of(self.named, self.args) is not None:
            return measured_patches(self, n)
        if any(name in self.named for name in SOUNDS) and stream in ("", "encoder", "audio"):
            return token_makers.frames(n, None if self.seconds is None else self.seconds / n)
        return None

    def text_tokens(self) -> Tokens:
        """Return the tokens of the ids that the model reads."""
        return token_makers.from_encoding(
            self.tokenizer,
            self.encoding,
            item=self.item,
            source=self.source,
            ids=self.named["input_ids"][self.item].tolist(),
        )

    def _decoder_tokens(self, n: int) -> Tokens | None:
        """Return the tokens that the decoder reads: those given, or those its model gave it."""
        given = self.named.get("decoder_input_ids")
        ids = given if given is not None else next(iter(self.decoder_reads), None)
        if not isinstance(ids, torch.Tensor) or ids.shape[-1] != n:
            return None
        return token_makers.from_encoding(self.tokenizer, {"input_ids": ids}, item=self.item)


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
) -> ModelCall:
    """Return how to call the model on these inputs; arguments as in `capture`."""
    if isinstance(inputs, str):
        raise InputError(
            "inputs must be what the model is called with, got a text. "
            "Use ModelRunner(model, tokenizer)."
        )
    args: tuple[Any, ...] = ()
    kwargs: dict[str, Any] = {}
    if hasattr(inputs, "keys"):
        named = {name: inputs[name] for name in inputs}
        if takes_one_mapping(model, named):
            args = (copy.copy(inputs),)  # some models add to it
        elif takes_positions_only(model):
            args = tuple(named.values())
        else:
            kwargs = fitted(model, named)
    else:
        args = tuple(inputs) if isinstance(inputs, tuple | list) else (inputs,)
        named = name_arguments(model, args) or {}
    tensors = [value for value in (*named.values(), *args) if isinstance(value, torch.Tensor)]
    if not tensors:
        raise InputError(
            f"inputs must hold at least one tensor, got {type(inputs).__name__}. "
            "Use return_tensors='pt'."
        )
    batch = _batch(named)
    remedy = "Choose an item of the batch that exists."
    if batch is not None:
        item = check_index("item", item, batch, remedy, negative=False)
    elif item < 0:
        raise InputError(f"item must be 0 or more, got {item}. {remedy}")
    return ModelCall(
        model=model,
        # A tensor given without a name is passed without one: a user's hook may expect it there.
        args=args,
        kwargs=kwargs,
        named=_with_ids(named, args),
        encoding=inputs if hasattr(inputs, "keys") else named,
        batch=batch,
        likely_batch=batch or _first_axis(tensors),
        item=item,
        window=window,
        unpadded=_unpadded(model, named, item),
        given_tokens=_given_tokens(tokens),
        by_stream=isinstance(tokens, Mapping),
        tokenizer=tokenizer,
        source=source,
        seconds=seconds,
    )


def _with_ids(named: Mapping[str, Any], args: Sequence[Any]) -> Mapping[str, Any]:
    """Return inputs with the ids under ``input_ids``: the only whole numbers (item, token)."""
    if any(name in named for name in (*IDS, *PICTURES, *SOUNDS, "inputs_embeds")):
        return named
    values = [*named.values()] or args
    found = [v for v in values if isinstance(v, torch.Tensor) and v.ndim == 2 and is_whole(v)]
    return {**named, "input_ids": found[0]} if len(found) == 1 else named


def _batch(named: Mapping[str, Any]) -> int | None:
    """Return the number of items, where an argument says it."""
    for name in (*IDS, *PICTURES, *SOUNDS, "inputs_embeds", "attention_mask"):
        value = named.get(name)
        if isinstance(value, torch.Tensor):
            return int(value.shape[0])
    return None


def _first_axis(tensors: Sequence[torch.Tensor]) -> int | None:
    """Return the length of the first axis of inputs that have several, where all agree."""
    lengths = {len(tensor) for tensor in tensors if tensor.ndim > 2}
    return lengths.pop() if len(lengths) == 1 else None


def _unpadded(
    model: torch.nn.Module, named: Mapping[str, Any], item: int
) -> dict[str, torch.Tensor]:
    """Return the positions of each stream that are no padding, as far as the masks say it."""
    found: dict[str, torch.Tensor] = {}
    mask = named.get("attention_mask")
    if isinstance(mask, torch.Tensor) and mask.ndim == 2:
        both = ("encoder", "memory")
        streams = both if reads_target(model) else ("", "text", *both)
        found |= dict.fromkeys(streams, mask[item] != 0)
    mask = named.get("decoder_attention_mask")
    if isinstance(mask, torch.Tensor) and mask.ndim == 2:
        found["decoder"] = mask[item] != 0
    return found


def _given_tokens(tokens: Any) -> dict[str, Tokens]:
    """Return the tokens that the caller gave, by stream."""
    if tokens is None:
        return {}
    if isinstance(tokens, str):
        raise InputError(
            f"tokens must be one label per position, got the text {tokens!r}. "
            "Give a list of labels."
        )
    if isinstance(tokens, Mapping):
        return {stream: _as_tokens(value) for stream, value in tokens.items()}
    return dict.fromkeys(("", "encoder", "text"), _as_tokens(tokens))


def _as_tokens(value: Any) -> Tokens:
    """Return labels as tokens; tokens unchanged."""
    return value if isinstance(value, Tokens) else token_makers.labels(value)
