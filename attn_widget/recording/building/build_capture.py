"""Attention calls of a batch -> the `Capture` of one item: without padding, with tokens."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch

from attn_widget.errors import InputError, NoAttentionError
from attn_widget.recording.building.joint import not_joint
from attn_widget.recording.building.layer_record import Place, layer_record
from attn_widget.recording.building.layers import Layer, layers_of
from attn_widget.recording.building.missing import no_attention
from attn_widget.recording.building.streams import key_stream, streams_of
from attn_widget.recording.inputs.model_call import ModelCall
from attn_widget.recording.inputs.tokens import positions
from attn_widget.recording.tracing.attention_call import AttentionCall
from attn_widget.records import Capture, LayerAttention, Tokens, check_index
from attn_widget.records.capture import NOTHING, part_stream
from attn_widget.records.tokens import select

# Logits beyond this are not kept: a large vocabulary times a long text would outweigh the rest.
KEPT_LOGITS_BYTES = 64 * 2**20


def build_capture(
    calls: Sequence[AttentionCall],
    model_call: ModelCall,
    *,
    model_name: str = "",
    logits: Any = None,
    image: Any = None,
    missing: Mapping[str, str] = NOTHING,
) -> Capture:
    """Return the capture of one item from the attention calls of the batch."""
    layers = layers_of(calls, model_call.batch, model_call.n_tokens)
    unread = {**missing, **layers.missing}
    if not layers.layers:
        raise NoAttentionError(no_attention(model_name, unread))
    streams = streams_of(layers.layers)
    records: list[LayerAttention] = []
    counts: dict[tuple[str, str], int] = {}
    keys_of: dict[str, str] = {}
    lengths: dict[str, tuple[int, Any]] = {}
    groups: dict[tuple[str, str], list[Layer]] = {}
    masks: dict[Any, Any] = {}
    for layer, stream in zip(layers.layers, streams, strict=True):
        kind = _kind(layer)
        place = counts.get((stream, kind), 0)
        counts[stream, kind] = place + 1
        groups.setdefault((stream, kind), []).append(layer)
        if kind == "cross":
            keys_of.setdefault(stream, key_stream(layer, stream, streams, layers.layers))
        for part, (call, window) in enumerate(
            (call, window) for call in layer.calls for window in range(layer.windows)
        ):
            own = part_stream(stream, part)
            real_q = _unpadded(model_call, layer, stream, call.shape[2])
            real_k = real_q
            if kind == "cross":
                other = keys_of[stream]
                real_k = _unpadded(model_call, layer, other, call.shape[3])
                lengths.setdefault(part_stream(other, part), (call.shape[3], real_k))
            lengths.setdefault(own, (call.shape[2], real_q))
            where = Place(kind, stream, place, part, layer.n_parts, real_q, real_k)
            row = _row_of(call, model_call, layer.windows, window)
            records.append(layer_record(call, row, where, masks))
    model_call.check_streams(lengths)
    several = {s for s, found in zip(streams, layers.layers, strict=True) if found.n_parts > 1}
    tokens = {
        stream: _tokens(model_call, stream, n, real, several)
        for stream, (n, real) in lengths.items()
    }
    capture = Capture(
        layers=tuple(records),
        streams=tokens,
        cross_streams=keys_of,
        model_name=model_name,
        dtype=str(calls[0].dtype).removeprefix("torch."),
        image=image,
        logits=_logits(logits, model_call.item, lengths),
        missing=tuple(unread),
        answers=isinstance(logits, torch.Tensor) and logits.ndim in (2, 3),
        part_words=_part_words(streams, layers.layers, model_call),
    )
    reasons = {
        name: not_joint(
            found,
            [one for one in layers.layers if one.stack == found[0].stack and _kind(one) == kind],
            unread,
            capture.part_words.get(stream, "part"),
        )
        for name, ((stream, kind), found) in zip(capture.groups, groups.items(), strict=True)
    }
    capture = replace(capture, not_joint={name: why for name, why in reasons.items() if why})
    return _at_window(capture, model_call.window)


def _at_window(capture: Capture, window: int) -> Capture:
    """Return the capture at the window that the caller chose."""
    if not window:
        return capture
    most = max(layer.n_parts for layer in capture.layers)
    remedy = "Choose a window that exists."
    return capture.at_part(check_index("window", window, most, remedy, negative=False))


def _kind(layer: Layer) -> str:
    """Return whether the queries of a layer are also its keys."""
    square = all(call.shape[2] == call.shape[3] for call in layer.calls)
    return "cross" if layer.first.cross or not square else "self"


def _part_words(
    streams: Sequence[str], layers: Sequence[Layer], model_call: ModelCall
) -> dict[str, str]:
    """Return what the parts of each stream are called."""
    grids = next((v for n, v in model_call.named.items() if n.endswith("grid_thw")), None)
    # Counts of what a part may be, by word.
    counts: dict[int, str] = {}
    if isinstance(grids, torch.Tensor):
        counts = {int(grids[:, 0].sum()): "frame", len(grids): "picture"}
    for name, pixels in model_call.named.items():
        if name.startswith("pixel_values") and isinstance(pixels, torch.Tensor) and pixels.ndim > 4:
            counts[math.prod(pixels.shape[1:-3])] = "frame" if "video" in name else "picture"
    words = {}
    for stream, layer in zip(streams, layers, strict=True):
        if layer.n_parts > 1:
            word = "window" if layer.windows > 1 else "input" if layer.passes else "part"
            words[stream] = counts.get(layer.n_parts, word)
    return words


def _unpadded(model_call: ModelCall, layer: Layer, stream: str, n: int) -> Any:
    """Return the positions of a stream that are no padding; parts have none that is known."""
    return None if layer.n_parts > 1 else model_call.unpadded_positions(stream, n)


def _row_of(call: AttentionCall, model_call: ModelCall, windows: int, window: int) -> int:
    """Return the entry of the chosen item and of a window on the first axis of a call."""
    rows = call.shape[0]
    if rows == 1:
        return 0
    items = rows // windows
    if model_call.batch is not None and items != model_call.batch:
        return 0
    remedy = "Choose an item of the batch that exists."
    item = check_index("item", model_call.item, items, remedy, negative=False, where=call.name)
    return item * windows + window


def _tokens(
    model_call: ModelCall, stream: str, n: int, real: Any, several: Collection[str]
) -> Tokens:
    """Return the tokens along a stream's axis, without padding; of parts they are numbers."""
    in_parts = any(stream == s or stream.startswith(f"{s} part ".strip()) for s in several)
    found = model_call.given_tokens.get(stream) if in_parts else model_call.tokens_of(stream, n)
    n_real = n if real is None else int(real.sum())
    if found is None:
        return positions(n_real)
    if len(found) == n and real is not None:
        return select(found, real.nonzero().flatten().tolist())
    if len(found) != n_real:
        where = f" in the {stream} stream" if stream else ""
        raise InputError(
            "tokens must be as many as the model saw positions, "
            f"got {len(found)} for {n_real}{where}. Give {n_real} tokens or leave them out."
        )
    return found


def _logits(logits: Any, item: int, lengths: Mapping[str, tuple[int, Any]]) -> Any:
    """Return the item's logits without padding, ``(query, class)`` or ``(class,)``, or None."""
    if not isinstance(logits, torch.Tensor) or logits.ndim not in (2, 3):
        return None
    chosen = logits[min(item, len(logits) - 1)]
    if chosen.numel() * chosen.element_size() > KEPT_LOGITS_BYTES and not chosen.requires_grad:
        return None
    if len(logits) > 1 and not chosen.requires_grad:
        chosen = chosen.clone()  # a slice would keep the logits of the whole batch
    for n, real in reversed(list(lengths.values())):
        if real is not None and chosen.ndim == 2 and chosen.shape[0] == n:
            return chosen[real]
    return chosen
