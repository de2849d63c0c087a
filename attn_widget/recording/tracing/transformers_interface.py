"""Route 1: the attention interface of transformers, with the model's own mathematics and its own masks.

Attention modules that route look their function up by the name in their configuration. For the length of
one capture that name is ours; it stands for the same masks as before, and our function notes queries, keys
and all that is added to their product, then lets the family's own code compute. Three traps shape this file:

- A name without a *mask* function of the same name gives causal models no mask at all, so both are registered.
- Some families compare the name with a literal ("sdpa"). Where they would then take another branch, their
  configuration is left alone and route 2 sees them.
- The registries are global: another thread that uses the model meanwhile reaches our function too. It finds no
  recorder in its own context and gets the implementation that was configured, unrecorded.
"""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from typing import Any

import torch

from attn_widget.recording.softmax import BLOCK_BYTES, additive, plain_weights, triangle
from attn_widget.recording.tracing.attention_call import Record, Recorder
from attn_widget.recording.tracing.module_lookup import (
    configs_of,
    eager_of,
    has_sdpa,
    interface_of,
    literals,
    routes,
)

PREFIX = "attn_widget_"
ACTIVE: ContextVar[Recorder | None] = ContextVar("attn_widget_recorder", default=None)


@contextlib.contextmanager
def routed(model: torch.nn.Module, recorder: Recorder) -> Iterator[None]:
    """Record every routed attention inside; every configuration is as before when it ends."""
    if not any(routes(module) for module in model.modules()):
        yield
        return
    from transformers import AttentionInterface, AttentionMaskInterface

    token = ACTIVE.set(recorder)
    saved: list[tuple[Any, str]] = []
    try:
        for config in configs_of(model):
            original = config._attn_implementation
            if (
                original is None
                or original.startswith(PREFIX)
                or original in literals(model, config)
            ):
                continue
            # Flash and flex kernels never form a score that could be noted; scaled dot-product attention stands in.
            original = "eager" if original == "eager" or not has_sdpa(model, config) else "sdpa"
            # Registered once and left there: a thread may be inside a forward that began under this name.
            AttentionInterface.register(PREFIX + original, _stand_in(original))
            AttentionMaskInterface.register(
                PREFIX + original, AttentionMaskInterface._global_mapping[original]
            )
            saved.append((config, config._attn_implementation_internal))
            config._attn_implementation_internal = PREFIX + original
        yield
    finally:
        for config, name in saved:
            config._attn_implementation_internal = name
        ACTIVE.reset(token)


def _stand_in(original: str) -> Callable[..., Any]:
    """Return the function that stands in for one implementation."""

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
        recorder = ACTIVE.get()
        if recorder is None or query.ndim != 4:
            return configured(module, query, key, value, attention_mask, *args, **kwargs)
        if args:  # a few families pass scaling by position
            named = (
                inspect.signature(eager)
                .bind_partial(module, query, key, value, attention_mask, *args)
                .arguments
            )
            kwargs.update(dict(list(named.items())[5:]))
        with recorder.inside():
            qkv = (query, key, value)
            record, output, weights = _record(
                recorder, module, original, eager, configured, qkv, attention_mask, kwargs
            )
            if recorder.replaces(record):
                heads_first = recorder.replaced(record, output.transpose(1, 2), value)
                output = heads_first.transpose(1, 2).contiguous()
            recorder.add(record, output)
            return output, weights

    return attention


def _record(
    recorder: Recorder,
    module: Any,
    original: str,
    eager: Callable[..., Any],
    configured: Callable[..., Any],
    qkv: tuple[Any, Any, Any],
    mask: Any,
    kwargs: dict[str, Any],
) -> tuple[Record, Any, Any]:
    """Compute one call as the family does, and return it with its record, its output and its weights."""
    query, key, value = qkv
    n_queries, n_keys = query.shape[2], key.shape[2]
    causal = False
    if original == "sdpa" and mask is None and n_queries > 1:
        causal = kwargs.get("is_causal")
        causal = bool(getattr(module, "is_causal", True) if causal is None else causal)
    scaling = kwargs.get("scaling")
    record = Record(
        name=recorder.name_of(module),
        shape=(query.shape[0], query.shape[1], n_queries, n_keys),
        dtype=query.dtype,
        cross=recorder.is_cross(module),
        q=query,
        k=key,
        v=value,
        scaling=query.shape[-1] ** -0.5 if scaling is None else float(scaling),
        mask=None if mask is None else mask[..., :n_keys],
        causal=causal,
        bias=kwargs.get("position_bias"),
        bias_kind=None if kwargs.get("position_bias") is None else "position",
        softcap=kwargs.get("softcap"),
        sinks=_sinks(module, eager, kwargs),
    )
    keeps = recorder.keeps(record.shape, query.element_size())
    own_mask = mask
    if mask is not None and mask.dtype == torch.bool:
        own_mask = additive(mask, query.dtype)
    elif causal and keeps:
        own_mask = additive(
            triangle(torch.arange(n_queries, device=query.device), n_keys)[None, None], query.dtype
        )
    agrees = original == "eager" or recorder.once(
        (type(module), "agrees"),
        lambda: _paths_agree(module, eager, configured, qkv, mask, own_mask, kwargs),
    )
    if not agrees:  # what the configured path ignores was no part of this forward pass
        record.softcap = record.sinks = None
        weights = plain_weights(record) if keeps else None
        output, nothing = configured(module, query, key, value, mask, **kwargs)
        if recorder.keep_graph:
            record.kept, output = recorder.graph(record, weights, value, output)
        else:
            record.weights = weights
        return record, output, nothing
    if recorder.once(
        type(module), lambda: _family_differs(record, module, eager, qkv, own_mask, kwargs)
    ):
        record.rows_of = _family_rows(module, eager, qkv, own_mask, kwargs)
    if keeps:
        output, weights = eager(module, query, key, value, own_mask, **kwargs)
        if weights is None or tuple(weights.shape) != record.shape:
            weights = plain_weights(record)
        if recorder.keep_graph:
            record.kept, output = recorder.graph(record, weights, value, output)
        else:
            record.weights = weights
    elif original == "eager":
        output, weights = _in_rows(module, eager, qkv, own_mask, kwargs), None
    else:
        output, weights = configured(module, query, key, value, mask, **kwargs)
    return record, output, weights


