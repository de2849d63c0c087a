"""Second tracer: follows q·kᵀ to its softmax inside any PyTorch module.

A ``TorchFunctionMode`` is given every torch function that the forward pass calls on this thread.
Products of two activations are tracked (see score_tracking.py) through scale, bias and mask to a
softmax, and the softmax to the values; only then are they recorded as an attention. The terms of
the scores beyond ``scaling · q kᵀ`` are found in score_terms.py. Fused attentions are recorded
from their arguments.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from attn_widget.recording.softmax import weights_of
from attn_widget.recording.tracing import flex_attention
from attn_widget.recording.tracing import fused_attention as fused
from attn_widget.recording.tracing import score_tracking as tracking
from attn_widget.recording.tracing.attention_call import AttentionCall
from attn_widget.recording.tracing.depth import depth_of, spread_depth
from attn_widget.recording.tracing.einsum import einsum_projection, einsum_values
from attn_widget.recording.tracing.intervention import Intervention
from attn_widget.recording.tracing.mixing_probe import POSITIONWISE
from attn_widget.recording.tracing.recorder import Recorder
from attn_widget.recording.tracing.score_terms import ScoreTerms
from attn_widget.recording.tracing.score_tracking import (
    MixedTag,
    ScoresTag,
    UnreadTag,
    WeightsTag,
    flat,
    set_tag,
    tag_of,
)

ZEROING = frozenset(("masked_fill", "masked_fill_", "where", "nan_to_num"))
LEARNED = frozenset(("linear", "conv1d", "conv2d"))  # heads that are mixed by learned numbers
# Layers of hidden states: what they read were no scores.
STATE_LAYERS = frozenset(("linear", "addmm", "embedding", "layer_norm", "rms_norm"))
MIXED_RESHAPES = tracking.RESHAPES | frozenset(
    ("transpose", "transpose_", "permute", "swapaxes", "movedim", "concat", "cat")
)


class FunctionTracer(TorchFunctionMode):
    """Records the attention of whatever runs inside."""

    def __init__(
        self,
        model: torch.nn.Module,
        recorder: Recorder,
        intervention: Intervention,
    ) -> None:
        super().__init__()
        self.recorder = recorder
        self.intervention = intervention
        self._at_least = 0  # depth of the output of the operation that runs now
        self._parameters = {p.data_ptr() for p in model.parameters()}
        self._terms = ScoreTerms()
        self._fused: dict[Any, Callable[..., Any]] = {
            functional.scaled_dot_product_attention: fused.dot_product,
            functional.multi_head_attention_forward: fused.multi_head,
            flex_attention.OPERATION: flex_attention.flex,
        }

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run one torch function and record what can be read from it."""
        kwargs = kwargs or {}
        if self.recorder.suspended:
            return func(*args, **kwargs)
        whole = self._fused.get(func)
        if whole is not None:
            return whole(self.recorder, self.intervention, func, args, kwargs)
        name = getattr(func, "__name__", "")
        self._at_least = 0
        output = self._traced(name, func, args, kwargs)
        spread_depth(args, kwargs, output, self._at_least)
        if name not in POSITIONWISE:
            self.recorder.stack.mark_moving(name)
        return output

    def _traced(self, name: str, func: Any, args: Any, kwargs: Any) -> Any:
        """Run one function, and tag its output with what it holds."""
        if name in tracking.PRODUCTS:
            return self._product(name, func, args, kwargs)
        tag = next((t for t in map(tag_of, flat(args, kwargs)) if t is not None), None)
        if tag is None:
            output = func(*args, **kwargs)
            if name in tracking.SOFTMAXES and output.ndim > 1:
                why = "a softmax whose scores were not followed to a product of queries and keys"
                set_tag(output, UnreadTag(self.recorder.name_of(), why))
            return output
        if isinstance(tag, ScoresTag):
            return self._scores(name, func, args, kwargs, tag)
        output = func(*args, **kwargs)
        if isinstance(tag, MixedTag):
            self._mixed(name, args, kwargs, output, tag)
        elif isinstance(tag, UnreadTag):
            self._unread(name, args, output, tag)
        elif name in tracking.RESHAPES:
            set_tag(output, tag)
        elif name in tracking.MULTIPLIES or name in tracking.DIVIDES or name in ZEROING:
            set_tag(output, WeightsTag(tag.call, fresh=False))
        elif isinstance(output, torch.Tensor) and output.is_floating_point():
            why = "weights that are changed by more than a mask after their softmax"
            set_tag(output, UnreadTag(tag.call.name, why))
        return output

    def _unread(self, name: str, args: Any, output: Any, tag: UnreadTag) -> None:
        """Follow weights that are no recorded attention to where they mix something."""
        if name == "sum":
            if tag.applied:
                self.recorder.suspect(tag.path, tag.why)
        elif name in tracking.MULTIPLIES:
            others = [t for t in args if isinstance(t, torch.Tensor) and tag_of(t) is not tag]
            applied = tag.applied or any(t.numel() > 1 for t in others)
            set_tag(output, replace(tag, applied=applied))
        elif name in tracking.RESHAPES | tracking.MOVES | tracking.DIVIDES | ZEROING | LEARNED:
            set_tag(output, tag)

    # -- scores ------------------------------------------------------------------------------------

    def _product(self, name: str, func: Any, args: Any, kwargs: Any) -> Any:
        """Run a product: of queries and keys, of weights and values, or the output projection."""
        output = func(*args, **kwargs)
        tags = [tag_of(t) for t in flat(args, kwargs)]
        weights = next((t for t in tags if isinstance(t, WeightsTag)), None)
        mixed = next((t for t in tags if isinstance(t, MixedTag)), None)
        layer = self._is_layer(args, kwargs)
        unread = next((t for t in tags if isinstance(t, UnreadTag)), None)
        if weights is not None and layer:
            why = "weights that are changed by more than a mask after their softmax"
            set_tag(output, UnreadTag(weights.call.name, why))
        elif weights is not None:
            if self.intervention.applies_to(weights.call):
                output = func(
                    *self._replaced(args),
                    **{name: self._replaced([t])[0] for name, t in kwargs.items()},
                )
            self._values(name, args, weights, output)
        elif mixed is not None:
            self._mixed(name, args, kwargs, output, mixed)
        elif unread is not None and not layer:
            self.recorder.suspect(unread.path, unread.why)
        elif isinstance(output, torch.Tensor) and not layer:
            if any(isinstance(t, ScoresTag) for t in tags):
                self.recorder.mark_plain_product()
            set_tag(output, tracking.tag_of_product(name, args, kwargs, output))
        return output

    def _replaced(self, operands: Any) -> list[Any]:
        """Return the operands of a product, weights among them as the intervention wants."""
        out = list(operands)
        for i, operand in enumerate(out):
            tag = tag_of(operand)
            if isinstance(operand, list | tuple):
                out[i] = self._replaced(operand)
            elif isinstance(tag, WeightsTag):
                four = operand.reshape(tag.call.shape)
                out[i] = self.intervention.replace(tag.call, four).reshape(operand.shape)
        return out

    def _is_layer(self, args: Any, kwargs: Any) -> bool:
        """Return whether an operand of a product is a parameter: a linear layer, no attention."""
        return any(
            isinstance(t, torch.Tensor) and t.ndim <= 2 and t.data_ptr() in self._parameters
            for t in flat(args, kwargs)
        )

    def _scores(self, name: str, func: Any, args: Any, kwargs: Any, tag: ScoresTag) -> Any:
        """Run an operation on scores; a softmax over the keys makes weights of them."""
        scores = args[0] if args else kwargs.get("input")
        if name not in tracking.SOFTMAXES or tag_of(scores) is not tag:
            output = func(*args, **kwargs)
            # In-place operations return the tensor they changed: its tag must change with it.
            if not isinstance(output, torch.Tensor):
                return output
            after: Any = tracking.tag_after(name, args, kwargs, output, tag)
            made = name in POSITIONWISE and name not in STATE_LAYERS and output.is_floating_point()
            if after is None and made and output.ndim > 1:
                why = "scores that are made to weights without a softmax over the keys"
                after = UnreadTag(self.recorder.name_of(), why)
            return set_tag(output, after)
        before = scores.detach()
        output = func(*args, **kwargs)
        dim = kwargs.get("dim", args[1] if len(args) > 1 and isinstance(args[1], int) else -1)
        readable = scores.ndim >= 2 and tag.shape[-2:] == (
            scores.shape[-2],
            scores.shape[-1] - tag.extra,
        )
        if dim not in (-1, scores.ndim - 1) or not readable:
            why = "a softmax over several products, or over another axis than the keys"
            return set_tag(output, UnreadTag(self.recorder.name_of(), why))
        call = self._described(before, tag)
        call.depth = depth_of(scores)
        self._at_least = call.depth + 1
        n_keys = call.shape[-1]
        four = output[..., :n_keys].reshape(call.shape)
        if self.recorder.keep_graph:
            call.graph_weights = four[0]
            through = call.graph_weights[None].reshape(*output.shape[:-1], n_keys)
            output = torch.cat([through, output[..., n_keys:]], dim=-1) if tag.extra else through
        elif self.recorder.keeps(call.shape, output.element_size()):
            call.weights = four
        return set_tag(output, WeightsTag(call))

    def _described(self, scores: torch.Tensor, tag: ScoresTag) -> AttentionCall:
        """Return the attention call of scores that reached their softmax."""
        lead = tuple(scores.shape[:-2])
        items, heads = tracking.split_heads(tuple(scores.shape), self.recorder.items.likely)
        shape = (items, heads, scores.shape[-2], scores.shape[-1] - tag.extra)
        call = AttentionCall(
            name=self.recorder.name_of(),
            shape=shape,
            dtype=scores.dtype,
            cross=self.recorder.stack.is_cross(),
            scaling=tag.scaling,
            softcap=tag.softcap,
            lead=lead,
            unsure=not self.recorder.items.are_first(lead),
        )
        scores = scores.reshape(*shape[:3], -1)
        if tag.q is not None:
            call.q = tracking.as_four(tag.q, tag.shape[:-2], items, heads)
            call.k = tracking.as_four(tag.k, tag.shape[:-2], items, heads)
        if call.q is None or call.k is None:
            call.q = call.k = None
            call.bias_kind = "content"
            return call
        with torch.no_grad():
            self._terms.find(call, scores, by_content=tag.content)
        return call

    # -- values and output projection --------------------------------------------------------------

    def _values(self, name: str, args: Any, weights: WeightsTag, output: torch.Tensor) -> None:
        """Record the values that the weights mix: now it is an attention."""
        call = weights.call
        items, heads, _, n_keys = call.shape
        if name == "einsum":
            call.v = einsum_values(args, lambda t: isinstance(tag_of(t), WeightsTag), call.shape)
        else:
            operands = [t for t in args if isinstance(t, torch.Tensor)]
            mixing = operands[-2] if len(operands) >= 2 else None
            if (
                mixing is not None
                and tag_of(mixing) == weights
                and operands[-1].shape[-2:-1] == (n_keys,)
            ):
                if not weights.fresh:
                    self._altered(call, mixing)
                lead = operands[-2].shape[:-2]
                call.v = tracking.as_four(operands[-1], tuple(lead), items, heads)
        if not call.confirmed:
            self.recorder.add(call)
        set_tag(output, MixedTag(call))

    def _altered(self, call: AttentionCall, mixing: torch.Tensor) -> None:
        """Record weights that were changed after their softmax, such as rows set to zero."""
        if self.recorder.keep_graph or mixing.numel() != torch.Size(call.shape).numel():
            return
        mixing = mixing.detach().reshape(call.shape)
        with torch.no_grad():
            softmaxed = weights_of(call)
        if not torch.allclose(mixing, softmaxed, atol=1e-6):
            # Queries and keys alone could not give these again.
            call.weights, call.altered = mixing, True

    def _mixed(self, name: str, args: Any, kwargs: Any, output: Any, tag: MixedTag) -> None:
        """Follow mixed values to the layer that projects them."""
        if name in MIXED_RESHAPES:
            set_tag(output, tag)
            return
        call = tag.call
        if call.output_projection is not None:
            return
        operands = [t for t in flat(args, kwargs) if isinstance(t, torch.Tensor)]
        width = call.shape[1] * (call.v.shape[-1] if call.v is not None else 0)
        matrix = None
        if name == "linear" and len(operands) >= 2 and operands[1].ndim == 2:
            matrix = operands[1].T
        elif name == "addmm" and len(operands) >= 3:
            matrix = operands[2]
        elif name in ("matmul", "__matmul__") and len(operands) == 2 and operands[1].ndim == 2:
            matrix = operands[1]
        elif name == "einsum":
            matrix = einsum_projection(args, call.shape[1])
        if matrix is not None and matrix.shape[0] == width:
            call.output_projection = matrix.detach()
