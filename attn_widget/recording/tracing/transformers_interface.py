"""First tracer: the attention interface of transformers, with the model's own code and masks.

Attention modules look their function up by the name in their configuration. During one capture that
name is ours; it has the same masks as the configured one. Our function records queries, keys and
all that is added to their product, then lets the family's own code compute. Three traps:

- A name without a *mask* function of the same name gives causal models no mask at all, so both are
  registered.
- Some families compare the name with a literal ("sdpa"). Where that would take them to another
  branch, their configuration is left alone and `FunctionTracer` reads them.
- The registries are global: another thread that uses the model meanwhile reaches our function too.
  It finds no recorder in its own context and gets the configured implementation, unrecorded.
"""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from dataclasses import replace
from typing import Any

import torch

from attn_widget.recording.softmax import additive, plain_weights, triangle
from attn_widget.recording.tracing.attention_call import AttentionCall
from attn_widget.recording.tracing.attention_lookup import (
    compared_names,
    configs_of,
    eager_of,
    has_sdpa,
    interface_of,
    looks_up_attention,
)
from attn_widget.recording.tracing.depth import depth_of
from attn_widget.recording.tracing.family_call import FamilyCall
from attn_widget.recording.tracing.intervention import Intervention
from attn_widget.recording.tracing.recorder import Recorder

PREFIX = "attn_widget_"
ACTIVE: ContextVar[tuple[Recorder, Intervention] | None] = ContextVar(
    "attn_widget_tracing", default=None
)


@contextlib.contextmanager
def trace_interface(
    model: torch.nn.Module, recorder: Recorder, intervention: Intervention
) -> Iterator[None]:
    """Record every attention that is looked up by name; afterwards every config is as before."""
    if not any(looks_up_attention(module) for module in model.modules()):
        yield
        return
    from transformers import AttentionInterface, AttentionMaskInterface

    token = ACTIVE.set((recorder, intervention))
    saved: list[tuple[Any, str]] = []
    try:
        for config in configs_of(model):
            original = config._attn_implementation
            if (
                original is None
                or original.startswith(PREFIX)
                or original in compared_names(model, config)
            ):
                continue
            original = _traceable(original, model, config)
            # Never unregistered: a thread may be inside a forward that began under this name.
            name = PREFIX + original
            masks: Any = AttentionMaskInterface
            AttentionInterface.register(name, _recording_function(original))
            masks.register(name, masks._global_mapping[original])
            saved.append((config, config._attn_implementation_internal))
            config._attn_implementation_internal = name
        yield
    finally:
        for config, name in saved:
            config._attn_implementation_internal = name
        ACTIVE.reset(token)


def _traceable(name: str, model: torch.nn.Module, config: Any) -> str:
    """Return the implementation that runs while recording.

    The flash, flex and paged kernels of transformers compute the same attention as sdpa and form no
    scores that could be recorded. A function that a user registered may compute anything: it stays.
    """
    from transformers import AttentionInterface, AttentionMaskInterface

    built_in = getattr(AttentionInterface, "_global_mapping", {}).get(name)
    masks: Any = AttentionMaskInterface
    if built_in is not None and not built_in.__module__.startswith("transformers."):
        return name if name in masks._global_mapping else "eager"
    return "eager" if name == "eager" or not has_sdpa(model, config) else "sdpa"


