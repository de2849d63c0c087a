"""Running a module once more, so that the pass around it and the user notice nothing of it."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator

import torch

ROUNDING = 1e-5  # of the largest number; what is changed on purpose changes far more
# Where a module keeps its hooks.
HOOKS = (
    "_forward_hooks",
    "_forward_hooks_with_kwargs",
    "_forward_hooks_always_called",
    "_forward_pre_hooks",
    "_forward_pre_hooks_with_kwargs",
)


@contextlib.contextmanager
def run_aside(module: torch.nn.Module, own_hooks: Collection[int] = ()) -> Iterator[None]:
    """Run a module inside without gradients and others' hooks; random numbers go on as before.

    Hooks of others would take changed inputs for a pass of the model.

    Parameters
    ----------
    module
        The module that runs.
    own_hooks
        Ids of the hooks that stay.
    """
    devices = {p.device for p in module.parameters() if p.device.type == "cuda"}
    kept = [
        (vars(inner), {name: vars(inner)[name] for name in HOOKS if name in vars(inner)})
        for inner in module.modules()
    ]
    try:
        for attributes, hooks in kept:
            for name, table in hooks.items():
                own = [(key, hook) for key, hook in table.items() if key in own_hooks]
                attributes[name] = type(table)(own)
        with torch.no_grad(), torch.random.fork_rng(devices):
            yield
    finally:
        for attributes, hooks in kept:
            attributes.update(hooks)


def differs(again: torch.Tensor, plain: torch.Tensor) -> torch.Tensor:
    """Return where numbers differ by more than rounding; sums may run in another order."""
    return (again - plain).abs() > ROUNDING * plain.abs().amax()
