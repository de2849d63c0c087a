"""`PredictionReader`: what a model returns -> the `Prediction` at one position, for each item."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch

from attn_widget.errors import InputError
from attn_widget.recording.inputs.tokens import tokenizer_of
from attn_widget.recording.output import OutputChoice, find_logits, index_in, logits_of
from attn_widget.records import Capture, Prediction, check_index, to_numpy


@dataclass(frozen=True)
class PredictionSpec:
    """Which number or distribution of a model's output is read; arguments as in `ablate`."""

    output: OutputChoice
    position: int | None
    loss: bool | None


class PredictionReader:
    """Reads the same number or distribution from every item that a model returns.

    Parameters
    ----------
    model, tokenizer
        The model, and what names its tokens.
    inputs, returned
        One item, and what the model returned for it.
    capture
        Its capture.
    spec
        What is read.
    """

    def __init__(
        self,
        model: Any,
        tokenizer: Any,
        inputs: Any,
        returned: Any,
        capture: Capture,
        spec: PredictionSpec,
    ) -> None:
        self.output = spec.output
        self.kind = "score"
        self.row: int | None = None  # of the logits; None for a class or a score
        self.loss = False
        self._ids: Any = None
        self._asked: int | None = None
        if callable(self.output):
            return
        self._model = model
        logits_of(returned, model)  # refuses a model without logits
        logits = whole = self._logits(returned)
        reader = tokenizer_of(tokenizer)
        if logits.ndim == 3:
            self.kind = "token"
            self._ids = _ids_of(inputs)
            mask = getattr(reader, "mask_token_id", None)
            self.row = _position(spec.position, self._ids, mask, logits.shape[1])
            logits = logits[:, self.row : self.row + 1]
        else:
            self.kind = "class"
            if spec.position is not None:
                raise InputError(
                    "position must be omitted for a model that predicts a class, "
                    f"got {spec.position}."
                )
        names = getattr(getattr(model, "config", None), "id2label", None) or {}
        if self.kind == "token" and hasattr(reader, "convert_ids_to_tokens"):
            self._label = lambda i: reader.decode([i], clean_up_tokenization_spaces=False)
        else:
            self._label = lambda i: str(i if self.kind == "token" else names.get(i, i))
        causal = spec.loss is not False and self._predicts_next(whole, capture)
        if spec.loss and not causal:
            raise InputError("loss must be of a model that predicts its next token, got another.")
        self.loss = causal
        if self.output is not None:
            self._asked = index_in(tokenizer, logits.reshape(-1, logits.shape[-1])[0], self.output)

    def reads_last_row_only(self, n_rows: int) -> bool:
        """Return whether nothing but the last row of the logits is read."""
        return self.row == n_rows - 1 and not self.loss

    def read(self, returned: Any, item: int, batch: int) -> Prediction:
        """Return the prediction of one item; the logits may be those of the last row alone."""
        if callable(self.output):
            value = self.output(_item(returned, item, batch))
            if getattr(value, "numel", lambda: 1)() != 1:
                raise InputError(
                    f"output must give one number, got shape {tuple(value.shape)}. Sum it."
                )
            return Prediction("score", score=float(value))
        logits = self._logits(returned)[item]
        loss = None
        if self.loss:
            loss = float(torch.nn.functional.cross_entropy(logits[:-1].float(), self._ids[1:]))
        row = logits if self.row is None else logits[min(self.row, len(logits) - 1)]
        values = to_numpy(row.float()).copy()
        return Prediction(self.kind, values, self._label, self.row, loss, asked=self._asked)

    def _logits(self, returned: Any) -> torch.Tensor:
        """Return the logits of all items."""
        logits = find_logits(returned, self._model)
        assert logits is not None  # the first pass had some
        return logits

    def _predicts_next(self, logits: torch.Tensor, capture: Capture) -> bool:
        """Return whether no row of the stream that gives the logits sees a later position."""
        n_rows = logits.shape[1]
        if self.kind != "token" or self._ids is None or len(self._ids) != n_rows or n_rows < 2:
            return False
        own = [x for x in capture.layers if x.kind == "self" and x.n_queries == n_rows]
        return bool(own) and not to_numpy(own[-1].weights_for(rows=[0]))[:, 0, 1:].any()


def _position(given: int | None, ids: Any, mask: int | None, n: int) -> int:
    """Return the position whose logits are read: the masked token's where there is one."""
    if given is not None:
        return check_index("position", given, n, "Choose a position of the text.")
    if ids is not None and mask is not None:
        masked = (ids == mask).nonzero().flatten().tolist()
        if masked and masked[0] < n:
            return masked[0]
    return n - 1


def _ids_of(inputs: Any) -> Any:
    """Return the ids along the rows of the logits, or None where the inputs hold none."""
    if not hasattr(inputs, "keys"):
        return None
    names = ("decoder_input_ids", "input_ids")
    found = next((inputs[name] for name in names if name in inputs), None)
    return None if found is None else found[0]


def _item(returned: Any, item: int, batch: int) -> Any:
    """Return a model's output as it would be for one item alone."""
    if isinstance(returned, torch.Tensor):
        return returned[item : item + 1] if returned.ndim and len(returned) == batch else returned
    if isinstance(returned, Mapping):
        parts = {name: _item(part, item, batch) for name, part in returned.items()}
        return type(returned)(**parts)
    if isinstance(returned, list | tuple):
        items = [_item(part, item, batch) for part in returned]
        made = getattr(returned, "_make", type(returned))  # a named tuple takes its fields apart
        return made(items)
    if hasattr(returned, "__dict__") and not callable(returned):
        one = copy.copy(returned)
        vars(one).update({name: _item(part, item, batch) for name, part in vars(one).items()})
        return one
    return returned
