"""A small model of a family, an input with which it runs, and what ran inside."""

from __future__ import annotations

import traceback
from typing import Any

import torch

from tests.recording.families import peak
from tests.sweep import families
from tests.sweep.facts import LENGTH
from tests.sweep.inputs import attempts, forward_parameters
from tests.sweep.observer import Observed, Observer
from tests.sweep.shrink import small_config

LARGEST = 40_000_000


def build(name: str, cls: Any) -> Any:
    """Return a small model of a class, with weights that make attention peaked."""
    config = small_config(families.config_class(name))
    with torch.device("meta"):
        size = sum(p.numel() for p in cls(config).parameters())
    if size > LARGEST:
        raise ValueError(f"still {size:,} parameters after everything was made small")
    config = small_config(families.config_class(name))
    torch.manual_seed(0)
    model = cls._from_config(config, dtype=torch.float32).eval()
    peak(model, 0.2)
    return model


class NotRun(Exception):
    """No input was found with which a model runs."""


def run(model: Any, inputs: dict[str, Any], **more: Any) -> Any:
    """Return a model's output; forwards that draw numbers draw the same each time."""
    torch.manual_seed(0)
    with torch.no_grad():
        return model(**inputs, **more)


def first_that_runs(model: Any, length: int = LENGTH) -> tuple[dict[str, Any], Any]:
    """Return inputs with which the model runs and gives finite numbers, and its output."""
    errors: list[str] = []
    torch.manual_seed(1)
    tried = ((inputs, cache) for cache in (True, False) for inputs in attempts(model, length))
    for inputs, cache in tried:
        if not cache:  # some hybrids keep a cache that only certain layers can fill
            for config in (model.config, *vars(model.config).values()):
                if getattr(config, "use_cache", False) is True:
                    config.use_cache = False
        for spread in (None, 0.05):
            if spread is not None:
                peak(model, spread)
            try:
                plain = run(model, inputs)
            except Exception as error:
                errors.append(one_line(error) + " " + last_frame(error))
                break
            if all(t.isfinite().all() for t in tensors(plain)[:1]):
                return inputs, plain
            errors.append("its output is not finite")
    names = " ".join(forward_parameters(model))
    raise NotRun(" | ".join(list(dict.fromkeys(errors))[:4]) or f"no recipe for {names}")


def observe(model: Any, inputs: dict[str, Any]) -> list[Observed]:
    """Return every softmax of a forward pass."""
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with Observer(model) as observer:
            run(model, inputs)
    finally:
        torch.backends.mha.set_fastpath_enabled(True)
    return observer.seen


def tensors(output: Any) -> list[torch.Tensor]:
    """Return the floating-point tensors of an output, in order."""
    leaves = torch.utils._pytree.tree_leaves(_plain(output))
    return [t for t in leaves if isinstance(t, torch.Tensor) and t.is_floating_point()]


def _plain(output: Any) -> Any:
    if hasattr(output, "items"):
        return [_plain(v) for _, v in output.items()]
    if isinstance(output, list | tuple):
        return [_plain(v) for v in output]
    return output


def one_line(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text[:160]}"


def last_frame(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    last = frames[-1]
    return f"{last.filename.rsplit('/', 1)[-1]}:{last.lineno}"