def _paths_agree(
    module: Any,
    eager: Callable[..., Any],
    configured: Callable[..., Any],
    qkv: tuple[Any, Any, Any],
    mask: Any,
    own_mask: Any,
    kwargs: dict[str, Any],
) -> bool:
    """Return whether the family's eager code computes what its configured code does, asked on the last row."""
    last = slice(qkv[0].shape[2] - 1, None)
    own_mask = _open_mask(qkv) if own_mask is None and kwargs.get("is_causal", True) else own_mask
    with torch.no_grad():
        ours = _call_rows(module, eager, qkv, own_mask, kwargs, last)[0]
        theirs = _call_rows(module, configured, qkv, mask, kwargs | {"is_causal": False}, last)[0]
    tolerance = 1e-3 if ours.dtype == torch.float32 else 5e-2
    return torch.allclose(ours, theirs, atol=tolerance, rtol=tolerance)


def _family_differs(
    record: Record,
    module: Any,
    eager: Callable[..., Any],
    qkv: tuple[Any, Any, Any],
    mask: Any,
    kwargs: dict[str, Any],
) -> bool:
    """Return whether the family's own weights are other than the plain formula gives, asked on the last row."""
    last = slice(record.shape[2] - 1, None)
    mask = _open_mask(qkv) if mask is None and record.causal else mask
    with torch.no_grad():
        weights = _call_rows(module, eager, qkv, mask, kwargs, last)[1]
        if weights is None or weights.shape != (*record.shape[:2], 1, record.shape[3]):
            return False
        try:
            plain = plain_weights(record, last)
        except (
            RuntimeError
        ):  # its sinks or biases are of a shape that the plain formula does not know
            record.sinks = None
            return True
    tolerance = 1e-5 if record.dtype == torch.float32 else 2e-2
    return not torch.allclose(weights, plain, atol=tolerance, rtol=0)


def _open_mask(qkv: tuple[Any, Any, Any]) -> torch.Tensor:
    """Return the mask of the last row of a causal attention, which sees every key; some families need one."""
    query, key, _ = qkv
    return query.new_zeros(1, 1, 1, key.shape[2])


def _in_rows(
    module: Any,
    eager: Callable[..., Any],
    qkv: tuple[Any, Any, Any],
    mask: Any,
    kwargs: dict[str, Any],
) -> torch.Tensor:
    """Return the family's own output, computed on blocks of query rows: no n×n tensor of all heads."""
    query, key, _ = qkv
    n_queries = query.shape[2]
    block = max(1, BLOCK_BYTES // (query.shape[0] * query.shape[1] * key.shape[2] * 4))
    parts = [
        _call_rows(module, eager, qkv, mask, kwargs, slice(start, start + block))[0]
        for start in range(0, n_queries, block)
    ]
    return parts[0] if len(parts) == 1 else torch.cat(parts, dim=1)


def _call_rows(
    module: Any,
    eager: Callable[..., Any],
    qkv: tuple[Any, Any, Any],
    mask: Any,
    kwargs: dict[str, Any],
    rows: Any,
) -> tuple[Any, Any]:
    """Return the family's output and weights for some query rows."""
    query, key, value = qkv
    n_queries, n_keys = query.shape[2], key.shape[2]

    def part(term: Any) -> Any:
        fits = isinstance(term, torch.Tensor) and term.ndim >= 3 and term.shape[-2] == n_queries
        return term[..., rows, :] if fits and term.shape[-1] in (n_keys, 1) else term

    kwargs = {name: part(value) for name, value in kwargs.items()}
    return eager(module, query[:, :, rows], key, value, part(mask), **kwargs)


def _family_rows(
    module: Any,
    eager: Callable[..., Any],
    qkv: tuple[Any, Any, Any],
    mask: Any,
    kwargs: dict[str, Any],
) -> Callable[..., Any]:
    """Return a function of rows that gives the family's own weights ``(batch, head, row, key)``."""

    def rows_of(rows: torch.Tensor) -> torch.Tensor:
        with torch.no_grad():
            return _call_rows(module, eager, qkv, mask, kwargs, rows)[1]

    return rows_of


def _sinks(module: Any, eager: Callable[..., Any], kwargs: dict[str, Any]) -> Any:
    """Return the scores of the sinks, one a head, if this family has them."""
    if kwargs.get("s_aux") is not None:
        return kwargs["s_aux"]
    return getattr(module, "sinks", None) if "sinks" in eager.__code__.co_names else None
