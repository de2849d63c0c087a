"""Heads switched off while a model runs: what a head mixes is replaced where the routes of a capture see it.

The routes find each attention as they do for a capture and ask the recorder whether it replaces anything; `Switches`
is the recorder that does. Each item of the batch may have other heads off, so one pass answers several questions.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from jaxtyping import Bool, Float

from attn_widget.recording.softmax import MASKED_BELOW, triangle
from attn_widget.recording.tracing.attention_call import Record, Recorder

# How an item of the batch is changed: which attention of the pass -> its heads that are off.
Off = Mapping[int, Sequence[int]]


class Switches(Recorder):
    """Replaces what some heads mix, and keeps nothing.

    Parameters
    ----------
    model
        The model that runs.
    off
        One mapping per item of the batch.
    how
        ``zero``: nothing. ``mean``: every query gets the head's output averaged over all queries. ``uniform``: every
        query attends alike to all keys it may see.
    """

    def __init__(self, model: torch.nn.Module, off: Sequence[Off], how: str) -> None:
        super().__init__(model, False, keep_graph=False, expected=1)
        self.off = off
        self.how = how
        self.count = 0  # attentions seen so far; a pass that skips layers counts theirs too
        self.shapes: dict[
            int, tuple[int, int]
        ] = {}  # attention -> its items and heads, as they were told apart

    def add(self, record: Record, output: Any = None) -> None:
        """Count one attention."""
        record.confirmed = True
        self._place(record)

    def replaces(self, record: Record) -> bool:
        """Return whether a head of this attention is off in any item."""
        place = self._place(record)
        return any(place in one for one in self.off)

    def replaced(
        self,
        record: Record,
        whole: Float[torch.Tensor, "row head query mixed"],
        values: Float[torch.Tensor, "value_row key_head key channel"] | None = None,
    ) -> Float[torch.Tensor, "row head query mixed"]:
        """Return weights, or what they mixed where values are given, with the heads that are off replaced."""
        whole = whole.clone()
        for rows, head in self._chosen(record):
            if self.how == "zero":
                whole[rows, head] = 0.0
            elif self.how == "mean":
                whole[rows, head] = whole[rows, head].mean(-2, keepdim=True)
            else:
                even = _even(record, whole, rows, head).to(whole.dtype)
                if values is not None:
                    even = even @ _of(values, rows)[:, head * values.shape[1] // record.shape[1]]
                whole[rows, head] = even.expand_as(whole[rows, head])
        return whole

    def _place(self, record: Record) -> int:
        """Return which attention of the pass a record is: they are counted as they mix their values."""
        if record.place is None:
            record.place = self.count
            self.shapes[self.count] = record.shape[:2]
            self.count += 1
        return record.place

    def _chosen(self, record: Record) -> Iterator[tuple[slice, int]]:
        """Return the rows of the record's batch axis and the head, for each head that is off."""
        windows = record.shape[0] // len(
            self.off
        )  # models that attend inside windows have several rows an item
        for item, one in enumerate(self.off):
            for head in one.get(self._place(record), ()):
                yield slice(item * windows, (item + 1) * windows), head


def _even(
    record: Record, whole: torch.Tensor, rows: slice, head: int
) -> Float[torch.Tensor, "row query key"]:
    """Return uniform attention over the keys that each query may see; zeros where it may see none."""
    allowed = _allowed(record, whole, rows, head).float()
    return allowed / allowed.sum(-1, keepdim=True).clamp(min=1.0)


def _allowed(
    record: Record, whole: torch.Tensor, rows: slice, head: int
) -> Bool[torch.Tensor, "row query key"]:
    """Return which keys each query may see, as far as the recorded mask tells; else those it gave any weight."""
    mask = record.mask
    if mask is None and record.causal:
        positions = torch.arange(record.shape[2], device=whole.device)
        return triangle(positions, record.shape[3], record.window)[None]
    if mask is None and record.q is None:
        weights = whole if record.weights is None else record.weights
        return weights[rows, head] > 0
    if mask is None:
        return torch.ones(1, *record.shape[2:], dtype=torch.bool, device=whole.device)
    while mask.ndim < 4:
        mask = mask[None]
    mask = _of(mask, rows)[:, head if mask.shape[1] > 1 else 0]
    allowed = mask if mask.dtype == torch.bool else mask > MASKED_BELOW
    return allowed.expand(-1, *record.shape[2:])


def _of(term: torch.Tensor, rows: slice) -> torch.Tensor:
    """Return the rows of a term that may have one row for all."""
    return term[rows] if term.shape[0] > 1 else term