def _recording_function(original: str) -> Callable[..., Any]:
    """Return the function that records in place of one implementation."""

    def attention(
        module: Any,
        query: Any,
        key: Any,
        value: Any,
        attention_mask: Any,
        *args: Any,
        **kwargs: Any,
    ) -> Any:
        eager = eager_of(module)
        configured = eager if original == "eager" else interface_of(module)[original]
        active = ACTIVE.get()
        if active is None or query.ndim != 4:
            return configured(module, query, key, value, attention_mask, *args, **kwargs)
        recorder, intervention = active
        if args:  # a few families pass scaling by position
            named = (
                inspect.signature(eager)
                .bind_partial(module, query, key, value, attention_mask, *args)
                .arguments
            )
            kwargs.update(dict(list(named.items())[5:]))
        family = FamilyCall(module, query, key, value, kwargs, eager, configured)
        with recorder.paused():
            call, output, weights = _record(recorder, family, original, attention_mask)
            if call.q is None and call.weights is None:  # not read: it is named as missing
                return output, weights
            if intervention.applies_to(call):
                heads_first = intervention.replace(call, output.transpose(1, 2), value)
                output = heads_first.transpose(1, 2).contiguous()
            recorder.add(call, output)
            return output, weights

    return attention


def _record(
    recorder: Recorder, family: FamilyCall, original: str, mask: Any
) -> tuple[AttentionCall, Any, Any]:
    """Compute one call as the family does; return its record, its output and its weights."""
    query = family.query
    call = _described(recorder, family, original, mask)
    if original not in ("eager", "sdpa"):
        return _record_implied(recorder, family, call, mask)
    keeps = recorder.keeps(call.shape, query.element_size())
    eager_mask = mask
    if mask is not None and mask.dtype == torch.bool:
        eager_mask = additive(mask, query.dtype)
    elif call.causal and keeps:
        positions = torch.arange(call.shape[2], device=query.device)
        eager_mask = additive(triangle(positions, call.shape[3])[None, None], query.dtype)
    agrees = original == "eager" or recorder.once(
        (type(family.module), "agrees"), lambda: _paths_agree(family, mask, eager_mask)
    )
    if not agrees:  # the configured function ignores these: they are no part of this pass
        call.softcap = call.sinks = None
        weights = plain_weights(call) if keeps else None
        output, returned = family.run(family.configured, mask)
        return call, _keep(recorder, call, weights, family.value, output), returned
    if recorder.once(type(family.module), lambda: _family_differs(call, family, eager_mask)):
        call.family_rows = _family_rows(family, eager_mask)
    if keeps:
        output, weights = family.run(family.eager, eager_mask)
        if weights is None or tuple(weights.shape) != call.shape:
            weights = plain_weights(call)
        return call, _keep(recorder, call, weights, family.value, output), weights
    if original == "eager":
        return call, family.run_in_blocks(eager_mask), None
    return call, *family.run(family.configured, mask)


