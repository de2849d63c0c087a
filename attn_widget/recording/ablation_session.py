"""`AblationSession`: one text, and the passes that try one set of ablated heads after another.

Several sets share a pass, one an item, and layers below the first ablated head are not run again.
Both are tried on the unchanged model first: where its output then differs, every set has a whole
forward pass of its own.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence
from typing import Any

import torch

from attn_widget.errors import InputError
from attn_widget.recording.activation_reuse import LayerActivations, repeat_items
from attn_widget.recording.batching import items_per_pass
from attn_widget.recording.capture import traced
from attn_widget.recording.head_mask import AblatedHeads, HeadMask
from attn_widget.recording.inputs.model_call import describe
from attn_widget.recording.nested import tensors_in
from attn_widget.recording.output import find_logits
from attn_widget.recording.prediction import PredictionReader, PredictionSpec
from attn_widget.recording.tracing.recorder import DiscardingRecorder
from attn_widget.records import Capture, Prediction
from attn_widget.records.protocols import HoldsModel

# What a model may raise that is given several items, or activations of layers, that it cannot take.
UNFIT = (RuntimeError, ValueError, TypeError, LookupError, AttributeError)


class AblationSession:
    """One text, what is read from the model's output, and how its passes are run.

    Parameters
    ----------
    runner
        Holds the model and its tokenizer.
    inputs
        What the model is called with: one item, without padding.
    capture
        The capture of these inputs.
    mode
        One of `ABLATE_MODES`.
    spec
        What is read from the output.
    """

    def __init__(
        self, runner: HoldsModel, inputs: Any, capture: Capture, mode: str, spec: PredictionSpec
    ) -> None:
        self.model = runner.model
        self.inputs = inputs
        self.mode = mode
        # Heads of each attention call of the pass, as far as the capture holds them.
        self.n_heads: dict[int, int] = {}
        for layer in capture.layers:
            for call, head in (place for places in layer.head_calls for place in places):
                self.n_heads[call] = max(self.n_heads.get(call, 0), head + 1)
        self.n_rows = max(layer.n_queries for layer in capture.layers)
        self.activations = LayerActivations(self.model, [layer.name for layer in capture.layers])
        self.shared = False  # whether sets share passes and layers are reused
        # Inputs without names cannot take further arguments by name.
        named = hasattr(inputs, "keys")
        taken = inspect.signature(self.model.forward).parameters if named else {}
        self._always = {"use_cache": False} if "use_cache" in taken else {}
        self._if_shared: dict[str, Any] = {}
        returned = self._run([{}], store=True)
        self.reader = PredictionReader(
            self.model, runner.tokenizer, inputs, returned, capture, spec
        )
        self.before: Prediction = self.reader.read(returned, 0, 1)
        expected = self._main_tensor(returned)
        last = expected.ndim == 3 and self.reader.reads_last_row_only(expected.shape[1])
        if last and "logits_to_keep" in taken:
            self._if_shared = {"logits_to_keep": 1}
        self.shared = self._agrees(expected, shared=True)
        if not self.shared and not self._agrees(expected, shared=False):
            raise InputError(
                "model must give the same output twice, got other numbers. "
                "Remove what is random from its forward."
            )
        rows = 1 if self._if_shared else expected.shape[1] if expected.ndim == 3 else 1
        size = expected.shape[-1] * rows * expected.element_size()
        self.logits_bytes = 0 if callable(spec.output) else size

    def passes(self, sets: Sequence[AblatedHeads], batch: int | None) -> Iterator[list[int]]:
        """Return which sets share a pass: those that begin at one layer, as many as fit."""
        device = next(self.model.parameters()).device.type
        size = items_per_pass(device, self.n_rows, self.logits_bytes, batch) if self.shared else 1
        chunk: list[int] = []
        for i in sorted(range(len(sets)), key=lambda i: self._reusable(sets[i])):
            another = chunk and self._reusable(sets[i]) != self._reusable(sets[chunk[0]])
            if len(chunk) == size or (another and 2 * len(chunk) >= size):
                yield chunk
                chunk = []
            chunk.append(i)
        if chunk:
            yield chunk

    def predict(self, sets: Sequence[AblatedHeads]) -> list[Prediction]:
        """Run the model once, each item with its own heads ablated, and read each item."""
        returned = self._run(sets, min(map(self._reusable, sets)))
        return [self.reader.read(returned, i, len(sets)) for i in range(len(sets))]

    def _reusable(self, ablated: AblatedHeads) -> int:
        """Return how many layer calls come before the first ablated head."""
        return self.activations.calls_below(min(ablated)) if self.shared and ablated else 0

    def _run(self, sets: Sequence[AblatedHeads], reuse: int = 0, *, store: bool = False) -> Any:
        """Run the model for as many equal items as there are sets."""
        inputs = self.inputs if len(sets) == 1 else repeat_items(self.inputs, len(sets))
        more = {**self._always, **(self._if_shared if self.shared else {})}
        if more:
            inputs = {**{name: inputs[name] for name in inputs}, **more}
        call = describe(self.model, inputs)
        self.mask = HeadMask(sets, self.mode)
        layers = (
            self.activations.stored(self.mask)
            if store
            else self.activations.reused(reuse, self.mask)
        )
        with traced(call, DiscardingRecorder(self.model), self.mask), layers:
            return call.run()

    def _agrees(self, expected: torch.Tensor, *, shared: bool) -> bool:
        """Return whether the unchanged model gives the same output when it is run in this way."""
        n, reuse = (2, len(self.activations.calls) - 1) if shared else (1, 0)
        if reuse < 0 or (shared and any(len(t) != 1 for t in tensors_in(self.inputs) if t.ndim)):
            return False
        self.shared = shared
        try:
            returned = self._main_tensor(self._run([{}] * n, reuse))
        except UNFIT:
            return False
        if shared and self._if_shared:
            expected = expected[:, -1:]
        # Heads and items must have been told apart as in the capture.
        split = all(
            rows % n == 0 and heads == self.n_heads.get(i, heads)
            for i, (rows, heads) in self.mask.shapes.items()
        )
        if not split or returned.shape != ((n, *expected.shape[1:]) if shared else expected.shape):
            return False
        close = 1e-4 if expected.dtype in (torch.float32, torch.float64) else 5e-2
        scale = expected.abs().amax().clamp(min=1.0)
        return bool(((returned - expected).abs().amax() <= close * scale).all())

    def _main_tensor(self, returned: Any) -> torch.Tensor:
        """Return the model's logits, else the first tensor that it returns."""
        logits = find_logits(returned, self.model)
        return next(tensors_in(returned)) if logits is None else logits
