"""Which layers of a model carry numbers from one position to another, found by changing one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from transformers import Cache


def unnamed_layers(model: Any, run: Any, seen: Any) -> Iterator[str]:
    """Yield the layers that mix positions and are neither recorded nor named as missing.

    Looked at are the layers that stand in one list with a recorded one and work on the same
    positions: the state-space or linear layers of a hybrid.
    """
    paths = {id(module): path for path, module in model.named_modules()}
    recorded = [layer.name for layer in seen.layers]
    named = [*recorded, *seen.missing]
    calls: dict[str, tuple[Any, Any, Any]] = {}
    hooks = []
    for module in list(model.modules()):
        if not isinstance(module, torch.nn.ModuleList):
            continue
        inside = paths[id(module)]
        if not any(name.startswith(f"{inside}.") for name in recorded):
            continue
        for layer in module:
            path = paths[id(layer)]
            if not any(name == path or name.startswith(f"{path}.") for name in named):
                hooks.append(_remember(layer, path, calls))
    try:
        if hooks:
            run()
    finally:
        for hook in hooks:
            hook.remove()
    lengths = {layer.n_queries for layer in seen.layers}
    modules = dict(model.named_modules())
    for path, (args, kwargs, output) in calls.items():
        if _mixes(modules[path], args, kwargs, output, lengths):
            yield path


def _remember(layer: Any, path: str, calls: dict[str, Any]) -> Any:
    def hook(module: Any, args: Any, kwargs: Any, output: Any) -> None:
        calls[path] = (args, kwargs, output)

    return layer.register_forward_hook(hook, with_kwargs=True)


def falsely_named(model: Any, run: Any, seen: Any) -> Iterator[str]:
    """Yield modules that are named as missing although they leave every position by itself."""
    modules = dict(model.named_modules())
    calls: dict[str, tuple[Any, Any, Any]] = {}
    hooks = [_remember(modules[path], path, calls) for path in seen.missing if path in modules]
    try:
        if hooks:
            run()
    finally:
        for hook in hooks:
            hook.remove()
    lengths = {n for layer in seen.layers for n in (layer.n_queries, layer.n_keys)}
    for path, (args, kwargs, output) in calls.items():
        states = [t for t in (*args, *kwargs.values()) if isinstance(t, torch.Tensor)]
        others = [t for t in states if t.is_floating_point() and t.ndim == 3]
        convolves = any("Conv" in type(one).__name__ for one in modules[path].modules())
        if convolves or len(others) > 1:  # positions may be last; or it attends to other states
            continue
        if _mixes(modules[path], args, kwargs, output, lengths) is False:
            yield path


def _mixes(layer: Any, args: Any, kwargs: Any, output: Any, lengths: set[int]) -> bool | None:
    """Return whether a change at the first position changes the output at a later one.

    None where that cannot be told: its positions are not found, or it does not run alone.
    """
    kwargs = {n: None if isinstance(v, Cache) else v for n, v in kwargs.items()}
    given = args[0] if args else kwargs.get("hidden_states")
    before = _first(output)
    axis = _position_axis(given, lengths)
    if axis is None or before is None or before.shape != given.shape:
        return None
    changed = given.clone()
    changed.select(axis, 0).add_(torch.randn_like(changed.select(axis, 0)))
    try:
        with torch.no_grad():
            if args:
                pair = [_first(layer(one, *args[1:], **kwargs)) for one in (given, changed)]
            else:
                pair = [_first(layer(**kwargs | {"hidden_states": x})) for x in (given, changed)]
    except Exception:
        return None
    later = (pair[0] - pair[1]).narrow(axis, 1, given.shape[axis] - 1)
    return bool(later.abs().max() > 1e-4)


def _position_axis(value: Any, lengths: set[int]) -> int | None:
    """Return the axis of positions, (item, position, channel) or with heads; None if unclear."""
    if not isinstance(value, torch.Tensor) or value.ndim not in (3, 4):
        return None
    fitting = [axis for axis in range(1, value.ndim - 1) if value.shape[axis] in lengths]
    return fitting[0] if len(fitting) == 1 and value.shape[fitting[0]] > 1 else None


def _first(output: Any) -> Any:
    while isinstance(output, tuple | list) and output:
        output = output[0]
    return output if isinstance(output, torch.Tensor) else None
