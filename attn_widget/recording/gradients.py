"""Gradients of one output of a model by its attention and by its input."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from jaxtyping import Float

from attn_widget.errors import InputError
from attn_widget.recording.differentiable import differentiable, normal_tensors
from attn_widget.recording.output import (
    OutputChoice,
    RunsModel,
    logits_of,
    output_index,
    outputs_of,
)
from attn_widget.records import Capture, LayerAttention, renamed_arguments
from attn_widget.records.runner_call import keeps_call


@renamed_arguments(of="output")
@keeps_call
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
    One forward and one backward pass; keeps the weights of all layers. The same for a frozen model
    and under ``torch.no_grad()`` or ``torch.inference_mode()``; a layer that takes no gradients, as
    some quantised ones do, is refused.

    Examples
    --------
    >>> import attn_widget as aw, transformers
    >>> small = transformers.GPT2Config(n_layer=2, n_head=2, n_embd=8, vocab_size=50)
    >>> runner = aw.ModelRunner(transformers.GPT2LMHeadModel(small))
    >>> runner.gradients([5, 6, 7], output=9).layers[0].gradient.shape
    torch.Size([2, 3, 3])
    """
    model = runner.model
    with runner.lock, differentiable(model) as check_layers, outputs_of(model) as outputs:
        text, options = normal_tensors(text), normal_tensors(options)
        capture = runner.run(text, pair, keep_graph=True, weights=True, **options)
        check_layers()
        score = _score(runner, outputs[-1], output)
        found = _gradients_of(score, [layer.weights for layer in capture.layers], output)
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
    model = runner.model
    with (
        runner.lock,
        differentiable(model) as check_layers,
        outputs_of(model) as outputs,
        _embedded(model) as kept,
    ):
        text, options = normal_tensors(text), normal_tensors(options)
        runner.run(text, pair, keep_graph=True, weights=True, **options)
        check_layers()
        score = _score(runner, outputs[-1], output)
        if not kept:
            raise InputError(
                "model must look its ids up in a table of embeddings, got "
                f"{type(model).__name__} without one. Use another method."
            )
        (found,) = _gradients_of(score, [kept[-1]], output)
    found = torch.zeros_like(kept[-1]) if found is None else found
    return found[0].float().norm(dim=-1).detach().cpu().numpy()


@contextlib.contextmanager
def _embedded(model: Any) -> Iterator[list[torch.Tensor]]:
    """Collect the embeddings of the ids that the model reads inside, newest last.

    Without a table that the model names, it is the one that is looked up with the model's input:
    another table is of positions.
    """
    kept: list[torch.Tensor] = []
    ids: list[torch.Tensor] = []
    try:
        named = model.get_input_embeddings()
    except (AttributeError, NotImplementedError):
        named = None
    tables = [m for m in model.modules() if isinstance(m, torch.nn.Embedding)]

    def read(module: Any, args: Any, kwargs: Any) -> None:
        ids.extend(t for t in (*args, *kwargs.values()) if isinstance(t, torch.Tensor))

    def keep(module: Any, args: Any, embedded: torch.Tensor) -> None:
        if named is not None or any(torch.equal(args[0], given) for given in ids):
            kept.append(embedded)

    handles = [model.register_forward_pre_hook(read, with_kwargs=True)]
    try:
        handles += [m.register_forward_hook(keep) for m in ([named] if named else tables)]
        yield kept
    finally:
        for handle in handles:
            handle.remove()


def _gradients_of(
    score: torch.Tensor, by: list[Any], output: OutputChoice
) -> tuple[torch.Tensor | None, ...]:
    """Return the gradients of a score; None for what it does not depend on."""
    free = [tensor for tensor in by if tensor.requires_grad]
    found: tuple[torch.Tensor | None, ...] = ()
    if score.requires_grad and free:
        found = torch.autograd.grad(score, free, allow_unused=True)
    if all(gradient is None for gradient in found):
        raise InputError(
            f"output must depend on the model's attention, got {output!r}. "
            "Name a class, a token, or a function."
        )
    of = dict(zip(map(id, free), found, strict=True))
    return tuple(of.get(id(tensor)) for tensor in by)


def _score(runner: RunsModel, returned: Any, output: OutputChoice) -> torch.Tensor:
    """Return the chosen output, as one number with a graph."""
    index = output_index(runner.tokenizer, returned, output, runner.model)
    score = index(returned) if callable(index) else logits_of(returned, runner.model)[index]
    if not isinstance(score, torch.Tensor) or score.numel() != 1:
        got = getattr(score, "shape", type(score).__name__)
        raise InputError(f"output must give one number, got {got}. Sum it.")
    return score.reshape(())


def _without_graph(layer: LayerAttention, gradient: torch.Tensor) -> LayerAttention:
    """Return a layer without a graph, and with its gradient."""
    names = ("weights", "q", "k", "v", "mask", "bias", "sinks")
    parts = {name: getattr(layer, name) for name in names}
    plain: dict[str, Any] = {
        name: part.detach() for name, part in parts.items() if isinstance(part, torch.Tensor)
    }
    return dataclasses.replace(layer, **plain, gradient=gradient.detach())
