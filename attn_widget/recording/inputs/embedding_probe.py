"""Which positions of the first layer's input change when an input of the model is changed.

The model runs as far as the modules that first read or return one vector per position, and no
further.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any, Protocol, runtime_checkable

import torch
from torch.func import functional_call

from attn_widget.recording.eval_mode import ONE_AT_A_TIME, evaluating
from attn_widget.recording.run_aside import run_aside
from attn_widget.records import Tokens

# Sequences of vectors that are compared, from the first on: one of them is the first layer's input.
MOST_SEQUENCES = 8
# A position has changed where its vector differs by more than this share of the largest difference.
LEAST_CHANGE = 1e-3


@runtime_checkable
class Called(Protocol):
    """How a model is called, and with which item of the batch."""

    @property
    def model(self) -> torch.nn.Module:
        """Return the model."""

    @property
    def args(self) -> tuple[Any, ...]:
        """Return its unnamed arguments."""

    @property
    def kwargs(self) -> Mapping[str, Any]:
        """Return its named arguments."""

    @property
    def named(self) -> Mapping[str, Any]:
        """Return all inputs by name."""

    @property
    def item(self) -> int:
        """Return the item of the batch."""

    def text_tokens(self) -> Tokens:
        """Return the tokens of the ids among the inputs."""


class _ReachedError(Exception):
    """The model has run as far as is compared."""


class EmbeddingProbe:
    """Compares the first layer's input for changed inputs with that for the inputs as they are.

    Parameters
    ----------
    call
        The call whose inputs are changed.
    batch, n
        Items, and positions of the sequence that is looked for.
    """

    def __init__(self, call: Called, batch: int, n: int) -> None:
        self.call, self._batch, self._n = call, batch, n
        self._base: list[torch.Tensor] = []
        self._chosen: int | None = None

    @contextlib.contextmanager
    def ready(self) -> Iterator[None]:
        """Run passes inside: in eval mode, without a graph, with the caller's random state kept."""
        with ONE_AT_A_TIME, evaluating(self.call.model), run_aside(self.call.model):
            self._base = self._sequences({}, {})
            yield

    def choose(self, changes: Mapping[int, torch.Tensor]) -> set[int]:
        """Take the first sequence that these changes alter, and return the altered positions.

        Nothing is taken where the sequence is another in every pass, as for random masks.
        """
        again, changed = self._sequences({}, {}), self._sequences(changes, {})
        if not len(again) == len(self._base) == len(changed):
            return set()
        for i, (first, second, third) in enumerate(zip(self._base, again, changed, strict=True)):
            moved = _moved(first, third)
            if moved:
                self._chosen = i
                return set() if _moved(first, second) else moved
        return set()

    def moved(self, changes: Mapping[int, torch.Tensor]) -> set[int]:
        """Return the positions that change with inputs: ``id(tensor) -> other tensor``."""
        return self._compared(self._sequences(changes, {}))

    def moved_by_parameter(self, name: str, value: torch.Tensor) -> set[int]:
        """Return the positions that change with another value of one parameter."""
        return self._compared(self._sequences({}, {name: value}))

    @property
    def n_channels(self) -> int:
        """Return the length of the vectors of the sequence that was chosen."""
        return 0 if self._chosen is None else int(self._base[self._chosen].shape[-1])

    def _compared(self, sequences: list[torch.Tensor]) -> set[int]:
        """Return where the chosen sequence differs from that of the inputs as they are."""
        if self._chosen is None or len(sequences) <= self._chosen:
            return set()
        return _moved(self._base[self._chosen], sequences[self._chosen])

    def _sequences(
        self, changes: Mapping[int, torch.Tensor], parameters: Mapping[str, torch.Tensor]
    ) -> list[torch.Tensor]:
        """Return the first sequences ``(position, channel)`` that modules read or return."""
        most = MOST_SEQUENCES if self._chosen is None else self._chosen + 1
        found: list[torch.Tensor] = []
        seen: list[torch.Tensor] = []  # kept alive, so that no place in memory is used twice

        def keep(value: Any) -> None:
            vectors = self._of_item(value)
            if vectors is None or any(value is one for one in seen):
                return
            seen.append(value)
            found.append(vectors.detach().float().clone())
            if len(found) == most:
                raise _ReachedError

        def before(module: Any, args: Any, kwargs: dict[str, Any]) -> None:
            for value in (*args, *kwargs.values()):
                keep(value)

        def after(module: Any, args: Any, output: Any) -> None:
            for value in output if isinstance(output, tuple) else (output,):
                keep(value)

        with contextlib.ExitStack() as hooks:
            for module in self.call.model.modules():
                for handle in (
                    module.register_forward_pre_hook(before, with_kwargs=True),
                    module.register_forward_hook(after),
                ):
                    hooks.callback(handle.remove)
            args = tuple(_changed(value, changes) for value in self.call.args)
            kwargs = {name: _changed(value, changes) for name, value in self.call.kwargs.items()}
            # Changed inputs may be refused, with any error: what was found before it holds.
            with contextlib.suppress(Exception):
                if parameters:
                    functional_call(self.call.model, dict(parameters), args, kwargs)
                else:
                    self.call.model(*args, **kwargs)
        return found

    def _of_item(self, value: Any) -> torch.Tensor | None:
        """Return the vectors of the item, of a (item, position, channel) tensor or one turned."""
        if not isinstance(value, torch.Tensor) or value.ndim != 3:
            return None
        if not value.is_floating_point():
            return None
        if tuple(value.shape[:2]) == (self._batch, self._n):
            return value[self.call.item]
        if tuple(value.shape[:2]) == (self._n, self._batch):
            return value[:, self.call.item]
        return None


def _changed(value: Any, changes: Mapping[int, torch.Tensor]) -> Any:
    """Return an input, or a mapping of inputs, with the changed tensors in place."""
    if hasattr(value, "keys"):
        return {name: _changed(value[name], changes) for name in value}
    return changes.get(id(value), value)


def _moved(before: torch.Tensor, after: torch.Tensor) -> set[int]:
    """Return the positions whose vectors differ."""
    difference = (after - before).abs().amax(dim=-1)
    largest = float(difference.max())
    if not largest > 0:
        return set()
    return set((difference > LEAST_CHANGE * largest).nonzero().flatten().tolist())
