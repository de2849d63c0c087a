"""What is said of modules that mixed positions and were not recorded."""

from __future__ import annotations

from collections.abc import Mapping

import torch


def written_modules(model: torch.nn.Module, unread: Mapping[str, str]) -> dict[str, str]:
    """Return which modules mixed positions, each once: the innermost that somebody wrote.

    A layer of PyTorch, such as a convolution, is part of the module around it, and a list of layers
    mixes only what its members mix.
    """
    modules = dict(model.named_modules())
    layers = {p for p in unread if type(modules[p]).__module__.startswith("torch.nn")}
    written = [p for p in unread if p not in layers or not any(_is_inside(p, o) for o in unread)]
    return {p: unread[p] for p in written if not any(_is_inside(o, p) for o in written)}


def _is_inside(path: str, other: str) -> bool:
    """Return whether a module path lies inside another one; "" is the model itself."""
    return path != other and path.startswith(f"{other}." if other else "")


def no_attention(model_name: str, unread: Mapping[str, str]) -> str:
    """Return what was seen where nothing could be recorded."""
    seen = [f"{why} at {path or 'the model itself'}" for path, why in unread.items()]
    reason = "nothing that mixes positions was seen"
    if seen:
        more = f"; {len(seen) - 3} more" if len(seen) > 3 else ""
        reason = "; ".join(dict.fromkeys(seen[:3])) + more
    return (
        f"model must take a softmax of q·kᵀ over the keys, got none in {model_name}: {reason}. "
        "Use a model with softmax attention, name the modules that attend as implied=[path, …], or "
        "give weights to aw.from_arrays."
    )
