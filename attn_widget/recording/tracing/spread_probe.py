"""Whether the parts of several layers hold the same positions, measured: one input is changed.

Layers that attend within the same windows, pictures or frames never carry a change from one part to
another. Where a later layer cuts its positions anew, the change reaches more of its parts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch

from attn_widget.recording.nested import copied
from attn_widget.recording.run_aside import differs
from attn_widget.recording.tracing.attention_call import AttentionCall

Inputs = tuple[tuple[Any, ...], dict[str, Any]]


def note_spread(
    calls: Sequence[AttentionCall], inputs: Inputs, run: Callable[[Inputs], Sequence[AttentionCall]]
) -> None:
    """Note for each call which entries of its first two axes a change of the inputs reaches.

    Parameters
    ----------
    calls
        The attention calls of a pass.
    inputs
        The arguments of the model.
    run
        Runs the model on other arguments and returns its calls.
    """
    found: list[list[Any]] = [[] for _ in calls]
    try:
        for changed in _changes(inputs):
            again = run(changed)
            if [c.shape for c in again] != [c.shape for c in calls]:
                return
            for reached, call, other in zip(found, calls, again, strict=True):
                known = call.q is not None and other.q is not None
                reached.append(differs(other.q, call.q).flatten(2).any(-1) if known else None)
    except Exception:  # a model may refuse changed inputs, with any error: then nothing is known
        return
    for call, reached in zip(calls, found, strict=True):
        call.reached = tuple(reached)


def _changes(inputs: Inputs) -> Iterator[Inputs]:
    """Yield the inputs with other numbers at the first, and at the last position."""
    args, kwargs = inputs
    if not any(map(_holds_numbers, (*args, *kwargs.values()))):
        return
    for place in (0, -1):
        yield (
            tuple(_changed(copied(value), place) for value in args),
            {name: _changed(copied(value), place) for name, value in kwargs.items()},
        )


def _changed(value: Any, place: int) -> Any:
    """Return numbers with others at one position; ids and other values unchanged."""
    if not _holds_numbers(value):
        return value
    other = value.clone()
    # Pictures end in (colour, row, column), other states in (position, channel).
    index: tuple[int | slice, ...] = (place,) * (value.ndim - 1)
    if value.ndim > 3:
        index = (*(place,) * (value.ndim - 3), slice(None), place, place)
    other[index] = other[index] * -2 + other.std() + 1
    return other


def _holds_numbers(value: Any) -> bool:
    """Return whether a value is a tensor of numbers for each of several positions."""
    return isinstance(value, torch.Tensor) and value.is_floating_point() and value.ndim > 1


def stay_apart(layers: Sequence[Sequence[AttentionCall]], windows: int) -> bool:
    """Return whether no change reaches more than one part of these layers, always the same one.

    Parameters
    ----------
    layers
        The calls of each layer, one for each part or for several windows.
    windows
        Parts that a call holds on its first axis beside the items.
    """
    seen = 0
    for i in range(min(len(call.reached) for calls in layers for call in calls)):
        parts = set()
        for calls in layers:
            for number, call in enumerate(calls):
                if call.reached[i] is None:
                    return False
                entries = call.reached[i].any(1).nonzero().flatten().tolist()
                parts |= {number * windows + entry % windows for entry in entries}
        if len(parts) > 1:
            return False
        seen += len(parts)
    return seen > 0
