"""Third tracer: banded attention (Longformer, LED), as a dense matrix.

These modules hold, for each query, the weights of a band of keys around it and of a few global
keys, in columns that count from the band's edge. The dense matrix holds the same numbers: rows
still sum to 1. Queries with global attention have projections of their own, so q and k of the band
cannot give their weights: weights are kept, q and k are not. Only this file knows the layout of one
family.
"""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Iterator
from typing import Any

import torch
from jaxtyping import Float, Int

from attn_widget.recording.tracing.attention_call import AttentionCall, four_axes
from attn_widget.recording.tracing.depth import depth_of
from attn_widget.recording.tracing.intervention import Intervention
from attn_widget.recording.tracing.recorder import Recorder


def is_banded(module: torch.nn.Module) -> bool:
    """Return whether a module attends to a band of keys and a few global ones."""
    return hasattr(module, "one_sided_attn_window_size") and hasattr(module, "query_global")


@contextlib.contextmanager
def trace_banded(
    model: torch.nn.Module, recorder: Recorder, intervention: Intervention, n_tokens: int | None
) -> Iterator[None]:
    """Record every banded attention inside; the hooks are gone when it ends."""
    handles = []
    try:
        for module in filter(is_banded, model.modules()):
            hooks = _Hooks(module, recorder, intervention, n_tokens)
            handles.append(module.register_forward_pre_hook(hooks.before, with_kwargs=True))
            handles.append(module.register_forward_hook(hooks.after, with_kwargs=True))
        yield
    finally:
        for handle in handles:
            handle.remove()


def dense(
    band: Float[torch.Tensor, "query head column"],
    window: int,
    global_positions: Int[torch.Tensor, " global"],
    global_rows: Float[torch.Tensor, "head most_global key"] | None,
) -> Float[torch.Tensor, "head query query"]:
    """Return one item's weights ``(head, query, key)`` from its band and its global columns.

    Parameters
    ----------
    band
        ``(query, head, global column + 2 · window + 1)``: column ``g + j`` is the key
        ``query + j - window``.
    window
        Keys that a query sees on either side.
    global_positions
        Positions every query sees, in the order of the global columns.
    global_rows
        ``(head, global query, key)``: the rows of those positions; None where there are none.
    """
    n, heads, columns = band.shape
    n_global = columns - (2 * window + 1)
    weights = band.new_zeros(heads, n, n)
    for offset in range(-window, window + 1):
        queries = torch.arange(max(0, -offset), min(n, n - offset), device=band.device)
        weights[:, queries, queries + offset] += band[queries, :, n_global + offset + window].T
    for column, position in enumerate(global_positions.tolist()):
        weights[:, :, position] += band[:, :, column].T
    if global_rows is not None:
        for row, position in enumerate(global_positions.tolist()):
            weights[:, position] = global_rows[:, row]
    return weights


class _Hooks:
    """Make one banded module return its weights, and its caller get what it would have got."""

    def __init__(
        self,
        module: torch.nn.Module,
        recorder: Recorder,
        intervention: Intervention,
        n_tokens: int | None,
    ) -> None:
        self.recorder = recorder
        self.intervention = intervention
        self.n_tokens = n_tokens
        self.signature = inspect.signature(type(module).forward)

    def before(self, module: torch.nn.Module, args: Any, kwargs: Any) -> Any:
        """Make the module return its weights, and call nothing else inside it."""
        if not self.recorder.on_thread():
            return None
        self.recorder.suspend()
        bound = self.signature.bind(module, *args, **kwargs)
        self.wanted = bool(bound.arguments.get("output_attentions"))
        bound.arguments["output_attentions"] = True
        return bound.args[1:], bound.kwargs

    def after(self, module: Any, args: Any, kwargs: Any, output: Any) -> Any:
        """AttentionCall the weights."""
        if not self.recorder.on_thread():
            return None
        self.recorder.resume()
        given = self.signature.bind(module, *args, **kwargs).arguments
        band, rows = output[1], output[2] if len(output) > 2 else None
        items = [
            dense(
                band[i],
                module.one_sided_attn_window_size,
                given["is_index_global_attn"][i].nonzero().flatten(),
                None if rows is None else rows[i],
            )
            for i in range(len(band))
        ]
        n = min(
            self.n_tokens or band.shape[1], band.shape[1]
        )  # what was padded to whole windows is cut off again
        weights = torch.stack(items)[:, :, :n, :n]
        call = AttentionCall(
            self.recorder.name_of(module),
            four_axes(weights),
            weights.dtype,
            weights=weights,
            depth=depth_of(given["hidden_states"]),
        )
        if self.intervention.applies_to(call):
            output = (self._replaced(module, call, given, output[0]), *output[1:])
        self.recorder.add(call, output[0])
        return output if self.wanted else output[:1]

    def _replaced(
        self, module: Any, call: AttentionCall, given: Any, output: torch.Tensor
    ) -> torch.Tensor:
        """Return the output with heads replaced; global positions mix values of their own."""

        def four(tensor: torch.Tensor) -> torch.Tensor:
            return tensor.reshape(*tensor.shape[:2], call.shape[1], -1).transpose(1, 2)[
                :, :, : call.shape[2]
            ]

        states = given["hidden_states"]
        mixed = self.intervention.replace(call, four(output), four(module.value(states)))
        through = self.intervention.replace(call, four(output), four(module.value_global(states)))
        on_global = given["is_index_global_attn"][:, None, : call.shape[2], None]
        output = output.clone()
        four(output).copy_(torch.where(on_global, through, mixed))
        return output
