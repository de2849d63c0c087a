"""What a model's ``forward`` takes: read from its signature, never from the name of a family."""

from __future__ import annotations

import dis
import inspect
import itertools
from collections.abc import Mapping
from typing import Any

import torch

# Words in annotations of an argument that is a mapping.
MAPPINGS = ("dict[", "dict'", "mapping", "encoding")
ANY_NUMBER = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


def forward_of(model: torch.nn.Module) -> torch.nn.Module:
    """Return the module whose forward takes the inputs: the one inside where a wrapper passes all.

    A wrapper takes any number of arguments of any name, and holds one module.
    """
    while True:
        parameters = _signature(model)
        inside = list(model.children())
        passes = _open(parameters) and all(p.kind in ANY_NUMBER for p in parameters.values())
        if len(inside) != 1 or not passes:
            return model
        model = inside[0]


def parameters_of(model: torch.nn.Module) -> dict[str, inspect.Parameter]:
    """Return the parameters of a model's forward by name; none where it cannot be read."""
    return _signature(forward_of(model))


def _signature(model: torch.nn.Module) -> dict[str, inspect.Parameter]:
    try:
        return dict(inspect.signature(model.forward).parameters)
    except (TypeError, ValueError):  # scripted modules
        return {}


def takes(model: torch.nn.Module, name: str) -> bool:
    """Return whether the model's forward names this argument, or names none at all.

    One that takes arguments of any name beside its own may drop them.
    """
    parameters = parameters_of(model)
    return name in parameters or all(p.kind in ANY_NUMBER for p in parameters.values())


def reads_target(model: torch.nn.Module) -> bool:
    """Return whether the model has an encoder and a decoder, and its decoder reads ids.

    The configuration of a part, such as an encoder alone, is that of the whole model; so its
    forward is asked too.
    """
    stated = bool(getattr(getattr(model, "config", None), "is_encoder_decoder", False))
    parameters = parameters_of(model)
    unknown = all(p.kind in ANY_NUMBER for p in parameters.values())
    return stated and (unknown or "decoder_input_ids" in parameters)


def can_write(model: Any) -> bool:
    """Return whether the model has what it takes to write: a language head and its settings."""
    able = getattr(model, "can_generate", None)
    return (
        hasattr(model, "generate")
        and getattr(model, "generation_config", None) is not None
        and (able is None or bool(able()))
    )


def name_arguments(model: torch.nn.Module, inputs: Any) -> dict[str, Any] | None:
    """Return unnamed inputs by the names of the model's arguments, or None where it has none."""
    args = inputs if isinstance(inputs, tuple | list) else (inputs,)
    try:
        signature = inspect.signature(forward_of(model).forward)
        found = signature.bind_partial(*args).arguments
    except (TypeError, ValueError):
        return None
    plain = all(
        signature.parameters[name].kind is inspect.Parameter.POSITIONAL_OR_KEYWORD for name in found
    )
    return dict(found) if plain else None


def fitted(model: torch.nn.Module, inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Return named inputs under the names that the model's forward takes.

    Ids go to the first argument, whatever it is called; a mask of ones, and token types, are left
    out where the forward takes none.
    """
    parameters = parameters_of(model)
    found = {name: inputs[name] for name in inputs}
    if not parameters or _open(parameters):
        return found
    first = next(iter(parameters))
    if "input_ids" in found and "input_ids" not in parameters and first not in found:
        found = {first if name == "input_ids" else name: value for name, value in found.items()}
    mask = found.get("attention_mask")
    if "attention_mask" not in parameters and isinstance(mask, torch.Tensor) and bool(mask.all()):
        del found["attention_mask"]
    if "token_type_ids" not in parameters:
        found.pop("token_type_ids", None)
    return found


def takes_one_mapping(model: torch.nn.Module, inputs: Mapping[str, Any]) -> bool:
    """Return whether the model's forward takes all of these inputs as one mapping.

    Its one required argument is annotated as a mapping, or its code reads one of the inputs' names
    from it, or passes it on as named arguments.
    """
    parameters = parameters_of(model)
    required = [
        name
        for name, p in parameters.items()
        if p.default is p.empty and p.kind is p.POSITIONAL_OR_KEYWORD
    ]
    if len(required) != 1 or required[0] in inputs or "input_ids" in parameters:
        return False
    (name,) = required
    annotation = str(parameters[name].annotation).lower()
    if annotation == "dict" or any(word in annotation for word in MAPPINGS):
        return True
    code = getattr(inspect.unwrap(forward_of(model).forward), "__code__", None)
    if "tensor" in annotation or code is None:
        return False
    if any(key in code.co_consts for key in inputs):
        return True
    steps = list(dis.get_instructions(code))
    return any(
        step.opname == "DICT_MERGE" and before.argval == name
        for before, step in itertools.pairwise(steps)
    )


def takes_positions_only(model: torch.nn.Module) -> bool:
    """Return whether the model's forward takes any number of arguments, and none by name."""
    kinds = [p.kind for p in parameters_of(model).values()]
    return kinds == [inspect.Parameter.VAR_POSITIONAL]


def execution_device(model: torch.nn.Module) -> torch.device | None:
    """Return the device on which the model reads its inputs, or None where it has no parameter.

    Weights that are loaded as they are needed are on no device between runs; the hooks that load
    them know where the model runs.
    """
    for module in model.modules():
        stated = getattr(getattr(module, "_hf_hook", None), "execution_device", None)
        if stated is not None:
            return torch.device(stated)
    devices = [parameter.device for parameter in model.parameters()]
    return next((device for device in devices if device.type != "meta"), next(iter(devices), None))


def floating_dtype(model: torch.nn.Module) -> torch.dtype | None:
    """Return the dtype of the model's first parameter that is floating point."""
    return next((p.dtype for p in model.parameters() if p.is_floating_point()), None)


def _open(parameters: Mapping[str, inspect.Parameter]) -> bool:
    """Return whether arguments of any name are taken."""
    return any(p.kind is p.VAR_KEYWORD for p in parameters.values())
