"""Records of a whole batch -> the `Capture` of one item: padding dropped, streams named, tokens put along the axes."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch

from attn_widget.errors import InputError
from attn_widget.recording.building.streams import answering, streams_of
from attn_widget.recording.inputs import tokens as token_makers
from attn_widget.recording.softmax import MASKED_BELOW, recompute, triangle
from attn_widget.recording.tracing.attention_call import Record
from attn_widget.records import Capture, LayerAttention, Tokens

LOGITS_BYTES = 64 * 2**20


@dataclasses.dataclass
class Input:
    """What went into the model, as far as assembling needs it."""

    batch: int | None = None  # items, where the inputs say
    item: int = 0
    window: int = 0
    real: dict[str, torch.Tensor] = dataclasses.field(
        default_factory=dict
    )  # stream -> (position,) True where real
    make_tokens: Callable[[str, int], Tokens | None] = lambda stream, n: None
    given: Mapping[str, Tokens] = dataclasses.field(default_factory=dict)


def assemble(
    records: Sequence[Record],
    given: Input,
    *,
    model_name: str = "",
    logits: Any = None,
    image: Any = None,
    missing: Sequence[str] = (),
) -> Capture:
    """Return the capture of one item from the records of the batch."""
    streams = streams_of(records)
    layers: list[LayerAttention] = []
    counts: dict[tuple[str, str], int] = {}
    keys_of: dict[str, str] = {}
    lengths: dict[str, tuple[int, Any]] = {}
    masks: dict[Any, Any] = {}
    for record, stream in zip(records, streams, strict=True):
        square = record.shape[2] == record.shape[3]
        kind = "cross" if record.cross or not square else "self"
        real_q = _real(given, stream, record.shape[2])
        real_k = real_q
        if kind == "cross":
            other = answering(record, stream, streams, records)
            real_k = _real(given, other, record.shape[3])
            keys_of.setdefault(stream, other)
            lengths.setdefault(other, (record.shape[3], real_k))
        lengths[stream] = (record.shape[2], real_q)
        layer = counts.get((stream, kind), 0)
        counts[stream, kind] = layer + 1
        layers.append(_layer(record, given, kind, stream, layer, real_q, real_k, masks))
    tokens = {stream: _tokens(given, stream, n, real) for stream, (n, real) in lengths.items()}
    return Capture(
        layers=tuple(layers),
        streams=tokens,
        cross_streams=keys_of,
        model_name=model_name,
        dtype=str(records[0].dtype).removeprefix("torch."),
        image=image,
        logits=_logits(logits, given, lengths),
        missing=tuple(missing),
        answers=isinstance(logits, torch.Tensor) and logits.ndim in (2, 3),
    )


def _layer(
    record: Record,
    given: Input,
    kind: str,
    stream: str,
    layer: int,
    real_q: Any,
    real_k: Any,
    masks: dict[Any, Any],
) -> LayerAttention:
    """Return one record as the attention of one item, without its padding."""
    row = _row_of(record, given)

    def pick(tensor: Any, real: Any) -> Any:
        """Choose the item and the real positions of a (batch, head, token, channel) tensor."""
        if tensor is None:
            return None
        shared = tensor.shape[0] == 1
        chosen = tensor[0 if shared else row]
        if real is not None:
            return chosen[:, real]
        # A slice would keep the whole batch alive.
        return chosen if shared or tensor.requires_grad else chosen.clone()

    def crop(term: Any) -> Any:
        """Choose the item and the real rows and columns of a mask, bias or weights."""
        if term is None:
            return None
        while term.ndim < 4:
            term = term[None]
        chosen = term[row if term.shape[0] > 1 else 0]
        if real_q is not None and chosen.shape[-2] > 1:
            chosen = chosen[:, real_q]
        if real_k is not None:
            chosen = chosen[..., real_k]
        return chosen if term.shape[0] == 1 or term.requires_grad else chosen.clone()

    allowed, mask_bias, causal = None, None, record.causal
    if record.mask is not None:
        # Layers share one mask: what it says is read once, and kept once.
        place = (
            record.mask.data_ptr(),
            record.mask.shape,
            record.mask.stride(),
            id(real_q),
            id(real_k),
        )
        if place not in masks:
            masks[place] = _split(crop(record.mask))
        allowed, mask_bias, causal = masks[place]
    bias = crop(record.bias)
    if mask_bias is not None:
        bias = mask_bias if bias is None else bias + mask_bias
    weights = record.kept if record.kept is not None else crop(record.weights)
    q, k = pick(record.q, real_q), pick(record.k, real_k)
    redo = (
        recompute
        if record.rows_of is None
        else _family_recompute(record.rows_of, row, real_q, real_k)
    )
    heads = record.shape[1]
    return LayerAttention(
        name=record.name,
        kind=kind,
        stream=stream,
        layer=layer,
        n_heads=heads,
        n_queries=record.shape[2] if real_q is None else int(real_q.sum()),
        n_keys=record.shape[3] if real_k is None else int(real_k.sum()),
        weights=weights,
        q=q,
        k=k,
        v=pick(record.v, real_k),
        scaling=record.scaling,
        mask=allowed,
        causal=causal,
        bias=bias,
        bias_kind=(record.bias_kind or "position") if bias is not None else None,
        softcap=record.softcap,
        sinks=None if record.sinks is None else record.sinks.reshape(-1),
        window=record.window,
        output_projection=_projection(record, heads),
        recompute=redo if q is not None and k is not None and not record.altered else None,
        row_tolerance=1e-4 if record.dtype in (torch.float32, torch.float64) else 2e-2,
    )


def _split(mask: torch.Tensor) -> tuple[Any, Any, bool]:
    """Return a mask as (allowed or None, what it adds where allowed or None, whether it is the plain triangle)."""
    bias = None
    if mask.dtype != torch.bool:
        allowed = mask > MASKED_BELOW
        added = mask.masked_fill(~allowed, 0.0)
        bias = added if bool(added.any()) else None
    else:
        allowed = mask
    if bool(allowed.all()):
        return None, bias, False
    n_queries, n_keys = allowed.shape[-2:]
    if n_queries == n_keys and allowed.shape[0] == 1:
        plain = triangle(torch.arange(n_queries, device=allowed.device), n_keys)
        if bool((allowed[0] == plain).all()):
            return None, bias, True
    return allowed, bias, False


def _row_of(record: Record, given: Input) -> int:
    """Return the place of the chosen item (and window) along the record's batch axis."""
    rows = record.shape[0]
    batch = given.batch or rows
    if given.batch is None and 1 < rows <= given.item:
        raise InputError(
            f"item must be 0 to {rows - 1}, got {given.item} at {record.name}. Choose an item of the batch that exists."
        )
    if rows == 1 or rows % batch:
        return 0
    windows = rows // batch
    if given.window >= windows:
        if windows == 1:
            return given.item
        raise InputError(
            f"window must be 0 to {windows - 1}, got {given.window} at {record.name}. Choose a window that exists."
        )
    return given.item * windows + given.window


