"""How a transformers module looks up its attention function.

The table that its forward names, its own eager function, and the implementation names that its code
compares with. All of it is read from code objects, so that no list of families is needed.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from typing import Any

import torch


def looks_up_attention(module: torch.nn.Module) -> bool:
    """Return whether the module looks its attention function up by name."""
    return interface_of(module) is not None


def _forward_of(module: torch.nn.Module) -> Any:
    """Return the plain function behind the module's forward."""
    return inspect.unwrap(type(module).forward)


def interface_of(module: torch.nn.Module) -> Any:
    """Return the table of attention functions that the module's forward names, or None."""
    code = getattr(_forward_of(module), "__code__", None)
    if code is None or "transformers" not in sys.modules:
        return None
    from transformers import AttentionInterface

    names = _forward_of(module).__globals__
    return next(
        (names[n] for n in code.co_names if isinstance(names.get(n), AttentionInterface)), None
    )


def eager_of(module: torch.nn.Module) -> Callable[..., Any]:
    """Return the eager function that the module's forward falls back on."""
    forward = _forward_of(module)
    names = forward.__globals__
    mentioned = [n for n in forward.__code__.co_names if n.endswith("eager_attention_forward")]
    found = next(
        (n for n in [*mentioned, "eager_attention_forward"] if callable(names.get(n))), None
    )
    return names[found]


def configs_of(model: torch.nn.Module) -> list[Any]:
    """Return every configuration that chooses an attention function or its masks."""
    found: dict[int, Any] = {}
    for module in model.modules():
        config = getattr(module, "config", None)
        if id(config) in found or not hasattr(config, "_attn_implementation_internal"):
            continue
        if any(looks_up_attention(child) for child in module.modules()):
            found[id(config)] = config
    return list(found.values())


def has_sdpa(model: torch.nn.Module, config: Any) -> bool:
    """Return whether the model of this configuration can run scaled dot-product attention."""
    owners = [
        m
        for m in model.modules()
        if getattr(m, "config", None) is config and hasattr(m, "_supports_sdpa")
    ]
    return all(owner._supports_sdpa for owner in owners)


def compared_names(model: torch.nn.Module, config: Any) -> set[str]:
    """Return the implementation names that code under this configuration compares with."""
    found: set[str] = set()
    for module in model.modules():
        if getattr(module, "config", None) is not config:
            continue
        for cls in type(module).__mro__:
            if "modeling_utils" in cls.__module__ or not cls.__module__.startswith(
                type(module).__module__
            ):
                continue
            for member in vars(cls).values():
                found |= _compared(inspect.unwrap(member)) if inspect.isfunction(member) else set()
    return found


def _compared(function: Any) -> set[str]:
    """Return which of "eager" and "sdpa" the function compares the configured name with."""
    code = function.__code__
    if "_attn_implementation" not in code.co_names:
        return set()
    constants = {
        c for const in code.co_consts for c in (const if isinstance(const, tuple) else (const,))
    }
    found = {name for name in ("eager", "sdpa") if name in constants}
    # transformers 4 wrote `!= "eager"` before every look-up; our name passes that test.
    looks_up = any(name.endswith("eager_attention_forward") for name in code.co_names)
    return found - {"eager"} if looks_up and "get_interface" not in code.co_names else found
