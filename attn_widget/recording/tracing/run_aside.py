"""Running a module once more inside a pass, so that the pass and the user notice nothing of it."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator

import torch

ROUNDING = 1e-5  # of the largest number; what is changed on purpose changes far more


@contextlib.contextmanager
def run_aside(module: torch.nn.Module, own_hooks: Collection[int]) -> Iterator[None]:
    """Run a module inside without gradients, other hooks than ours, or other random numbers after.

    Parameters
    ----------
    module
        The module that runs.
    own_hooks
        Ids of the hooks that stay.
    """
    devices = {p.device for p in module.parameters() if p.device.type == "cuda"}
    saved = []
    try:
        for inner in module.modules():
            for hooks in (inner._forward_pre_hooks, inner._forward_hooks):
                others = [key for key in hooks if key not in own_hooks]
                if others:
                    saved.append((hooks, list(hooks.items())))
                    for key in others:
                        del hooks[key]
        with torch.no_grad(), torch.random.fork_rng(devices):
            yield
    finally:
        for hooks, items in saved:
            hooks.clear()
            hooks.update(items)


def differs(again: torch.Tensor, plain: torch.Tensor) -> torch.Tensor:
    """Return where numbers differ by more than rounding; sums may run in another order."""
    return (again - plain).abs() > ROUNDING * plain.abs().amax()
