"""A model that can be pickled: without the hooks that transformers leaves on it."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import torch

# transformers 5 installs hooks the first time that a model is called with output_attentions or
# output_hidden_states, and sets this flag. They are local functions, which cannot be pickled.
INSTALLED = "_output_capturing_hooks_installed"
HOOK_TABLES = ("_forward_hooks", "_forward_hooks_with_kwargs", "_forward_hooks_always_called")


def sendable_model(model: torch.nn.Module) -> torch.nn.Module:
    """Return the model, or a copy without transformers' own hooks where it has some.

    The copy shares parameters and buffers with the model, which is not changed. Hooks of the user
    stay: whether those can be pickled depends on them. transformers installs its hooks again when
    the copy needs them.
    """
    if not any(_library_hooks(module) for module in model.modules()):
        return model
    return _without_library_hooks(model, {})


def _library_hooks(module: torch.nn.Module) -> set[int]:
    """Return the ids of the local functions that transformers has registered as forward hooks."""
    return {
        key
        for key, hook in module._forward_hooks.items()
        if (getattr(hook, "__module__", None) or "").startswith("transformers.")
        and "<locals>" in getattr(hook, "__qualname__", "")
    }


def _without_library_hooks(
    module: torch.nn.Module, copies: dict[int, torch.nn.Module]
) -> torch.nn.Module:
    """Return a copy of a module and its children; a module that is used twice stays one."""
    if id(module) in copies:
        return copies[id(module)]
    copy: torch.nn.Module = object.__new__(type(module))
    copies[id(module)] = copy
    state: dict[str, Any] = dict(vars(module))
    dropped = _library_hooks(module)
    for table in HOOK_TABLES:
        hooks = state.get(table, {})
        state[table] = OrderedDict((key, hooks[key]) for key in hooks if key not in dropped)
    state["_modules"] = {
        name: None if child is None else _without_library_hooks(child, copies)
        for name, child in module._modules.items()
    }
    state.pop(INSTALLED, None)
    vars(copy).update(state)
    return copy
