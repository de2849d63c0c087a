"""A model that gradients can pass, for a while: also where it is frozen, or gradients are off."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch

from attn_widget.errors import InputError

NEAR = 3  # operations after one without a gradient, such as a change of type or shape


@contextlib.contextmanager
def differentiable(model: torch.nn.Module) -> Iterator[Callable[[], None]]:
    """Let gradients pass the whole model inside; afterwards it is as it was.

    All floating point parameters require gradients, gradients are on, and what was made in
    inference mode is copied, since no gradient can pass it.

    Yields a function to be called after the forward pass. It raises an `InputError` where a layer
    took no gradients, as some quantised ones do: what went through it would be missing from all.
    """
    with torch.inference_mode(False), torch.enable_grad(), contextlib.ExitStack() as stack:
        stack.enter_context(_copied_where_inference(model))
        stack.enter_context(_requiring_gradients(model))
        cuts = stack.enter_context(_cuts_of(model))
        yield lambda: _refuse_cuts(model, cuts)


def normal_tensors(value: Any) -> Any:
    """Return inputs in which tensors of inference mode are copied to ordinary ones."""
    if isinstance(value, torch.Tensor):
        return value.clone() if value.is_inference() else value
    if type(value) in (list, tuple):
        return type(value)(normal_tensors(part) for part in value)
    if isinstance(value, Mapping) and any(
        isinstance(part, torch.Tensor) and part.is_inference() for part in value.values()
    ):
        return {name: normal_tensors(part) for name, part in value.items()}
    return value


@contextlib.contextmanager
def _requiring_gradients(model: torch.nn.Module) -> Iterator[None]:
    """Let all floating point parameters require gradients inside."""
    frozen = [p for p in model.parameters() if p.is_floating_point() and not p.requires_grad]
    try:
        for parameter in frozen:
            parameter.requires_grad_(True)
        yield
    finally:
        for parameter in frozen:
            parameter.requires_grad_(False)


@contextlib.contextmanager
def _copied_where_inference(model: torch.nn.Module) -> Iterator[None]:
    """Put copies in the place of parameters and buffers that were made in inference mode."""
    replaced: list[tuple[dict[str, Any], str, Any]] = []
    copies: dict[int, Any] = {}  # tied parameters stay one
    try:
        for module in model.modules():
            for table in (module._parameters, module._buffers):
                for name, tensor in table.items():
                    if tensor is None or not tensor.is_inference():
                        continue
                    if id(tensor) not in copies:
                        copy: torch.Tensor = tensor.detach().clone()
                        if isinstance(tensor, torch.nn.Parameter):
                            copy = torch.nn.Parameter(copy, requires_grad=False)
                        copies[id(tensor)] = copy
                    replaced.append((table, name, tensor))
        for table, name, tensor in replaced:
            table[name] = copies[id(tensor)]
        yield
    finally:
        for table, name, tensor in replaced:
            table[name] = tensor


@contextlib.contextmanager
def _cuts_of(model: torch.nn.Module) -> Iterator[dict[str, tuple[Any, Any, Any]]]:
    """Note the modules that read tensors with gradients and return tensors without any."""
    cuts: dict[str, tuple[Any, Any, Any]] = {}
    handles = []

    def watch(path: str) -> Any:
        def after(module: Any, args: Any, kwargs: Any, output: Any) -> None:
            read = [t for t in _floating(args) + _floating(kwargs) if t.requires_grad]
            made = _floating(output)
            passed = [t for t in made if t.requires_grad and not _stops(t.grad_fn, NEAR)]
            if read and made and not passed:
                cuts.setdefault(path, (args, kwargs, output))

        return after

    try:
        for path, module in model.named_modules():
            if path:
                handles.append(module.register_forward_hook(watch(path), with_kwargs=True))
        yield cuts
    finally:
        for handle in handles:
            handle.remove()


def _refuse_cuts(model: torch.nn.Module, cuts: Mapping[str, tuple[Any, Any, Any]]) -> None:
    """Refuse a module whose output depends on an input that its gradient does not reach.

    Tables of positions also read a tensor, but only its shape: other numbers change nothing.
    """
    found = dict(model.named_modules())
    for path, (args, kwargs, output) in cuts.items():
        if any(other.startswith(f"{path}.") for other in cuts):
            continue  # one of its parts says it more exactly
        with torch.no_grad():
            other = found[path](*_changed(args), **_changed(kwargs))
        same = all(
            a.shape == b.shape and torch.equal(a, b)
            for a, b in zip(_floating(output), _floating(other), strict=True)
        )
        if not same:
            raise InputError(
                "model must let gradients pass every layer, got "
                f"{type(found[path]).__name__} at {path}, which takes none. "
                "Load the model without quantisation."
            )


def _stops(node: Any, depth: int) -> bool:
    """Return whether a node of the graph, or one that far below, is of an op without gradient.

    torch gives such operations a node all the same, which passes nothing on.
    """
    if node is None:
        return False
    if "NotImplemented" in node.name():
        return True
    return depth > 0 and any(_stops(below, depth - 1) for below, _ in node.next_functions)


def _floating(value: Any) -> list[torch.Tensor]:
    """Return all tensors of floating point numbers in what a module reads or returns."""
    if isinstance(value, torch.Tensor):
        return [value] if value.is_floating_point() else []
    parts = list(value.values()) if isinstance(value, Mapping) else value
    if not isinstance(parts, list | tuple):
        return []
    return [tensor for part in parts for tensor in _floating(part)]


def _changed(value: Any) -> Any:
    """Return the same inputs with other floating point numbers."""
    if isinstance(value, torch.Tensor):
        return 1.0 - 2.0 * value.detach() if value.is_floating_point() else value
    if isinstance(value, dict):
        return {name: _changed(part) for name, part in value.items()}
    if type(value) in (list, tuple):
        return type(value)(_changed(part) for part in value)
    return value
