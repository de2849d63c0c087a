"""Fused attentions of PyTorch: they cannot be traced, so they are recorded from their arguments.

`scaled_dot_product_attention` takes queries, keys, values and a mask;
`multi_head_attention_forward` takes the states and the projection matrices. Both run unchanged;
their weights are computed in addition where they are kept.
"""

from __future__ import annotations

import inspect
from typing import Any

import torch
from torch.nn import functional

from attn_widget.recording.softmax import plain_weights
from attn_widget.recording.tracing.attention_call import AttentionCall
from attn_widget.recording.tracing.depth import depth_of, set_depth
from attn_widget.recording.tracing.intervention import Intervention
from attn_widget.recording.tracing.recorder import Recorder
from attn_widget.recording.tracing.score_tracking import (
    ScoresTag,
    split_heads,
    tag_of,
)

_SDPA = ("query", "key", "value", "attn_mask", "dropout_p", "is_causal", "scale", "enable_gqa")
_MULTI_HEAD = tuple(inspect.signature(functional.multi_head_attention_forward).parameters)


def _bound(names: tuple[str, ...], args: Any, kwargs: Any) -> dict[str, Any]:
    """Return arguments by name."""
    return dict(zip(names, args, strict=False)) | kwargs


def dot_product(
    recorder: Recorder,
    intervention: Intervention,
    func: Any,
    args: Any,
    kwargs: Any,
) -> Any:
    """Run `scaled_dot_product_attention` and call its arguments."""
    given = _bound(_SDPA, args, kwargs)
    q, k, v = given["query"], given["key"], given["value"]
    with recorder.paused():
        lead = tuple(q.shape[:-2])
        items, heads = split_heads(tuple(q.shape), recorder.items.likely)
        # Grouped keys keep their own number of heads.
        key_heads = heads if k.ndim < 4 else k[0].numel() // (k.shape[-1] * k.shape[-2])
        mask = given.get("attn_mask")
        call = AttentionCall(
            name=recorder.name_of(),
            shape=(items, heads, q.shape[-2], k.shape[-2]),
            dtype=q.dtype,
            cross=recorder.stack.is_cross(),
            depth=max(map(depth_of, (q, k, v))),
            lead=lead,
            unsure=not recorder.items.are_first(lead),
            q=q.reshape(items, heads, *q.shape[-2:]),
            k=k.reshape(k.shape[0] if k.ndim > 3 else items, key_heads, *k.shape[-2:]),
            v=v.reshape(v.shape[0] if v.ndim > 3 else items, key_heads, *v.shape[-2:]),
            scaling=float(given["scale"])
            if given.get("scale") is not None
            else q.shape[-1] ** -0.5,
            mask=None if mask is None else _mask_four(mask, items, heads),
            bias_kind="content" if isinstance(tag_of(mask), ScoresTag) else None,
            causal=bool(given.get("is_causal", False)),
        )
        output = func(*args, **kwargs)
        mixed = _keep_weights(recorder, call)
        if mixed is not None:
            output = mixed.reshape(output.shape)
        if intervention.applies_to(call):
            four = output.reshape(*call.shape[:3], -1)
            output = intervention.replace(call, four, call.v).reshape(output.shape)
    recorder.add(call, output)
    return output


def multi_head(
    recorder: Recorder,
    intervention: Intervention,
    func: Any,
    args: Any,
    kwargs: Any,
) -> Any:
    """Run `multi_head_attention_forward` and call what it computes inside."""
    given = _bound(_MULTI_HEAD, args, kwargs)
    with recorder.paused():
        call = _multi_head_call(given)
        call.name, call.cross = recorder.name_of(), recorder.stack.is_cross()
        call.lead = call.shape[:2]
        call.unsure = recorder.items.has_other(call.shape[0])
        call.depth = max(depth_of(given[name]) for name in ("query", "key", "value"))
        output, averaged = func(*args, **kwargs)
        mixed = _keep_weights(recorder, call)
        if intervention.applies_to(call):
            mixed = intervention.replace(call, plain_weights(call) @ call.v, call.v)
        if mixed is not None:
            merged = mixed.transpose(1, 2).flatten(2)
            merged = functional.linear(merged, given["out_proj_weight"], given["out_proj_bias"])
            output = merged.transpose(0, 1).reshape(output.shape)
    recorder.add(call)
    set_depth(output, call.depth + 1)
    return output, averaged


