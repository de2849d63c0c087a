"""How a model is asked to write: by the settings of transformers, or by a loop of its own."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Mapping
from typing import Any

import torch

from attn_widget.errors import InputError
from attn_widget.recording.inputs.decoder import GREEDY
from attn_widget.recording.inputs.model_forward import can_write

# What a loop of the model's own is given, where it takes such an argument, so that it is greedy.
OWN_GREEDY = {"do_sample": False, "top_k": 1}
Writes = Callable[[Mapping[str, Any]], Any]


def check_counts(max_new_tokens: Any, top: Any) -> None:
    """Refuse numbers of tokens that are no whole numbers of 1 or more."""
    for name, value in (("max_new_tokens", max_new_tokens), ("top", top)):
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise InputError(f"{name} must be 1 or more, got {value!r}. Give a number of tokens.")


def writing_of(model: Any, n_steps: int, options: Mapping[str, Any]) -> Writes:
    """Return the function that lets the model write after some inputs, every option checked.

    Parameters
    ----------
    model
        It, or a module inside it, has ``generate``.
    n_steps
        How many tokens are written.
    options
        As in `generate`.

    Raises
    ------
    InputError
        If nothing in the model writes, or an option is unknown.
    """
    able = next((module for module in model.modules() if can_write(module)), None)
    own = callable(getattr(model, "generate", None))
    writer: Any = model if own else able
    parameters = _parameters(writer.generate) if writer is not None else {}
    if able is not None and (_is_open(parameters) or "generation_config" in parameters):
        settings = _settings(able, n_steps, options)
        return lambda inputs: writer.generate(
            **_taken(parameters, inputs), generation_config=settings
        )
    if able is None and getattr(model, "can_generate", None) is not None:
        own = False  # of transformers, without a language head
    if not own or "max_new_tokens" not in parameters:
        raise InputError(
            f"model must be able to write, got {type(model).__name__}. "
            "Load it with its language head, or give it generate(ids, max_new_tokens)."
        )
    for name in options:
        if name not in parameters:
            raise InputError(
                f"options must be arguments of the model's generate, got {name!r}. "
                f"Choose from {', '.join(parameters)}."
            )
    known = {name: value for name, value in OWN_GREEDY.items() if name in parameters}
    if "do_sample" in known:
        known.pop("top_k", None)
    given = {**known, **options, "max_new_tokens": n_steps}
    return lambda inputs: writer.generate(_ids_of(inputs), **given)


def _settings(model: Any, n_steps: int, options: Mapping[str, Any]) -> Any:
    """Return the model's generation settings with these options, every one checked."""
    settings = copy.deepcopy(model.generation_config)
    for name, value in options.items():
        if not hasattr(settings, name):
            raise InputError(
                f"options must be names of the generation config, got {name!r}. Check the spelling."
            )
        if name in ("num_beams", "num_return_sequences") and value not in (None, 1):
            raise InputError(
                f"{name} must be 1: a capture follows one sequence, got {value}. Omit it."
            )
    length = {"max_new_tokens": n_steps, "max_length": None, "use_cache": True}
    settings.update(**{**GREEDY, **options, **length})
    return settings


def _parameters(function: Any) -> dict[str, inspect.Parameter]:
    """Return the parameters of a function by name; none where they cannot be read."""
    try:
        return dict(inspect.signature(function).parameters)
    except (TypeError, ValueError):
        return {}


def _is_open(parameters: Mapping[str, inspect.Parameter]) -> bool:
    """Return whether arguments of any name are taken."""
    return not parameters or any(p.kind is p.VAR_KEYWORD for p in parameters.values())


def _taken(
    parameters: Mapping[str, inspect.Parameter], inputs: Mapping[str, Any]
) -> dict[str, Any]:
    """Return inputs without a mask of ones that a wrapper's generate does not take."""
    found = {name: inputs[name] for name in inputs}
    mask = found.get("attention_mask")
    plain = isinstance(mask, torch.Tensor) and bool(mask.all())
    if plain and not _is_open(parameters) and "attention_mask" not in parameters:
        del found["attention_mask"]
    return found


def _ids_of(inputs: Mapping[str, Any]) -> torch.Tensor:
    """Return the ids among the inputs."""
    values = [inputs["input_ids"]] if "input_ids" in inputs else list(inputs.values())
    for value in values:
        if isinstance(value, torch.Tensor) and value.ndim == 2 and not value.is_floating_point():
            return value
    raise InputError("prompt must be a text or ids for this model, got neither. Give a text.")
