"""What other packages need of a runner: one small protocol for each thing that is asked of it.

`ModelRunner` fits all of them. An object of your own needs only those that are used: the widget
takes a `Runner`, head ablation takes what `Ablates`, and so on.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol, runtime_checkable

from attn_widget.errors import InputError
from attn_widget.records.capture import Capture
from attn_widget.records.results import Prediction

# What stands in for the output of an ablated head; see `ModelRunner.ablate`.
ABLATE_MODES = ("zero", "mean", "uniform")


@runtime_checkable
class Runs(Protocol):
    """Runs a model on one text."""

    def run(self, text: Any, pair: str | None = None, **options: Any) -> Capture:
        """Run the model once on a text (or prepared inputs) and return its capture."""


@runtime_checkable
class Runner(Runs, Protocol):
    """Runs a model that has a name: the least that `AttentionWidget` needs to set ``text``.

    Head ablation, generation, gradients and batches need more: `ModelRunner` gives all of it.
    ``isinstance`` looks at the names ``name`` and ``run`` only.

    Examples
    --------
    >>> class Mine:
    ...     name = "mine"
    ...     def run(self, text, pair=None, **options):
    ...         return from_arrays([[[[1.0]]]], [text])
    >>> isinstance(Mine(), Runner)
    True
    """

    name: str


@runtime_checkable
class RunsBatches(Protocol):
    """Runs a model on many texts, several in one forward pass."""

    def run_many(self, texts: Sequence[Any]) -> Iterator[Capture | InputError]:
        """Return the capture of each text, or in its place the error that says why not."""


@runtime_checkable
class Ablates(Protocol):
    """Runs a model with attention heads ablated."""

    def ablate(
        self, text: Any, sets: Any = None, pair: str | None = None, **options: Any
    ) -> Iterator[tuple[tuple[tuple[int, int], ...], Prediction]]:
        """Return the prediction of the model as it is, then with each set of heads ablated."""


@runtime_checkable
class TakesGradients(Protocol):
    """Takes the gradient of one output by attention."""

    def gradients(self, text: Any, pair: str | None = None, **options: Any) -> Capture:
        """Return the capture of a text whose layers have ``gradient``."""


@runtime_checkable
class TakesInputGradients(Protocol):
    """Takes the gradient of one output by the embedding of each token."""

    def input_gradients(self, text: Any, pair: str | None = None, **options: Any) -> Any:
        """Return the length of each token's gradient, ``(token,)``."""


@runtime_checkable
class BlanksOut(Protocol):
    """Measures how one output changes when a token is replaced by a blank one."""

    def blank_out(self, text: Any, pair: str | None = None, **options: Any) -> Any:
        """Return the change for each token, ``(token,)``."""


@runtime_checkable
class HoldsModel(Protocol):
    """Holds a model, its tokenizer, and the lock that makes its users take turns."""

    model: Any
    tokenizer: Any
    lock: AbstractContextManager[Any]


@runtime_checkable
class HoldsNamedModel(HoldsModel, Protocol):
    """Holds a model, what it is called, and whether captures of it keep weights."""

    name: str
    weights: bool | str
