"""The output of a model that is read or explained: a class, a token, or a function's value."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any, Protocol

import torch

from attn_widget.errors import InputError
from attn_widget.recording.inputs.tokens import tokenizer_of
from attn_widget.records import check_index
from attn_widget.records.protocols import HoldsModel, Runs

# None: the predicted class or next token; its id; a token; or a function of what the model returns.
OutputChoice = int | str | Callable[[Any], Any] | None


class RunsModel(HoldsModel, Runs, Protocol):
    """A runner that also holds its model: what gradients and blank-out need."""


def output_index(reader: Any, returned: Any, output: OutputChoice) -> int | Callable[[Any], Any]:
    """Return the index of the chosen class or token; a function stays one."""
    if callable(output):
        return output
    logits = logits_of(returned)
    if output is None:
        return int(logits.argmax())
    if isinstance(output, str):
        ids = tokenizer_of(reader)(output, add_special_tokens=False)["input_ids"]
        if len(ids) != 1:
            raise InputError(
                f"output must be one token, got {output!r}, which is {len(ids)}. "
                "Give one token, or its id."
            )
        output = ids[0]
    remedy = "Choose a class or token that exists."
    return check_index("output", output, len(logits), remedy, negative=False)


def logits_of(returned: Any) -> torch.Tensor:
    """Return the logits of the class, or of the next token."""
    logits = getattr(returned, "logits", None)
    if logits is None or logits.ndim not in (2, 3):
        raise InputError(
            "output must be a function of what the model returns for a model without logits, "
            f"got a {type(returned).__name__}. Choose a number, such as this one.",
            code="output=lambda returned: returned.last_hidden_state.mean()",
        )
    return logits[0] if logits.ndim == 2 else logits[0, -1]


@contextlib.contextmanager
def outputs_of(model: torch.nn.Module) -> Iterator[list[Any]]:
    """Collect what the model returns inside, newest last."""
    outputs: list[Any] = []
    handle = model.register_forward_hook(lambda module, args, returned: outputs.append(returned))
    try:
        yield outputs
    finally:
        handle.remove()
