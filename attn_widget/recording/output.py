"""The output of a model that is read or explained: a class, a token, or a function's value."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol

import torch

from attn_widget.errors import InputError
from attn_widget.recording.inputs.tokens import tokenizer_of
from attn_widget.records import check_index
from attn_widget.records.protocols import HoldsModel, Runs

# None: the predicted class or next token; its id; a token; or a function of what the model returns.
OutputChoice = int | str | Callable[[Any], Any] | None
# Attributes by which modules of any library say how many channels they read, or give to others.
WIDTHS = ("in_features", "nx", "embedding_dim", "embed_dim", "normalized_shape")


class RunsModel(HoldsModel, Runs, Protocol):
    """A runner that also holds its model: what gradients and blank-out need."""


def output_index(
    reader: Any, returned: Any, output: OutputChoice, model: torch.nn.Module
) -> int | Callable[[Any], Any]:
    """Return the index of the chosen class or token; a function stays one."""
    if callable(output):
        return output
    return index_in(reader, logits_of(returned, model), output)


def index_in(reader: Any, row: torch.Tensor, output: int | str | None) -> int:
    """Return the index of the chosen class or token in a row of logits."""
    if output is None:
        return int(row.argmax())
    if isinstance(output, str):
        ids = tokenizer_of(reader)(output, add_special_tokens=False)["input_ids"]
        if len(ids) != 1:
            raise InputError(
                f"output must be one token, got {output!r}, which is {len(ids)}. "
                "Give one token, or its id."
            )
        output = ids[0]
    remedy = "Choose a class or token that exists."
    return check_index("output", output, len(row), remedy, negative=False)


def logits_of(returned: Any, model: torch.nn.Module) -> torch.Tensor:
    """Return the logits of the class, or of the next token.

    Raises
    ------
    InputError
        If the model returned none; the line of code that it gives works on what was returned.
    """
    logits = find_logits(returned, model)
    if logits is None:
        part = _readable_part(returned)
        raise InputError(
            "output must be a function of what the model returns for a model without logits, "
            f"got a {type(returned).__name__}. Choose a number of it.",
            code=None if part is None else f"output=lambda returned: {part}.mean()",
        )
    return logits[0] if logits.ndim == 2 else logits[0, -1]


def find_logits(returned: Any, model: torch.nn.Module) -> torch.Tensor | None:
    """Return the logits of all items, ``(item, class)`` or ``(item, query, class)``, or None.

    They are what is called so, as an attribute or in a mapping. Without names they are the first
    tensor of that many axes whose width no layer of the model reads: hidden states have a width
    that layers read, logits have another.

    Parameters
    ----------
    returned
        What the model returned: an object, a mapping, a tuple or a tensor.
    model
        The model; the widths that its layers read are taken from it.

    Examples
    --------
    >>> model = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.Linear(8, 3))
    >>> find_logits((torch.zeros(1, 8), torch.zeros(1, 3)), model).shape
    torch.Size([1, 3])
    """
    if isinstance(returned, Mapping):
        named = returned.get("logits")
    else:
        named = getattr(returned, "logits", None)
    if named is not None:
        return named if isinstance(named, torch.Tensor) and named.ndim in (2, 3) else None
    if isinstance(returned, torch.Tensor):
        parts: list[Any] = [returned]
    elif isinstance(returned, tuple | list):
        parts = list(returned)
    elif type(returned) is dict:
        parts = list(returned.values())
    else:  # an object with names, of which none is logits
        return None
    scores = [
        part
        for part in parts
        if isinstance(part, torch.Tensor) and part.ndim in (2, 3) and part.is_floating_point()
    ]
    if not scores:
        return None
    widths = _widths(model)
    return next((part for part in scores if part.shape[-1] not in widths), None)


def _widths(model: torch.nn.Module) -> set[int]:
    """Return the numbers of channels that the layers of a model read."""
    found: set[int] = set()
    for module in model.modules():
        for name in WIDTHS:
            value = getattr(module, name, None)
            found |= {value} if isinstance(value, int) else set()
            found |= set(value) if isinstance(value, tuple) else set()
        own = list(module.parameters(recurse=False))
        if own and all(parameter.ndim == 1 for parameter in own):  # a norm of any library
            found |= {len(parameter) for parameter in own}
    return found


def _readable_part(returned: Any, path: str = "returned") -> str | None:
    """Return the expression of a tensor of floating point numbers in what a model returned."""
    if isinstance(returned, torch.Tensor):
        return path if returned.is_floating_point() else None
    inside: list[tuple[str, Any]] = []
    if isinstance(returned, Mapping):
        inside = [
            (f"{path}.{name}" if hasattr(returned, str(name)) else f"{path}[{name!r}]", part)
            for name, part in returned.items()
        ]
    elif isinstance(returned, tuple | list):
        inside = [(f"{path}[{i}]", part) for i, part in enumerate(returned)]
    elif hasattr(returned, "__dict__"):
        inside = [(f"{path}.{name}", part) for name, part in vars(returned).items()]
    found = (_readable_part(part, place) for place, part in inside)
    return next((place for place in found if place is not None), None)


@contextlib.contextmanager
def outputs_of(model: torch.nn.Module) -> Iterator[list[Any]]:
    """Collect what the model returns inside, newest last."""
    outputs: list[Any] = []
    handle = model.register_forward_hook(lambda module, args, returned: outputs.append(returned))
    try:
        yield outputs
    finally:
        handle.remove()