def _real(given: Input, stream: str, n: int) -> Any:
    """Return which positions of a stream are no padding, or None where all are real."""
    real = given.real.get(
        stream, given.real.get("") if stream not in ("vision", "audio", "memory") else None
    )
    if real is None or len(real) != n or bool(real.all()):
        return None
    return real


def _tokens(given: Input, stream: str, n: int, real: Any) -> Tokens:
    """Return what stands along a stream's axis, padding dropped."""
    found = given.given.get(stream)
    if found is None:
        found = given.make_tokens(stream, n)
    n_real = n if real is None else int(real.sum())
    if found is None:
        return token_makers.positions(n_real)
    if len(found) == n and real is not None:
        return select(found, real.nonzero().flatten().tolist())
    if len(found) != n_real:
        where = f" in the {stream} stream" if stream else ""
        raise InputError(
            f"tokens must be as many as the model saw positions, got {len(found)} for {n_real}{where}. "
            f"Give {n_real} tokens or leave them out."
        )
    return found


def select(tokens: Tokens, kept: Sequence[int]) -> Tokens:
    """Return the tokens at the kept positions, every mark with them."""

    def some(values: Any) -> Any:
        return tuple(values[i] for i in kept) if values else values

    marks = {
        name: some(getattr(tokens, name))
        for name in ("text", "ids", "special", "words", "segments", "spans")
    }
    return dataclasses.replace(tokens, **marks)


def _projection(record: Record, heads: int) -> Any:
    """Return the output projection as ``(head, channel, model channel)``."""
    if record.projection is None or record.projection.shape[0] % heads:
        return None
    return record.projection.reshape(heads, -1, record.projection.shape[1])


def _family_recompute(
    rows_of: Callable[..., Any], row: int, real_q: Any, real_k: Any
) -> Callable[..., Any]:
    """Return a recompute function that asks the family's own code, for what the plain formula does not cover."""

    def again(layer: Any, heads: Sequence[int] | None, rows: Sequence[int] | None) -> Any:
        positions = list(range(layer.n_queries)) if rows is None else list(rows)
        if real_q is not None:
            places = real_q.nonzero().flatten().tolist()
            positions = [places[p] for p in positions]
        weights = rows_of(torch.as_tensor(positions))[row]
        weights = weights if real_k is None else weights[..., real_k]
        return weights if heads is None else weights[list(heads)]

    return again


def _logits(logits: Any, given: Input, lengths: Mapping[str, tuple[int, Any]]) -> Any:
    """Return the item's logits, its padding dropped: ``(query, class)`` or ``(class,)``; None where they are huge."""
    if not isinstance(logits, torch.Tensor) or logits.ndim not in (2, 3):
        return None
    chosen = logits[min(given.item, len(logits) - 1)]
    if len(logits) > 1 and not chosen.requires_grad:
        chosen = chosen.clone()  # a slice would keep the whole batch alive
    # A vocabulary times a long text would outweigh all that was recorded.
    if chosen.numel() * chosen.element_size() > LOGITS_BYTES and not chosen.requires_grad:
        return None
    for n, real in reversed(list(lengths.values())):
        if real is not None and chosen.ndim == 2 and chosen.shape[0] == n:
            return chosen[real]
    return chosen
