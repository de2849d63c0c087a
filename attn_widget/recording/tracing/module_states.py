"""`States`: the input of a module that holds numbers per position, to be changed and run again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from attn_widget.recording.nested import copied
from attn_widget.recording.tracing.attention_call import Items
from attn_widget.recording.tracing.module_stack import Frame, given_to

MOST_ROWS = 4  # positions that are changed, one at a time


@dataclass(frozen=True)
class States:
    """The input of a module that holds numbers per position, and where its channels are."""

    place: int | str  # among the arguments
    given: torch.Tensor
    channels: int = -1

    @property
    def positions(self) -> torch.Tensor:
        """Return the states with their channels last."""
        return self.given.movedim(self.channels, -1)

    @property
    def rows(self) -> list[int]:
        """Return the positions that are changed, first and last among them."""
        n = self.given.numel() // self.positions.shape[-1]
        return sorted({round(i * (n - 1) / (MOST_ROWS - 1)) for i in range(MOST_ROWS)})

    @property
    def middle(self) -> int:
        """Return one of these positions, neither the first nor the last."""
        return self.rows[len(self.rows) // 2]

    def arguments(
        self, frame: Frame, positions: torch.Tensor
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Return a module's arguments with other states; what it might change is copied."""
        args = [copied(value) for value in frame.args]
        kwargs = {name: copied(value) for name, value in frame.kwargs.items()}
        given = positions.clone().movedim(-1, self.channels).contiguous()
        if isinstance(self.place, int):
            args[self.place] = given
        else:
            kwargs[self.place] = given
        return tuple(args), kwargs

    def changed(self, row: int) -> torch.Tensor:
        """Return the positions with other numbers at one of them."""
        flat = self.positions.detach().clone().reshape(-1, self.positions.shape[-1])
        flat[row] = flat[row].flip(0) * -2 + flat.std() + 1
        return flat.reshape(self.positions.shape)

    def hold(self, items: Items) -> bool:
        """Return whether the items of the batch stand on the first axes of the states.

        Else they were cut into windows before, and their positions say nothing of other layers'.
        """
        first = set(self.positions.shape[: 2 if self.given.ndim == 3 else 1])
        if self.given.ndim == 2:
            return True
        return items.stated in first if items.stated is not None else bool(first & items.sizes)


def states_of(frame: Frame) -> States | None:
    """Return the first argument that holds numbers per position, and where it was given."""
    for place, value in given_to(frame):
        if isinstance(value, torch.Tensor) and value.is_floating_point() and value.ndim >= 2:
            return States(place, value)
    return None
