"""What the decoder of an encoder-decoder reads: a target, or what the model writes greedily."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import torch

from attn_widget.errors import InputError
from attn_widget.recording.inputs.limits import check_ids
from attn_widget.recording.inputs.model_forward import can_write, execution_device, reads_target

# Settings of a generation configuration with which a model writes the likeliest token each time.
GREEDY = {"do_sample": False, "num_beams": 1, "temperature": None, "top_p": None, "top_k": None}
# Arguments that hold what a decoder reads.
DECODER_INPUTS = ("decoder_input_ids", "decoder_inputs_embeds")


def check_target(model: torch.nn.Module, given: Any, target: Any, max_new_tokens: Any) -> None:
    """Refuse a target, or a length of one, that the model would not read or write.

    Raises
    ------
    InputError
        If the model has no decoder that reads ids, the inputs hold them already, or the target is a
        class.
    """
    if target is not None and (
        not reads_target(model) or isinstance(target, int | np.integer | float)
    ):
        rule = (
            "a text or ids that the decoder reads"
            if reads_target(model)
            else "left out for a model without a decoder that reads ids"
        )
        raise InputError(
            f"target must be {rule}, got {target!r}. To explain a class or a token, "
            "name it by output=.",
            code=f"runner.gradients(text, output={target!r})",
        )
    held = next((n for n in DECODER_INPUTS if hasattr(given, "keys") and n in given), None)
    if target is not None and held is not None:
        raise InputError(f"target must be left out beside {held}, got both. Give one of them.")
    if max_new_tokens is None:
        return
    if not reads_target(model):
        raise InputError(
            "max_new_tokens must be left out for a model without a decoder that reads ids, "
            f"got {max_new_tokens!r}. To let the model write, use generate.",
            code=f"runner.generate(text, max_new_tokens={max_new_tokens!r})",
        )
    if target is not None or held is not None or not can_write(model):
        reason = "for a model that cannot write" if not can_write(model) else "beside a target"
        raise InputError(
            f"max_new_tokens must be left out {reason}, got {max_new_tokens!r}. "
            "It limits what the model writes where no target is given."
        )
    whole = isinstance(max_new_tokens, int) and not isinstance(max_new_tokens, bool)
    if not whole or max_new_tokens < 1:
        raise InputError(
            f"max_new_tokens must be 1 or more, got {max_new_tokens!r}. Give a number of tokens."
        )


def decoder_ids(
    model: Any, tokenizer: Any, inputs: Any, target: Any, max_new_tokens: int
) -> torch.Tensor:
    """Return the ids that the decoder reads.

    Parameters
    ----------
    model, tokenizer
        The model, and what makes ids of a target's text.
    inputs
        What the encoder reads.
    target
        A text, or ids; None: what the model writes.
    max_new_tokens
        How much it may write.
    """
    if target is None:
        return _after_start(model, _write(model, inputs, max_new_tokens))
    device = execution_device(model)
    if not isinstance(target, str):
        return torch.as_tensor(target, device=device).reshape(1, -1)
    if tokenizer is None or not hasattr(tokenizer, "convert_ids_to_tokens"):
        raise InputError(
            "tokenizer must be given to read a target, "
            f"got {'None' if tokenizer is None else type(tokenizer).__name__}. Give its ids.",
            code="runner.run(text, target=ids)",
        )
    encoded = tokenizer(text_target=target, return_tensors="pt", verbose=False)
    ids = encoded["input_ids"].to(device)
    check_ids(model, ids, tokenizer)
    return _after_start(model, ids)


def _after_start(model: Any, ids: torch.Tensor) -> torch.Tensor:
    """Return ids after the token that the decoder starts from."""
    start = getattr(model.config, "decoder_start_token_id", None)
    if start is None or int(ids[0, 0]) == start:
        return ids
    return torch.cat([torch.full_like(ids[:, :1], start), ids], dim=1)


def _write(model: Any, inputs: Any, max_new_tokens: int) -> torch.Tensor:
    """Return the ids that the model writes, greedily."""
    settings = copy.deepcopy(model.generation_config)
    settings.update(max_new_tokens=max_new_tokens, max_length=None, **GREEDY)
    with torch.no_grad():
        return model.generate(**inputs, generation_config=settings)
