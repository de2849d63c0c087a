"""What the axes of recorded queries are, measured: one position of a module's input is changed.

A module may hold its heads, windows, pictures and items on any axis of its queries, or compute them
one by one. Nothing in their shapes tells which is which. When one position of the input of a block
changes, the queries of that position change in *every* head, but in *one* window, picture or item:

- an axis along which all entries change holds heads;
- an axis along which one entry changes holds positions (items, windows, pictures);
- calls side by side that all change are heads of one layer; of which one changes, parts of it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch

from attn_widget.recording.run_aside import differs
from attn_widget.recording.tracing.attention_call import (
    AttentionCall,
    Axis,
    Items,
    n_entries_of,
    n_heads_of,
)
from attn_widget.recording.tracing.module_stack import Frame
from attn_widget.recording.tracing.module_states import States, states_of
from attn_widget.recording.tracing.position_probe import positions_of

# Runs a module again on other arguments and returns the attention calls inside.
RunAgain = Callable[[Frame, tuple[Any, ...], dict[str, Any]], list[AttentionCall]]
Change = list[torch.Tensor | None]  # for each call the queries that changed, (*lead, query)
Touched = tuple[int, int, int]  # call, entry of its position axes, query row


@dataclass(frozen=True)
class Measured:
    """What was measured of the calls of one layer.

    Parameters
    ----------
    axes
        For each call the leading axes of its queries; None where no change showed what they are.
    siblings
        ``"heads"``, ``"parts"`` or ``"unknown"`` for calls side by side; None where there is one.
    windows
        Parts that the position axes of a call hold beside the items; None where nothing tells.
    channels
        The axis of channels of the module's input.
    """

    axes: tuple[tuple[Axis, ...] | None, ...]
    siblings: str | None
    windows: int | None = None
    channels: int = -1

    @property
    def has_parts(self) -> bool:
        """Return whether the layer attends within several parts, which every layer may cut anew."""
        several = any(n_entries_of(axes) > 1 for axes in self.axes if axes)
        return self.siblings == "parts" or several


def measure(frame: Frame, run_again: RunAgain, items: Items) -> Measured | None:
    """Return what the axes of the calls inside a module are; None where it cannot be measured."""
    states = states_of(frame)
    if states is None or any(_shares_memory(call.q, states.given) for call in frame.calls):
        return None
    try:
        plain = run_again(frame, *states.arguments(frame, states.positions))
        if [c.lead for c in plain] != [c.lead for c in frame.calls]:
            return None

        def changes_of(states: States, row: int) -> Change:
            again = run_again(frame, *states.arguments(frame, states.changed(row)))
            return [_changed_queries(a, b) for a, b in zip(plain, again, strict=True)]

        n_rows = _n_rows(changes_of(states, states.middle))
        if states.given.ndim > 2 and n_rows != 1:
            # Channels may come before the positions: then fewer queries change with one position.
            other = replace(states, channels=1)
            if _n_rows(changes_of(other, other.middle)) < n_rows:
                states = other
        changes = [changes_of(states, row) for row in states.rows]
    except Exception:  # a module may refuse to run twice, with any error: then nothing is known
        return None
    axes = tuple(
        next((a for a in (_axes(c[i]) for c in changes) if a is not None), None)
        for i in range(len(plain))
    )
    touched = [list(_touched(change, axes)) for change in changes]
    windows = _windows(states, touched, axes, items)
    return Measured(axes, _siblings(changes), windows, states.channels)


def note_positions(frame: Frame, run_again: RunAgain, channels: int) -> None:
    """Note which positions of a module's input the queries and keys of its calls stand for."""
    states = states_of(frame)
    if states is None:
        return
    states = replace(states, channels=channels)

    def run(changed: torch.Tensor) -> list[AttentionCall]:
        return run_again(frame, *states.arguments(frame, changed))

    try:
        positions = positions_of(run, states.positions)
    except Exception:  # as in `measure`
        return
    for call, (queries, keys) in zip(frame.calls, positions, strict=True):
        of_input = [bool((tokens >= 0).any()) for tokens in (queries, keys)]
        # One of the two comes from another input of the module.
        call.cross |= of_input[0] != of_input[1]
        call.query_positions, call.key_positions = queries, keys
        call.input_shape = tuple(states.positions.shape[:-1])


def _n_rows(change: Change) -> float:
    """Return how many query rows of a call changed; infinite where this shows nothing."""
    found = [c.reshape(-1, c.shape[-1]).sum(0) for c in change if c is not None and bool(c.any())]
    return max((int((rows > 0).sum()) for rows in found), default=math.inf)


def _shares_memory(queries: Any, states: torch.Tensor) -> bool:
    """Return whether queries are the module's input: their axes were made outside of it."""
    return (
        queries is not None
        and queries.untyped_storage().data_ptr() == states.untyped_storage().data_ptr()
    )


