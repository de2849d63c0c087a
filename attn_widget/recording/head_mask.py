"""`HeadMask`: the intervention that ablates heads while a model runs.

The tracers find each attention as they do for a capture, and let the mask replace what its ablated
heads mix. Each item of the batch may have other heads ablated, so one pass tries several sets.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import torch
from jaxtyping import Bool, Float

from attn_widget.recording.softmax import allowed_keys
from attn_widget.recording.tracing.attention_call import AttentionCall
from attn_widget.recording.tracing.intervention import Intervention

# The ablated heads of one item: index of the attention call in the pass -> its heads.
AblatedHeads = Mapping[int, Sequence[int]]


class HeadMask(Intervention):
    """Replaces what ablated heads mix.

    Parameters
    ----------
    items
        The ablated heads of each item of the batch.
    mode
        ``zero``: nothing. ``mean``: for every query the head's output averaged over all queries.
        ``uniform``: equal attention to all keys that the query may see.
    """

    def __init__(self, items: Sequence[AblatedHeads], mode: str) -> None:
        self.items = items
        self.mode = mode
        self.n_calls = 0  # attention calls so far; a pass that reuses layers counts theirs too
        self.shapes: dict[int, tuple[int, int]] = {}  # call -> its rows on the batch axis, heads

    def applies_to(self, call: AttentionCall) -> bool:
        """Return whether a head of this attention is ablated in any item."""
        index = self._index(call)
        return any(index in ablated for ablated in self.items)

    def replace(
        self,
        call: AttentionCall,
        whole: Float[torch.Tensor, "row head query mixed"],
        values: Float[torch.Tensor, "value_row key_head key channel"] | None = None,
    ) -> Float[torch.Tensor, "row head query mixed"]:
        """Return weights, or where values are given what they mixed, without ablated heads."""
        whole = whole.clone()
        for rows, head in self._ablated(call):
            if self.mode == "zero":
                whole[rows, head] = 0.0
            elif self.mode == "mean":
                whole[rows, head] = whole[rows, head].mean(-2, keepdim=True)
            else:
                even = _uniform(call, whole, rows, head).to(whole.dtype)
                if values is not None:
                    key_head = head * values.shape[1] // call.shape[1]
                    even = even @ _rows_of(values, rows)[:, key_head]
                whole[rows, head] = even.expand_as(whole[rows, head])
        return whole

    def _index(self, call: AttentionCall) -> int:
        """Return which attention of the pass a call is: they count as they mix their values."""
        if call.index is None:
            call.index = self.n_calls
            self.shapes[self.n_calls] = call.shape[:2]
            self.n_calls += 1
        return call.index

    def _ablated(self, call: AttentionCall) -> Iterator[tuple[slice, int]]:
        """Return the rows of the call's batch axis and the head, for each ablated head."""
        # A model that attends inside windows has several rows an item: one for each window.
        windows = call.shape[0] // len(self.items)
        for item, ablated in enumerate(self.items):
            for head in ablated.get(self._index(call), ()):
                yield slice(item * windows, (item + 1) * windows), head


def _uniform(
    call: AttentionCall, whole: torch.Tensor, rows: slice, head: int
) -> Float[torch.Tensor, "row query key"]:
    """Return uniform attention over the keys that each query may see; zeros where it sees none."""
    allowed = _allowed(call, whole, rows, head).float()
    return allowed / allowed.sum(-1, keepdim=True).clamp(min=1.0)


def _allowed(
    call: AttentionCall, whole: torch.Tensor, rows: slice, head: int
) -> Bool[torch.Tensor, "row query key"]:
    """Return which keys each query may see, from the mask, else from the weights above 0."""
    if call.mask is None and not call.causal and call.q is None:
        weights = whole if call.weights is None else call.weights
        return weights[rows, head] > 0
    allowed = allowed_keys(call, whole.device)
    return _rows_of(allowed, rows)[:, head if allowed.shape[1] > 1 else 0]


def _rows_of(term: torch.Tensor, rows: slice) -> torch.Tensor:
    """Return the rows of a term that may have one row for all."""
    return term[rows] if term.shape[0] > 1 else term
