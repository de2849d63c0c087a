"""Attention as `generate` returns it, layers within steps -> one array per layer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from attn_widget.errors import InputError
from attn_widget.recording.stitch_steps import stitch_steps
from attn_widget.recording.tracing.attention_call import AttentionCall, four_axes

ONE_SEQUENCE = (
    "model.generate(**inputs, num_beams=1, output_attentions=True, return_dict_in_generate=True)"
)


def stitched(steps: Sequence[Sequence[Any]]) -> list[torch.Tensor]:
    """Return ``(head, query, key)`` of each layer, with the rows of all steps.

    Parameters
    ----------
    steps
        For each step, one ``(1, head, query, key)`` per layer: all queries of the prompt in the
        first step, one more in each later one.

    Returns
    -------
    list of tensor
        The rows of the steps below those of the prompt; 0 where a key did not exist yet.

    Raises
    ------
    InputError
        If there are several sequences, or rows are missing.
    """
    counts = [len(step) for step in steps]
    if len(set(counts)) != 1 or not counts[0]:
        raise InputError(
            f"attention must have the same layers at every step, got {counts} layers. "
            "Give what one call of generate returned."
        )
    parts = [[_part(part, s, i) for i, part in enumerate(step)] for s, step in enumerate(steps)]
    return [_layer([step[i] for step in parts], i) for i in range(counts[0])]


def _part(part: Any, step: int, layer: int) -> torch.Tensor:
    """Return the attention of one layer at one step, with a batch axis of one."""
    where = f"at step {step}, layer {layer}"
    if part is None:
        raise InputError(
            f"attention must hold an array per step and layer, got None {where}. Current "
            "transformers return weights only from models loaded with "
            'attn_implementation="eager"; a runner records them from any.',
            code="aw.ModelRunner(model, tokenizer).generate(text)",
        )
    tensor = torch.as_tensor(part)
    if tensor.ndim == 3:
        tensor = tensor[None]
    if tensor.ndim != 4:
        raise InputError(
            "attention must be (1, head, query, key) at every step and layer, "
            f"got shape {tuple(tensor.shape)} {where}. Give what generate returned."
        )
    if tensor.shape[0] != 1:
        raise InputError(
            f"attention must be of one sequence, got {tensor.shape[0]} (beams, or a batch) "
            f"{where}. Write without beams, or choose one item of the batch.",
            code=f"{ONE_SEQUENCE}\n"
            "    # or: [[layer[item : item + 1] for layer in step] for step in attentions]",
        )
    return tensor


def _layer(parts: Sequence[torch.Tensor], layer: int) -> torch.Tensor:
    """Return one layer's rows of all steps."""
    n_first = parts[0].shape[2]
    keys = [part.shape[3] for part in parts]
    stops = [n_first + step for step in range(len(parts))]
    for step, part in enumerate(parts[1:], 1):
        if part.shape[2] not in (1, stops[step]):
            raise InputError(
                "attention must have one query more at each step, "
                f"got {part.shape[2]} queries at step {step}, layer {layer}. "
                "Write one token at a time, without a draft model."
            )
    # A cache of fixed size has more places than keys; what no query sees yet is zero.
    if keys[0] > n_first and all(
        not bool(part[..., stop:].any()) for part, stop in zip(parts, stops, strict=True)
    ):
        parts = [part[..., :stop] for part, stop in zip(parts, stops, strict=True)]
        keys = [part.shape[3] for part in parts]
    # The keys of another stream are there from the first step on.
    cross = len(set(keys)) == 1 and (len(keys) > 1 or keys[0] != n_first)
    if not cross and keys[0] > n_first:
        raise InputError(
            "attention must begin with the whole prompt, "
            f"got {n_first} queries and {keys[0]} keys at step 0, layer {layer}. "
            "Write without a cache from before."
        )
    calls = [
        AttentionCall(f"layer {layer}", four_axes(part), part.dtype, cross=cross, weights=part)
        for part in parts
    ]
    return stitch_steps(calls, n_first).weights[0]
