"""Gradients and blank-out: how one output of a model depends on attention and on its input.

The output is named by ``output``: a class or token of the model's logits, or a function of what the
model returns.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Iterator
from typing import Any, Protocol

import numpy as np
import torch
from jaxtyping import Float

from attn_widget.errors import InputError
from attn_widget.recording.activation_reuse import repeat_items
from attn_widget.recording.batching import items_per_pass
from attn_widget.recording.inputs.prepare import prepare
from attn_widget.recording.inputs.tokens import tokenizer_of
from attn_widget.records import Capture, LayerAttention, check_index, renamed_arguments
from attn_widget.records.protocols import HoldsModel, Runs

ANSWER_TOKENS = 32  # that an encoder-decoder may write

OutputChoice = int | str | Callable[[Any], Any] | None


class RunsModel(HoldsModel, Runs, Protocol):
    """What this file needs of a runner: its model, and to run it."""


@renamed_arguments(of="output")
def gradients(
    runner: RunsModel,
    text: Any,
    pair: str | None = None,
    *,
    output: OutputChoice = None,
    **options: Any,
) -> Capture:
    """Return the capture of a text with the gradient of one output by every layer's attention.

    ``gradient = ∂ output / ∂ attention``, with the attention of all layers as free variables.

    Parameters
    ----------
    text, pair
        As in `ModelRunner.run`.
    output
        Which output. None: the logit of the predicted class, or of the most likely next token after
        the last position. An int: that class or token id. A str: that token. A function: takes what
        the model returns, gives one number.
    options
        Further arguments of `ModelRunner.run`.

    Returns
    -------
    Capture
        Every layer has ``gradient``, ``(head, query, key)``.

    Raises
    ------
    InputError
        If the model has no logits and ``output`` is no function, or the output does not depend on
        attention.

    Notes
    -----
    One forward and one backward pass; keeps the weights of all layers.

    Examples
    --------
    >>> import attn_widget as aw, transformers
    >>> small = transformers.GPT2Config(n_layer=2, n_head=2, n_embd=8, vocab_size=50)
    >>> runner = aw.ModelRunner(transformers.GPT2LMHeadModel(small))
    >>> runner.gradients([5, 6, 7], output=9).layers[0].gradient.shape
    torch.Size([2, 3, 3])
    """
    with runner.lock, _outputs_of(runner.model) as outputs:
        capture = runner.run(text, pair, keep_graph=True, weights=True, **options)
        score = _score(runner, outputs[-1], output)
        found = torch.autograd.grad(
            score, [layer.weights for layer in capture.layers], allow_unused=True
        )
    if all(gradient is None for gradient in found):
        raise InputError(
            f"output must depend on the model's attention, got {output!r}. "
            "Name a class, a token, or a function."
        )
    layers = tuple(
        _without_graph(layer, torch.zeros_like(layer.weights) if gradient is None else gradient)
        for layer, gradient in zip(capture.layers, found, strict=True)
    )
    logits = capture.logits
    logits = logits.detach() if isinstance(logits, torch.Tensor) else logits
    return dataclasses.replace(capture, layers=layers, logits=logits)


@renamed_arguments(of="output")
def input_gradients(
    runner: RunsModel,
    text: Any,
    pair: str | None = None,
    *,
    output: OutputChoice = None,
    **options: Any,
) -> Float[np.ndarray, " token"]:
    """Return ``‖∂ output / ∂ embedding‖₂`` of every token.

    Parameters
    ----------
    text, pair, output, options
        As in `ModelRunner.gradients`.

    Returns
    -------
    array, (token,)
        Lengths, in units of the output per unit of embedding, 0 or more.

    Raises
    ------
    InputError
        If the model has no logits and ``output`` is no function.

    Notes
    -----
    The length, not the sum over channels: a layer norm does not depend on a shift of all channels,
    so before one that sum is zero but for rounding.

    Examples
    --------
    >>> import attn_widget as aw, transformers
    >>> small = transformers.GPT2Config(n_layer=2, n_head=2, n_embd=8, vocab_size=50)
    >>> aw.ModelRunner(transformers.GPT2LMHeadModel(small)).input_gradients([5, 6, 7]).shape
    (3,)
    """
    embedding = runner.model.get_input_embeddings()
    kept: list[torch.Tensor] = []

    def keep(module: Any, args: Any, embedded: torch.Tensor) -> torch.Tensor:
        leaf = embedded.detach().requires_grad_()
        kept.append(leaf)
        return leaf

    with runner.lock, _outputs_of(runner.model) as outputs:
        handle = embedding.register_forward_hook(keep)
        try:
            runner.run(text, pair, keep_graph=True, weights=True, **options)
        finally:
            handle.remove()
        (found,) = torch.autograd.grad(_score(runner, outputs[-1], output), [kept[-1]])
    return found[0].float().norm(dim=-1).detach().cpu().numpy()


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
    with runner.lock, torch.no_grad(), _outputs_of(model) as outputs:
        ready = prepare(model, runner.tokenizer, text, pair, max_new_tokens=ANSWER_TOKENS)
        inputs = dict(ready.inputs)
        runner.run(inputs, weights=False)
        output = output_index(runner.tokenizer, outputs[-1], output)
        (before,) = _values(outputs[-1], output)
        n, changes = inputs["input_ids"].shape[1], []
        size = 1 if callable(output) else _items_per_pass(model, outputs[-1].logits, n)
        for start in range(0, n, size):
            blanked = torch.arange(start, min(start + size, n))
            copies = repeat_items(inputs, len(blanked))
            copies["input_ids"][torch.arange(len(blanked)), blanked] = blank
            runner.run(copies, weights=False)
            changes += [abs(value - before) for value in _values(outputs[-1], output)]
    return np.array(changes)


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


def _score(runner: RunsModel, returned: Any, output: OutputChoice) -> torch.Tensor:
    """Return the chosen output, as one number with a graph."""
    index = output_index(runner.tokenizer, returned, output)
    score = index(returned) if callable(index) else logits_of(returned)[index]
    if not isinstance(score, torch.Tensor) or score.numel() != 1:
        got = getattr(score, "shape", type(score).__name__)
        raise InputError(f"output must give one number, got {got}. Sum it.")
    return score.reshape(())


def _values(returned: Any, output: int | Callable[[Any], Any]) -> list[float]:
    """Return the probability of a class or token for every item, or the value of a function."""
    if callable(output):
        return [float(output(returned))]
    logits_of(returned)  # refuses a model without logits
    logits = returned.logits if returned.logits.ndim == 2 else returned.logits[:, -1]
    return logits.float().softmax(-1)[:, output].tolist()


def _items_per_pass(model: torch.nn.Module, logits: torch.Tensor, n_tokens: int) -> int:
    """Return how many copies of a text share a pass."""
    device = next(model.parameters()).device.type
    return items_per_pass(device, n_tokens, logits.numel() * logits.element_size())


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


def _without_graph(layer: LayerAttention, gradient: torch.Tensor) -> LayerAttention:
    """Return a layer without a graph, and with its gradient."""
    names = ("weights", "q", "k", "v", "mask", "bias", "sinks")
    parts = {name: getattr(layer, name) for name in names}
    plain = {name: part.detach() for name, part in parts.items() if isinstance(part, torch.Tensor)}
    return dataclasses.replace(layer, **plain, gradient=gradient.detach())


@contextlib.contextmanager
def _outputs_of(model: torch.nn.Module) -> Iterator[list[Any]]:
    """Collect what the model returns inside, newest last."""
    outputs: list[Any] = []
    handle = model.register_forward_hook(lambda module, args, returned: outputs.append(returned))
    try:
        yield outputs
    finally:
        handle.remove()
