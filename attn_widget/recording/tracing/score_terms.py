"""The terms of scores beyond ``scaling · q kᵀ``: a mask, a bias, a sink logit."""

from __future__ import annotations

import torch

from attn_widget.recording.softmax import MASKED_BELOW
from attn_widget.recording.tracing.attention_call import AttentionCall


class ScoreTerms:
    """Finds the terms of each layer's scores, and keeps one copy of those that layers share."""

    def __init__(self) -> None:
        self._last: dict[str, torch.Tensor] = {}  # of the layer before

    def find(self, call: AttentionCall, scores: torch.Tensor, *, by_content: bool) -> None:
        """Set mask, bias and sinks of a call from its scores, taken right before the softmax."""
        product = (call.q.detach() @ call.k.detach().transpose(-1, -2)).to(
            scores.dtype
        ) * call.scaling
        if call.softcap is not None:
            product = torch.tanh(product / call.softcap) * call.softcap
        n_keys = call.shape[-1]
        scores, sink_columns = scores[..., :n_keys], scores[..., n_keys:]
        rest = scores - product
        allowed = rest > MASKED_BELOW
        close = 1e-5 if scores.dtype in (torch.float32, torch.float64) else 2e-2
        rest, shift = _without_row_shift(rest, allowed, close)
        if sink_columns.shape[-1]:
            column = (sink_columns - shift)[..., 0]
            call.sinks = column[0, :, 0]
            constant = call.sinks[None, :, None].expand_as(column)
            if not bool(torch.allclose(column, constant, atol=1e-3)):
                # A sink that depends on the query: only the weights hold it.
                call.q = call.k = None
        size = product.masked_fill(~allowed, 0.0).abs().amax().clamp(min=1.0)
        if bool((rest.abs() > close * size).any()):
            call.bias = self._shared("bias", _without_equal_axes(rest))
            call.bias_kind = "content" if by_content else "position"
        if not bool(allowed.all()):
            call.mask = self._shared("mask", _without_equal_axes(allowed))

    def _shared(self, kind: str, term: torch.Tensor) -> torch.Tensor:
        """Return the term of the layer before where it is equal: one n×n for all layers."""
        last = self._last.get(kind)
        if last is not None and last.shape == term.shape and torch.equal(last, term):
            return last
        self._last[kind] = term
        return term


def _without_row_shift(
    rest: torch.Tensor, allowed: torch.Tensor, close: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the terms beyond the product, and what was added to all keys of a row, such as −max.

    A softmax does not depend on what is added to a whole row; a sink logit has it too.
    """
    shift = rest.masked_fill(~allowed, float("-inf")).amax(-1, keepdim=True)
    shift = shift.masked_fill(shift.isinf(), 0.0)
    level = (rest - shift).masked_fill(~allowed, 0.0)
    if bool((level.abs() <= close * shift.abs().clamp(min=1.0)).all()):
        return level, shift
    return rest.masked_fill(~allowed, 0.0), torch.zeros_like(shift)


def _without_equal_axes(term: torch.Tensor) -> torch.Tensor:
    """Return a term with one item, or one head, where all of them are equal."""
    for axis in (0, 1):
        first = term.narrow(axis, 0, 1)
        if term.shape[axis] > 1 and bool((term == first).all()):
            term = first
    return term
