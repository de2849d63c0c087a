"""A pass through the upper layers only: the layers below give back what they gave when nothing was changed.

The model's own forward runs, so that embeddings, masks, final norms and heads are its own; only the calls of layers
that come before the first change are answered from memory. What counts as a layer is found where the model's
attentions stand: the members of the outermost numbered list above them, whatever the list or the model is called.
Layers that are called several times (ALBERT's) are told apart by the order of their calls.
"""

from __future__ import annotations

import contextlib
import dataclasses
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch

from attn_widget.recording.head_mask import Switches


@dataclass
class Call:
    """One call of one layer, as it went when nothing was changed."""

    first: int  # attentions that ran before it
    last: int  # attentions that had run when it ended
    output: Any


class Layers:
    """The layers of a model, in the order they were called."""

    def __init__(self, model: torch.nn.Module, attention_paths: Iterable[str]) -> None:
        found = dict(model.named_modules())
        lists = dict.fromkeys(path for path in map(_list_of, attention_paths) if path in found)
        self._modules = {id(m): m for path in lists for m in found[path].children()}
        self.calls: list[Call] = []

    @contextlib.contextmanager
    def remembered(self, switches: Switches) -> Iterator[None]:
        """Note what each layer returns while the model runs inside."""
        thread, begun = threading.get_ident(), []
        self.calls = []

        def before(module: Any, args: Any) -> None:
            if threading.get_ident() == thread:
                begun.append(switches.count)

        def after(module: Any, args: Any, output: Any) -> None:
            if threading.get_ident() == thread:
                self.calls.append(Call(begun.pop(), switches.count, output))

        handles = []
        try:
            for module in self._modules.values():
                handles.append(module.register_forward_pre_hook(before))
                handles.append(module.register_forward_hook(after))
            yield
        finally:
            for handle in handles:
                handle.remove()

    def below(self, attention: int) -> int:
        """Return how many calls come before the one in which an attention runs: those need not run again."""
        return max((i for i, call in enumerate(self.calls) if call.first <= attention), default=0)

    @contextlib.contextmanager
    def skipped(self, n_calls: int, switches: Switches) -> Iterator[None]:
        """Answer the first calls from memory, for each item of the batch; every forward is as before when it ends."""
        thread, done, batch = threading.get_ident(), 0, len(switches.off)

        def stand_in(own: Callable[..., Any]) -> Callable[..., Any]:
            def forward(*args: Any, **kwargs: Any) -> Any:
                nonlocal done
                if threading.get_ident() != thread or done >= n_calls:
                    return own(*args, **kwargs)
                call = self.calls[done]
                done += 1
                switches.count = call.last
                return repeated(call.output, batch)

            return forward

        saved = {key: vars(module).get("forward") for key, module in self._modules.items()}
        try:
            for module in self._modules.values() if n_calls else ():
                module.forward = stand_in(module.forward)
            yield
        finally:
            for key, module in self._modules.items():
                vars(module).pop("forward", None)
                if saved[key] is not None:
                    module.forward = saved[key]


def repeated(value: Any, batch: int) -> Any:
    """Return what one item gave as if ``batch`` equal items had; new tensors, since layers may write into them."""
    if isinstance(value, torch.Tensor):
        one = value.ndim > 0 and value.shape[0] == 1
        return value.repeat(batch, *[1] * (value.ndim - 1)) if one else value.clone()
    if dataclasses.is_dataclass(value) and isinstance(
        value, Mapping
    ):  # the outputs of transformers
        return type(value)(**{name: repeated(part, batch) for name, part in value.items()})
    if isinstance(value, Mapping):
        return {name: repeated(part, batch) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(repeated(part, batch) for part in value)
    return value


def _list_of(path: str) -> str | None:
    """Return the path of the outermost numbered list above a module, or None where it stands in no list."""
    parts = path.split(".")
    numbers = [i for i, part in enumerate(parts) if part.isdigit()]
    return ".".join(parts[: numbers[0]]) if numbers else None
