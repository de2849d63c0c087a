"""Which position of a module's input each recorded query and key stands for, measured.

Where a layer attends in blocks with keys of several blocks, nothing but the data says which cell of
the whole matrix a weight belongs to. All positions whose number has a certain binary digit are
changed at once: the queries and keys that change have that digit. Two runs a digit tell the number
of each position, and that it depends on one position alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from jaxtyping import Int

from attn_widget.recording.run_aside import differs
from attn_widget.recording.tracing.attention_call import AttentionCall

UNKNOWN = -2  # depends on several positions
PADDING = -1  # depends on none


def positions_of(
    run: Callable[[torch.Tensor], Sequence[AttentionCall]], states: torch.Tensor
) -> list[tuple[Any, Any]]:
    """Return for each call the positions of its queries and of its keys, ``(item, head, token)``.

    Parameters
    ----------
    run
        Runs the module on other states and returns its calls.
    states
        ``(…, channel)``; positions are numbered along all its axes but the last.

    Returns
    -------
    list of (queries, keys)
        Numbers; `PADDING` or `UNKNOWN` where a query or key stands for no one position.
    """
    flat = states.detach().reshape(-1, states.shape[-1])
    other = flat.flip(-1) * -2 + flat.std() + 1
    numbers = torch.arange(len(flat), device=flat.device)
    plain = run(states)
    n_digits = max(1, int(numbers[-1]).bit_length())
    found = [(_Numbers(call.q, n_digits), _Numbers(call.k, n_digits)) for call in plain]
    for digit in range(n_digits):
        for value in (0, 1):
            chosen = ((numbers >> digit) & 1 == value)[:, None]
            again = run(torch.where(chosen, other, flat).reshape(states.shape))
            for (queries, keys), call in zip(found, again, strict=True):
                queries.note(call.q, digit, value)
                keys.note(call.k, digit, value)
    return [(queries.found(), keys.found()) for queries, keys in found]


class _Numbers:
    """The positions of the tokens of one tensor, digit by digit."""

    def __init__(self, plain: torch.Tensor, n_digits: int) -> None:
        self._plain = plain
        self._changed = plain.new_zeros((2, n_digits, *plain.shape[:-1]), dtype=torch.bool)

    def note(self, again: torch.Tensor, digit: int, value: int) -> None:
        """Note which tokens changed with the positions that have this digit."""
        self._changed[value, digit] = differs(again, self._plain).any(-1)

    def found(self) -> Int[torch.Tensor, "..."]:
        """Return the position of every token."""
        zero, one = self._changed
        weights = (2 ** torch.arange(len(one), device=one.device)).reshape(
            -1, *[1] * (one.ndim - 1)
        )
        number = (one.long() * weights).sum(0)
        padding = ~(zero | one).any(0)
        single = (zero ^ one).all(0)
        number = torch.where(single, number, torch.full_like(number, UNKNOWN))
        return torch.where(padding, torch.full_like(number, PADDING), number)
