"""One question to a model, asked again and again with other heads off, as cheaply as this model allows.

Items of one batch each have their own heads off; layers below the first change give back what they gave. Whether a
model can be asked like this is tried on the model itself, unchanged: where its answer differs, less is shared.
"""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import torch

from attn_widget.errors import InputError
from attn_widget.recording.activation_reuse import Layers, repeated
from attn_widget.recording.capture import recording
from attn_widget.recording.gradients import Of, logits_of
from attn_widget.recording.head_mask import Off, Switches
from attn_widget.recording.inputs.model_call import describe
from attn_widget.recording.narrow import narrowed
from attn_widget.records import Capture, Prediction, to_numpy

# Rows of all items in one pass: enough for matrix products to run at full speed, few enough to stay near the processor.
ROWS = {"cpu": 640}
ROWS_ELSEWHERE = 16384
LOGITS_BYTES = 256 * 2**20
# What a model may raise when it is given several items, or answers of layers, that it cannot take.
UNFIT = (RuntimeError, ValueError, TypeError, LookupError, AttributeError)


@dataclass
class Question:
    """One text, what is asked of it, and what the model did with all heads on."""

    runner: Any
    inputs: Any
    seen: Capture
    how: str
    of: Of
    position: int | None
    loss: bool | None
    layers: Layers = field(init=False)
    batched: bool = field(init=False)
    resumes: bool = field(init=False)
    narrow: bool = field(init=False, default=False)
    logits_bytes: int = field(init=False, default=0)

    def begin(self) -> Prediction:
        """Run the model as it is, remember its layers, and find out how much of a pass can be shared."""
        model = self.runner.model
        self.layers = Layers(model, [layer.name for layer in self.seen.layers])
        # What has no names cannot be given more arguments by name.
        taken = inspect.signature(model.forward).parameters if hasattr(self.inputs, "keys") else {}
        self._more = {"use_cache": False} if "use_cache" in taken else {}
        output = self._run([{}], remember=True)
        self.expected = _main(output)
        if not callable(self.of):
            self._read(output)
        before = self._prediction(output, 0, 1)
        self._widest = self.expected, None if callable(self.of) else self._row
        # The vocabulary is the widest matrix of all: only the row that is asked for is multiplied with it.
        last = (
            not callable(self.of)
            and self._row == self._n_rows - 1
            and not self.loss
            and "logits_to_keep" in taken
        )
        for keep in [True, False] if last else [False]:
            if self._shares(keep):
                return before
        raise InputError(
            "model must answer the same when it is asked twice, got other numbers. Take out what is random."
        )

    def _shares(self, keep: bool) -> bool:
        """Find the cheapest way to ask that gives the model's own answer, and return whether there is one."""
        self.expected, self._row = self._widest
        self._more.pop("logits_to_keep", None)
        if keep:
            self._more["logits_to_keep"], self._row = 1, 0
            self.expected = self.expected[:, -1:]
        if not callable(self.of):
            self.logits_bytes = self.expected.numel() * self.expected.element_size()
        tensors = [t for t in _tensors(self.inputs) if t.ndim > 0]
        several = [True, False] if all(len(t) == 1 for t in tensors) else [False]
        # One row alone can be asked for only where one row alone is read.
        one_row = (
            [True, False]
            if not callable(self.of) and self._row is not None and not self.loss
            else [False]
        )
        ways = [(b, r, narrow) for b in several for r in (True, False) for narrow in one_row]
        found = next((way for way in ways if self._holds(*way)), None)
        self.batched, self.resumes, self.narrow = found or (False, False, False)
        return found is not None

    def passes(self, offs: list[Off], batch: int | None) -> Iterator[list[int]]:
        """Return which sets are tried together: those that begin at one layer, as many as one pass should take."""
        rows = max(layer.n_queries for layer in self.seen.layers)
        device = next(self.runner.model.parameters()).device.type
        size = max(1, ROWS.get(device, ROWS_ELSEWHERE) // rows) if batch is None else batch
        if self.logits_bytes:
            size = max(1, min(size, LOGITS_BYTES // self.logits_bytes))
        size = size if self.batched else 1
        chunk: list[int] = []
        for i in sorted(range(len(offs)), key=lambda i: self._below(offs[i])):
            another = chunk and self._below(offs[i]) != self._below(offs[chunk[0]])
            if len(chunk) == size or (another and 2 * len(chunk) >= size):
                yield chunk
                chunk = []
            chunk.append(i)
        if chunk:
            yield chunk

    def answer(self, offs: list[Off]) -> list[Prediction]:
        """Run the model once, each item with its own heads off."""
        output = self._run(offs, min(map(self._below, offs)))
        return [self._prediction(output, i, len(offs)) for i in range(len(offs))]

    def _below(self, off: Off) -> int:
        """Return how many calls of layers come before the first change."""
        return self.layers.below(min(off)) if self.resumes and off else 0

    def _run(self, offs: Sequence[Off], skip: int = 0, remember: bool = False) -> Any:
        """Run the model for as many equal items as there are sets."""
        model = self.runner.model
        inputs = self.inputs if len(offs) == 1 else repeated(self.inputs, len(offs))
        if self._more:
            inputs = {**{name: inputs[name] for name in inputs}, **self._more}
        call = describe(model, inputs)
        self.switches = switches = Switches(model, offs, self.how)
        layers = (
            self.layers.remembered(switches) if remember else self.layers.skipped(skip, switches)
        )
        all_rows = contextlib.nullcontext()
        if self.narrow:
            all_rows = narrowed(model, switches, len(self.seen.layers), self._place, self._n_rows)
        with recording(model, switches, call), layers, all_rows:
            return call.run()

    def _holds(self, batched: bool, resumes: bool, narrow: bool) -> bool:
        """Return whether the unchanged model answers alike when asked in this way."""
        if resumes and not self.layers.calls:
            return False
        n = 2 if batched else 1
        self.narrow = narrow
        try:
            output = self._run([{}] * n, len(self.layers.calls) - 1 if resumes else 0)
        except UNFIT:
            return False
        heads = [layer.n_heads for layer in self.seen.layers]
        told = all(
            rows % n == 0 and found == heads[i] for i, (rows, found) in self.switches.shapes.items()
        )
        one, several = self.expected, _main(output)
        if not told or several.shape != (one.shape if n == 1 else (n, *one.shape[1:])):
            return False
        if narrow:
            one, several = one[:, self._row], several[:, self._row]
        close = 1e-4 if one.dtype in (torch.float32, torch.float64) else 5e-2
        return bool(((several - one).abs().amax() <= close * one.abs().amax().clamp(min=1.0)).all())

    def _read(self, output: Any) -> None:
        """Note which row of the logits is asked for, and what it is called."""
        logits_of(output)  # refuses a model without logits
        runner, logits = self.runner, output.logits
        config = getattr(runner.model, "config", None)
        reader = getattr(runner.tokenizer, "tokenizer", runner.tokenizer)
        self._kind, self._row, self._n_rows = "class", None, 0
        names = getattr(config, "id2label", None) or {}
        self._label = lambda i: str(names.get(i, i))
        if logits.ndim == 3:
            ids = self._ids()
            self._kind, self._n_rows = "token", logits.shape[1]
            self._row = self._position(ids, getattr(reader, "mask_token_id", None))
            if hasattr(reader, "convert_ids_to_tokens"):
                self._label = lambda i: reader.decode([i], clean_up_tokenization_spaces=False)
        elif self.position is not None:
            raise InputError(
                f"position must be left out for a model that names a class, got {self.position}."
            )
        self._place = self._row
        if self.loss is None:
            self.loss = self._predicts_next()
        elif self.loss and not self._predicts_next():
            raise InputError(
                "loss must be asked of a model that predicts its next token, got one that does not."
            )
        self._asked = None
        if self.of is not None:
            row = logits[:, self._row : self._row + 1] if logits.ndim == 3 else logits
            self._asked = runner._named(SimpleNamespace(logits=row), self.of)

    def _position(self, ids: Any, mask: int | None) -> int:
        """Return the position whose logits are read."""
        n = self._n_rows
        if self.position is None:
            masked = (
                [] if ids is None or mask is None else (ids == mask).nonzero().flatten().tolist()
            )
            return masked[0] if masked and masked[0] < n else n - 1
        if not -n <= self.position < n:
            raise InputError(
                f"position must be 0 to {n - 1}, got {self.position}. Choose a position of the text."
            )
        return self.position % n

    def _ids(self) -> Any:
        """Return the ids along the logits' rows, or None where the inputs do not tell."""
        if not hasattr(self.inputs, "keys"):
            return None
        names = ("decoder_input_ids", "input_ids")
        found = next((self.inputs[name] for name in names if name in self.inputs), None)
        return None if found is None else found[0]

    def _predicts_next(self) -> bool:
        """Return whether no row of the stream that gives the logits sees a later position."""
        if (
            self._kind != "token"
            or self._ids() is None
            or len(self._ids()) != self._n_rows
            or self._n_rows < 2
        ):
            return False
        own = [x for x in self.seen.layers if x.kind == "self" and x.n_queries == self._n_rows]
        return bool(own) and not to_numpy(own[-1].weights_for(rows=[0]))[:, 0, 1:].any()

    def _prediction(self, output: Any, item: int, batch: int) -> Prediction:
        """Return one item's answer."""
        if callable(self.of):
            value = self.of(_item(output, item, batch))
            if getattr(value, "numel", lambda: 1)() != 1:
                raise InputError(
                    f"of must give one number, got shape {tuple(value.shape)}. Sum it."
                )
            return Prediction("score", score=float(value))
        logits = output.logits[item]
        loss = None
        if self.loss:
            loss = float(torch.nn.functional.cross_entropy(logits[:-1].float(), self._ids()[1:]))
        row = logits if self._row is None else logits[self._row]
        values = to_numpy(row.float()).copy()
        return Prediction(self._kind, values, self._label, self._place, loss, asked=self._asked)


def _item(output: Any, item: int, batch: int) -> Any:
    """Return a model's output as it would be for one item alone."""
    if isinstance(output, torch.Tensor):
        return output[item : item + 1] if output.ndim and len(output) == batch else output
    if isinstance(output, Mapping):
        return type(output)(**{name: _item(part, item, batch) for name, part in output.items()})
    if isinstance(output, list | tuple):
        return type(output)(_item(part, item, batch) for part in output)
    return output


def _tensors(value: Any) -> list[torch.Tensor]:
    """Return all tensors of what a model takes or gives."""
    if isinstance(value, torch.Tensor):
        return [value]
    parts = (
        value.values()
        if hasattr(value, "keys")
        else value
        if isinstance(value, list | tuple)
        else ()
    )
    return [tensor for part in parts for tensor in _tensors(part)]


def _main(output: Any) -> torch.Tensor:
    """Return what a model answers: its logits, else the first tensor it gives."""
    logits = getattr(output, "logits", None)
    return logits if isinstance(logits, torch.Tensor) else _tensors(output)[0]
