"""Attention read off a module's output: with ones and zeros as values it is the weights."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import torch

from tests.sweep.matching import TOLERANCE


def equals_output(model: Any, run: Callable[[], Any], layer: Any) -> bool:
    """Return whether a recorded layer is what its module's output shows of its weights.

    The output of ``weights @ values`` is read with values that are one at one key and zero at all
    others, as many keys at a time as a head has channels.
    """
    modules = dict(model.named_modules())
    module = modules.get(layer.name)
    inside = [] if module is None else module.named_children()
    values = [child for name, child in inside if re.fullmatch("value|v_proj|v", name)]
    if not values:
        return False
    columns = []
    start = 0
    while start < layer.n_keys:
        output = _output_with(module, values[0], run, layer, start)
        if output is None:
            return False
        columns.append(output)
        start += output.shape[-1]
    weights = torch.cat(columns, -1)[..., : layer.n_keys]
    return bool((weights - layer.weights).abs().max() <= TOLERANCE)


def _output_with(module: Any, value: Any, run: Any, layer: Any, start: int) -> Any:
    """Return the output ``(head, query, channel)`` with ones at some keys' own channels."""
    caught: list[torch.Tensor] = []

    def ones(_: Any, args: Any, output: torch.Tensor) -> torch.Tensor:
        heads = torch.zeros_like(output).unflatten(-1, (layer.n_heads, -1))
        for channel in range(min(heads.shape[-1], layer.n_keys - start)):
            heads[:, start + channel, :, channel] = 1
        return heads.flatten(-2)

    def catch(_: Any, args: Any, output: Any) -> None:
        caught.append(output[0] if isinstance(output, tuple) else output)

    hooks = [value.register_forward_hook(ones), module.register_forward_hook(catch)]
    try:
        run()
    finally:
        for hook in hooks:
            hook.remove()
    if not caught or caught[0].ndim != 3 or caught[0].shape[1] != layer.n_queries:
        return None
    return caught[0][0].unflatten(-1, (layer.n_heads, -1)).transpose(0, 1)