def _record_implied(
    recorder: Recorder, family: FamilyCall, call: AttentionCall, mask: Any
) -> tuple[AttentionCall, Any, Any]:
    """Run a function that a user registered; return the weights that it implies for these values.

    An attention is linear in its values: with the identity as values, its output is its weights.
    """
    output, returned = family.run(family.configured, mask)
    keys, heads = family.key.shape[-2], family.value.shape[1]
    one = torch.eye(keys, dtype=family.value.dtype, device=family.value.device)
    identity = one.expand(len(family.value), heads, keys, keys)
    try:
        implied = replace(family, value=identity).run(family.configured, mask)[0].transpose(1, 2)
        repeated = family.value.repeat_interleave(call.shape[1] // heads, 1)
        fits = implied.shape == call.shape and torch.allclose(
            (implied @ repeated).transpose(1, 2), output, atol=1e-4, rtol=1e-4
        )
    except RuntimeError:  # kernels that take values of as many channels as keys only
        fits = False
    if not fits or float(implied.min()) < -1e-6:
        why = "a registered attention function that implies no weights"
        recorder.mark_unreadable(call.name, why)
        return replace(call, q=None, k=None, weights=None), output, returned
    call.weights, call.altered = implied.clamp(min=0), True
    return call, _keep(recorder, call, call.weights, family.value, output), returned


def _described(recorder: Recorder, family: FamilyCall, original: str, mask: Any) -> AttentionCall:
    """Return the record of a call before it is computed."""
    query, kwargs = family.query, family.kwargs
    n_queries, n_keys = query.shape[2], family.key.shape[2]
    causal = False
    if original == "sdpa" and mask is None and n_queries > 1:
        given = kwargs.get("is_causal")
        causal = bool(getattr(family.module, "is_causal", True) if given is None else given)
    scaling, bias = kwargs.get("scaling"), kwargs.get("position_bias")
    return AttentionCall(
        name=recorder.name_of(family.module),
        shape=(query.shape[0], query.shape[1], n_queries, n_keys),
        dtype=query.dtype,
        cross=recorder.stack.is_cross(family.module),
        depth=max(map(depth_of, (query, family.key, family.value))),
        lead=tuple(query.shape[:2]),
        unsure=recorder.items.has_other(query.shape[0]),
        q=query,
        k=family.key,
        v=family.value,
        scaling=query.shape[-1] ** -0.5 if scaling is None else float(scaling),
        mask=None if mask is None else mask[..., :n_keys],
        causal=causal,
        bias=bias,
        bias_kind=None if bias is None else "position",
        softcap=kwargs.get("softcap"),
        sinks=_sinks(family),
    )


def _keep(recorder: Recorder, call: AttentionCall, weights: Any, value: Any, output: Any) -> Any:
    """Keep the weights, with their graph where one is wanted, and return the output."""
    if recorder.keep_graph:
        call.graph_weights, output = recorder.differentiable(call, weights, value, output)
    else:
        call.weights = weights
    return output


def _paths_agree(family: FamilyCall, mask: Any, eager_mask: Any) -> bool:
    """Return whether the eager function computes what the configured one does, on the last row."""
    last = slice(family.query.shape[2] - 1, None)
    if eager_mask is None and family.kwargs.get("is_causal", True):
        eager_mask = family.open_mask()
    with torch.no_grad():
        ours = family.run_rows(family.eager, eager_mask, last)[0]
        theirs = family.run_rows(family.configured, mask, last, is_causal=False)[0]
    tolerance = 1e-3 if _in_float32(ours, theirs) else 5e-2
    return torch.allclose(ours.float(), theirs.float(), atol=tolerance, rtol=tolerance)


def _family_differs(call: AttentionCall, family: FamilyCall, mask: Any) -> bool:
    """Return whether the plain formula gives other weights than the family, on the last row."""
    last = slice(call.shape[2] - 1, None)
    mask = family.open_mask() if mask is None and call.causal else mask
    with torch.no_grad():
        weights = family.run_rows(family.eager, mask, last)[1]
        if weights is None or weights.shape != (*call.shape[:2], 1, call.shape[3]):
            return False
        try:
            plain = plain_weights(call, last)
        except RuntimeError:  # sinks or biases of a shape that the plain formula does not know
            call.sinks = None
            return True
    tolerance = 1e-5 if _in_float32(call.q, weights, plain) else 2e-2
    return not torch.allclose(weights.float(), plain.float(), atol=tolerance, rtol=0)


def _in_float32(*tensors: torch.Tensor) -> bool:
    """Return whether these were computed in full precision: automatic casting lowers products."""
    cast = torch.is_autocast_enabled(tensors[0].device.type)
    return not cast and all(t.dtype in (torch.float32, torch.float64) for t in tensors)


def _family_rows(family: FamilyCall, mask: Any) -> Callable[..., Any]:
    """Return a function of rows that gives the family's weights ``(batch, head, row, key)``."""

    def rows_of(rows: torch.Tensor) -> torch.Tensor:
        with torch.no_grad():
            return family.run_rows(family.eager, mask, rows)[1]

    return rows_of


def _sinks(family: FamilyCall) -> Any:
    """Return the sink logits, one a head, where this family has them."""
    if family.kwargs.get("s_aux") is not None:
        return family.kwargs["s_aux"]
    uses = "sinks" in family.eager.__code__.co_names
    return getattr(family.module, "sinks", None) if uses else None
