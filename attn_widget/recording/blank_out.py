"""Blank-out: how one output of a model changes without each token of its text."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from jaxtyping import Float

from attn_widget.errors import InputError
from attn_widget.recording.activation_reuse import repeat_items
from attn_widget.recording.batching import items_per_pass
from attn_widget.recording.inputs.prepare import prepare
from attn_widget.recording.inputs.tokens import tokenizer_of
from attn_widget.recording.output import (
    OutputChoice,
    RunsModel,
    find_logits,
    output_index,
    outputs_of,
)
from attn_widget.records import renamed_arguments


@renamed_arguments(of="output")
def blank_out(
    runner: RunsModel,
    text: Any,
    pair: str | None = None,
    *,
    output: OutputChoice = None,
    blank: int | None = None,
) -> Float[np.ndarray, " token"]:
    """Return the absolute change of one output when each token is replaced by a blank token.

    Parameters
    ----------
    text, pair
        As in `ModelRunner.run`.
    output
        Which output, as in `ModelRunner.gradients`; what is predicted for the whole text stays the
        one that is measured.
    blank
        Id of the blank token; omitted: the tokenizer's mask or unknown token, else its end token.

    Returns
    -------
    array, (token,)
        For a class or token, the change of its probability; for a function, of its value.

    Raises
    ------
    InputError
        If the tokenizer has no blank token and none is given.

    Notes
    -----
    Each token is blanked in a copy of the text, and as many copies share a forward pass as fit; one
    at a time for a function. What an encoder-decoder writes for the whole text is held fixed.

    Examples
    --------
    >>> import attn_widget as aw, transformers
    >>> small = transformers.GPT2Config(n_layer=2, n_head=2, n_embd=8, vocab_size=50)
    >>> aw.ModelRunner(transformers.GPT2LMHeadModel(small)).blank_out([5, 6, 7], blank=0).shape
    (3,)
    """
    model = runner.model
    blank = _blank_id(runner.tokenizer, blank)
    with runner.lock, torch.no_grad(), outputs_of(model) as outputs:
        ready = prepare(model, runner.tokenizer, text, pair)
        inputs = dict(ready.inputs)
        runner.run(inputs, weights=False)
        output = output_index(runner.tokenizer, outputs[-1], output, model)
        (before,) = _values(outputs[-1], output, model)
        n, changes = inputs["input_ids"].shape[1], []
        size = 1 if callable(output) else _items_per_pass(model, outputs[-1], n)
        for start in range(0, n, size):
            blanked = torch.arange(start, min(start + size, n))
            copies = repeat_items(inputs, len(blanked))
            copies["input_ids"][torch.arange(len(blanked)), blanked] = blank
            runner.run(copies, weights=False)
            changes += [abs(value - before) for value in _values(outputs[-1], output, model)]
    return np.array(changes)


def _values(
    returned: Any, output: int | Callable[[Any], Any], model: torch.nn.Module
) -> list[float]:
    """Return the probability of a class or token for every item, or the value of a function."""
    if callable(output):
        return [float(output(returned))]
    logits = find_logits(returned, model)
    assert logits is not None  # its index was read from them
    logits = logits if logits.ndim == 2 else logits[:, -1]
    return logits.float().softmax(-1)[:, output].tolist()


def _items_per_pass(model: torch.nn.Module, returned: Any, n_tokens: int) -> int:
    """Return how many copies of a text share a pass."""
    device = next(model.parameters()).device.type
    logits = find_logits(returned, model)
    size = 0 if logits is None else logits.numel() * logits.element_size()
    return items_per_pass(device, n_tokens, size)


def _blank_id(reader: Any, blank: int | None) -> int:
    """Return the id of the blank token."""
    tokenizer = tokenizer_of(reader)
    names = ("mask_token_id", "unk_token_id", "eos_token_id")
    ids = (blank, *(getattr(tokenizer, name, None) for name in names))
    found = next((i for i in ids if i is not None), None)
    if found is None:
        raise InputError(
            "blank must be given, got None from a tokenizer without one. Give the id of a token."
        )
    return found
