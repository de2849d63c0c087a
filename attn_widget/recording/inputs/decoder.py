"""What the decoder of an encoder-decoder reads: a target, or what the model writes greedily."""

from __future__ import annotations

import copy
from typing import Any

import torch

from attn_widget.recording.inputs.encode import check_ids

# Settings of a generation configuration with which a model writes the likeliest token each time.
GREEDY = {"do_sample": False, "num_beams": 1, "temperature": None, "top_p": None, "top_k": None}


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
    device = next(model.parameters()).device
    if target is None:
        return _after_start(model, _write(model, inputs, max_new_tokens))
    if not isinstance(target, str):
        return torch.as_tensor(target, device=device).reshape(1, -1)
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