def _keep_weights(recorder: Recorder, call: AttentionCall) -> torch.Tensor | None:
    """Compute weights where they are kept, and the output from them where a graph is wanted."""
    if recorder.keep_graph:
        call.graph_weights = plain_weights(call)[0]
        return call.graph_weights[None] @ call.v.repeat_interleave(
            call.shape[1] // call.v.shape[1], 1
        )
    if recorder.keeps(call.shape, call.q.element_size()):
        call.weights = plain_weights(call)
    return None


def _multi_head_call(given: dict[str, Any]) -> AttentionCall:
    """Return a multi-head attention as a call, in axes ``(batch, head, token, channel)``."""
    query, key, value = given["query"], given["key"], given["value"]
    if query.ndim == 2:
        query, key, value = query[:, None], key[:, None], value[:, None]
    heads = given["num_heads"]
    biases = (None,) * 3 if given["in_proj_bias"] is None else given["in_proj_bias"].chunk(3)
    if given.get("use_separate_proj_weight"):
        matrices = [given[f"{name}_proj_weight"] for name in "qkv"]
    else:
        matrices = given["in_proj_weight"].chunk(3)
    q, k, v = (
        functional.linear(x, m, b)
        for x, m, b in zip((query, key, value), matrices, biases, strict=True)
    )
    extra = 0
    if given.get("bias_k") is not None:
        n = k.shape[1]
        k, v = (
            torch.cat([k, given["bias_k"].expand(1, n, -1)]),
            torch.cat([v, given["bias_v"].expand(1, n, -1)]),
        )
        extra += 1
    if given.get("add_zero_attn"):
        k, v = (torch.cat([t, torch.zeros_like(t[:1])]) for t in (k, v))
        extra += 1

    def four(tensor: torch.Tensor) -> torch.Tensor:
        return tensor.reshape(tensor.shape[0], tensor.shape[1], heads, -1).permute(1, 2, 0, 3)

    q, k, v = four(q), four(k), four(v)
    shape = (q.shape[0], heads, q.shape[2], k.shape[2])
    mask = _multi_head_mask(given, shape, q.dtype, extra)
    return AttentionCall(
        name="", shape=shape, dtype=q.dtype, q=q, k=k, v=v, scaling=q.shape[-1] ** -0.5, mask=mask,
        output_projection=given["out_proj_weight"].T.detach(),
    )  # fmt: skip


def _multi_head_mask(
    given: dict[str, Any], shape: tuple[int, ...], dtype: torch.dtype, extra: int
) -> Any:
    """Return both masks of a multi-head attention as one additive mask; True means masked."""
    total = None
    padding, mask = given.get("key_padding_mask"), given.get("attn_mask")
    if padding is not None:
        padding = padding.reshape(shape[0], 1, 1, -1)
    if mask is not None:
        mask = (
            mask[None, None]
            if mask.ndim == 2
            else mask.reshape(shape[0], shape[1], *mask.shape[-2:])
        )
    for term in (padding, mask):
        if term is None:
            continue
        if term.dtype == torch.bool:
            term = torch.zeros_like(term, dtype=dtype).masked_fill(term, torch.finfo(dtype).min)
        term = functional.pad(term, (0, extra))
        total = term if total is None else (total + term).clamp(min=torch.finfo(dtype).min)
    return total


def _mask_four(mask: torch.Tensor, items: int, heads: int) -> torch.Tensor:
    """Return a mask with the axes ``(batch, head, query, key)``."""
    if mask.ndim == 3:
        return mask.reshape(items, -1, *mask.shape[-2:]) if mask.shape[0] > 1 else mask[None]
    if mask.ndim > 4:
        return mask.expand(*mask.shape).reshape(mask.shape[0], -1, *mask.shape[-2:])
    while mask.ndim < 4:
        mask = mask[None]
    return mask