def _changed_queries(plain: AttentionCall, again: AttentionCall) -> torch.Tensor | None:
    """Return which queries changed, ``(*lead, query)``; None where this shows nothing."""
    if plain.q is None or again.q is None or plain.q.shape != again.q.shape:
        return None
    changed = differs(again.q, plain.q).any(-1).reshape(*plain.lead, plain.q.shape[-2])
    rows = changed.reshape(-1, changed.shape[-1]).any(0)
    # Where every query changes, the module mixed its positions before it made queries.
    return None if bool(rows.all()) and len(rows) > 1 else changed


def _axes(changed: torch.Tensor | None) -> tuple[Axis, ...] | None:
    """Return the roles of the leading axes from the queries that changed."""
    if changed is None or not bool(changed.any()):
        return None
    lead = changed.any(-1)
    found: list[Axis] = []
    for axis, size in enumerate(lead.shape):
        others = [i for i in range(lead.ndim) if i != axis]
        entries = (lead.any(others) if others else lead).nonzero().flatten().tolist()
        split = _split(size, entries)
        if split is None:
            return None
        found.extend(split)
    return tuple(found) if int(lead.sum()) == n_heads_of(found) else None


def _split(size: int, entries: Sequence[int]) -> tuple[Axis, ...] | None:
    """Return one axis as what it holds, split in two where heads and positions share it."""
    if len(entries) == 1:
        return (Axis(size, holds_heads=False),)
    if len(entries) == size:
        return (Axis(size, holds_heads=True),)
    step = entries[1] - entries[0]
    even = list(range(entries[0], entries[-1] + 1, step)) == list(entries)
    if not even or size % len(entries) or step not in (1, size // len(entries)):
        return None
    heads = Axis(len(entries), holds_heads=True)
    positions = Axis(size // len(entries), holds_heads=False)
    return (positions, heads) if step == 1 else (heads, positions)


def _siblings(changes: Sequence[Sequence[torch.Tensor | None]]) -> str | None:
    """Return what calls side by side are to each other."""
    if not changes or len(changes[0]) < 2:
        return None
    seen = set()
    for change in changes:
        if any(c is None for c in change):
            return "unknown"
        hit = [c for c in change if c is not None and bool(c.any())]
        if len(hit) == 1:
            seen.add("parts")
        elif len(hit) == len(change):
            first, *others = (c.reshape(-1, c.shape[-1]).any(0) for c in hit)
            same = all(torch.equal(rows, first) for rows in others)
            seen.add("heads" if same else "unknown")
        elif hit:
            seen.add("unknown")
    return seen.pop() if len(seen) == 1 else "unknown"


def _touched(
    change: Sequence[torch.Tensor | None], axes: Sequence[tuple[Axis, ...] | None]
) -> Iterator[Touched]:
    """Yield the queries that changed with one position, one head of each."""
    for i, (changed, found) in enumerate(zip(change, axes, strict=True)):
        if changed is None or found is None:
            continue
        entries = heads_last(changed[..., None], found)[:, :, :, 0].any(1)
        for entry, row in entries.nonzero().tolist():
            yield i, entry, row


def _windows(
    states: States,
    touched: Sequence[Sequence[Touched]],
    axes: Sequence[tuple[Axis, ...] | None],
    items: Items,
) -> int | None:
    """Return how many windows one item has on the position axes of a call.

    The items of a batch are the first axis of the states, or the second where time comes first.
    """
    shape = states.positions.shape[:-1]
    n_items, n = shape[0], math.prod(shape[1:])
    seen = [
        (divmod(row, n), (entry, query))
        for row, changed in zip(states.rows, touched, strict=True)
        for _, entry, query in changed
    ]
    if not seen or axes[0] is None:
        return None
    entries = n_entries_of(axes[0])
    if len(shape) == 1 or states.hold(items):
        if all((item, place) == queries for (item, place), queries in seen):
            return 1
        if len(shape) == 2 and all((place, item) == q for (item, place), q in seen):
            return 1
    else:
        n_items = items.likely or 1
    return entries // n_items if entries % n_items == 0 else None


def heads_last(tensor: torch.Tensor, axes: Sequence[Axis]) -> torch.Tensor:
    """Return ``(*lead, token, channel)`` as ``(position entry, head, token, channel)``."""
    split = tensor.reshape(*(axis.size for axis in axes), *tensor.shape[-2:])
    order = [i for i, axis in enumerate(axes) if not axis.holds_heads]
    order += [i for i, axis in enumerate(axes) if axis.holds_heads]
    moved = split.permute(*order, len(axes), len(axes) + 1)
    return moved.reshape(-1, n_heads_of(axes), *tensor.shape[-2:])
