"""Running a model in eval mode; afterwards every module has its own training flag again."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

import torch

# Configurations and training flags belong to the model, which threads share: one pass at a time.
ONE_AT_A_TIME = threading.RLock()


@contextlib.contextmanager
def evaluating(model: torch.nn.Module) -> Iterator[None]:
    """Run in eval mode; afterwards every module has its own training flag again."""
    flags = [(module, module.training) for module in model.modules()]
    try:
        model.eval()
        yield
    finally:
        for module, flag in flags:
            module.training = flag
