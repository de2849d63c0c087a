"""The modules that run at one moment of a forward pass, from the outermost to the innermost."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import torch

from attn_widget.recording.tracing.attention_call import AttentionCall

# Arguments by which modules of any library receive the states of another stream.
CROSS_ARGUMENTS = ("key_value_states", "encoder_hidden_states", "memory", "context", "cross_states")
CROSS_NAMES = ("cross", "encoder_attn", "encdec", "enc_dec", "multihead_attn", "encoder_attention")


@dataclass
class Frame:
    """One call of one module, while it runs."""

    module: torch.nn.Module
    path: str
    number: int  # of this call among all module calls of the pass
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    calls: list[AttentionCall] = field(default_factory=list)  # attention calls inside
    # Frames inside that must be measured, should this one turn out to hold several layers.
    waiting: list[Frame] = field(default_factory=list)
    # Modules whose weights mixed something here without being read as attention, and what was seen.
    suspects: dict[str, str] = field(default_factory=dict)
    plain_products: bool = False  # scores were multiplied here without a softmax
    moves_positions: bool = False  # an operation here may have mixed positions
    convolves: bool = False

    @property
    def crossing(self) -> bool:
        """Return whether the module was given the states of another stream."""
        return any(self.kwargs.get(name) is not None for name in CROSS_ARGUMENTS)


class ModuleStack:
    """Follows which module of a model runs."""

    def __init__(self, model: torch.nn.Module) -> None:
        self.frames: list[Frame] = []
        self._paths = {id(module): path for path, module in model.named_modules()}
        self._count = 0

    def push(self, module: torch.nn.Module, args: Any, kwargs: dict[str, Any]) -> None:
        """Begin the call of a module."""
        self._count += 1
        self.frames.append(Frame(module, self.path_of(module), self._count, args, kwargs))

    def pop(self, module: torch.nn.Module) -> Frame | None:
        """End the call of a module; None where it is not the innermost one."""
        if not self.frames or self.frames[-1].module is not module:
            return None
        return self.frames.pop()

    def mark_moving(self, name: str) -> None:
        """Note that an operation may have mixed positions in the module that runs now."""
        for frame in reversed(self.frames):
            frame.moves_positions = True
            frame.convolves |= name.startswith("conv")
            if not type(frame.module).__module__.startswith("torch.nn"):
                break  # a layer of PyTorch is part of the module that is written around it

    def path_of(self, module: torch.nn.Module | None = None) -> str:
        """Return the path of a module, or of the one that runs now."""
        if module is None:
            module = self.frames[-1].module if self.frames else None
        return self._paths.get(id(module), "")

    def is_cross(self, module: torch.nn.Module | None = None) -> bool:
        """Return whether the attention that runs now takes its keys from another stream."""
        module = module or (self.frames[-1].module if self.frames else None)
        path = self._paths.get(id(module), "").lower().split(".")[-3:]
        given = next((f.crossing for f in reversed(self.frames) if f.module is module), False)
        return given or any(word in part for part in path for word in CROSS_NAMES)


def given_to(frame: Frame) -> Iterator[tuple[int | str, Any]]:
    """Yield where each argument of a module was given, a number or a name, and its value."""
    yield from enumerate(frame.args)
    yield from frame.kwargs.items()


def pattern_of(path: str) -> str:
    """Return a module path without its numbers: the same for all layers of a stack."""
    return re.sub(r"\d+", "#", path)


def stack_of(path: str) -> str:
    """Return the part of a module path above the first number: the list of the layers.

    A number may be a part of its own (``layers.0``) or end one (``encoder_layer_0``).
    """
    parts = path.split(".")
    cut = next((i for i, part in enumerate(parts) if part.isdigit()), None)
    if cut is None:
        numbered = re.compile(r"[._-]?\d+$")
        cut = next((i for i, part in enumerate(parts) if numbered.search(part)), len(parts) - 1)
    return ".".join(parts[:cut])
