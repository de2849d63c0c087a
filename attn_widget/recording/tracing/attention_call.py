"""What a route notes while the model runs: whole batches, before one item is chosen.

A `Record` is one call of one attention; a `Recorder` collects them and decides whether the n×n weights are
kept. Both live for the length of one capture only.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch

from attn_widget.errors import InputError
from attn_widget.recording.tracing.score_tracking import Mixed, put

WEIGHTS_BUDGET_BYTES = 256 * 2**20
# Arguments by which modules of any library receive the states that another stream answers with.
ANSWERING_ARGUMENTS = (
    "key_value_states",
    "encoder_hidden_states",
    "memory",
    "context",
    "cross_states",
)
CROSS_NAMES = ("cross", "encoder_attn", "encdec", "enc_dec", "multihead_attn", "encoder_attention")


@dataclass
class Record:
    """One attention call of the whole batch; axes are ``(batch, head, query, key or channel)``."""

    name: str
    shape: tuple[int, int, int, int]  # batch, heads, queries, keys
    dtype: torch.dtype
    cross: bool = False
    q: Any = None
    k: Any = None
    v: Any = None
    weights: Any = None
    kept: Any = (
        None  # (head, query, key) with a graph: the output was computed from this very tensor
    )
    scaling: float | None = None
    mask: Any = None
    causal: bool = False
    bias: Any = None
    bias_kind: str | None = None
    softcap: float | None = None
    sinks: Any = None
    window: int | None = None
    projection: Any = None  # (head · channel, model channel), where it was seen
    confirmed: bool = False  # the weights were seen to mix values
    altered: bool = False  # the weights were changed after their softmax, so that q and k cannot give them again
    rows_of: Callable[..., Any] | None = (
        None  # the family's own mathematics, where the plain formula does not hold
    )
    place: int | None = None  # which attention of the pass this is, where heads are switched off


class Recorder:
    """Collects the records of one capture and keeps weights only while all of them fit."""

    def __init__(
        self, model: torch.nn.Module, weights: bool | str, *, keep_graph: bool, expected: int
    ) -> None:
        self.records: list[Record] = []
        self.keep_graph = keep_graph
        self.depth = 0  # above 0 while a route computes: what it calls is not another attention
        self.thread = threading.get_ident()
        self._weights = weights
        self._expected = max(expected, 1)
        self._held_bytes = 0
        self._paths = {id(module): path for path, module in model.named_modules()}
        self._stack: list[tuple[torch.nn.Module, bool]] = []
        self._answers: dict[Any, Any] = {}
        self.unreadable: dict[
            str, None
        ] = {}  # modules whose softmax could not be read as attention

    # -- where in the model we are -------------------------------------------------------------------------

    @contextlib.contextmanager
    def watching(self, model: torch.nn.Module) -> Iterator[None]:
        """Follow which module runs, on this thread only; the hooks are gone when it ends."""
        handles = []
        try:
            for module in model.modules():
                handles.append(module.register_forward_pre_hook(self._enter, with_kwargs=True))
                handles.append(module.register_forward_hook(self._leave, always_call=True))
            yield
        finally:
            for handle in handles:
                handle.remove()

    def _enter(self, module: torch.nn.Module, args: Any, kwargs: dict[str, Any]) -> None:
        if self.here():
            answering = any(kwargs.get(name) is not None for name in ANSWERING_ARGUMENTS)
            self._stack.append((module, answering))

    def _leave(self, module: torch.nn.Module, args: Any, output: Any) -> None:
        if self.here() and self._stack and self._stack[-1][0] is module:
            self._stack.pop()

    def here(self) -> bool:
        """Return whether this is the thread that records."""
        return threading.get_ident() == self.thread

    def name_of(self, module: torch.nn.Module | None = None) -> str:
        """Return the path of a module, or of the one that runs now."""
        if module is None:
            module = self._stack[-1][0] if self._stack else None
        return self._paths.get(id(module), "")

    def is_cross(self, module: torch.nn.Module | None = None) -> bool:
        """Return whether the attention that runs now was given another stream to ask."""
        module = module if module is not None else (self._stack[-1][0] if self._stack else None)
        path = self._paths.get(id(module), "").lower().split(".")[-3:]
        given = next((answering for m, answering in reversed(self._stack) if m is module), False)
        return given or any(word in part for part in path for word in CROSS_NAMES)

    # -- what is kept ---------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def inside(self) -> Iterator[None]:
        """Mark the time in which a route computes for itself."""
        self.depth += 1
        try:
            yield
        finally:
            self.depth -= 1

    def keeps(self, shape: tuple[int, int, int, int], element_size: int) -> bool:
        """Return whether the weights of an attention of this shape are kept."""
        if self.keep_graph or self._weights is True:
            return True
        if self._weights is False:
            return False
        size = shape[0] * shape[1] * shape[2] * shape[3] * element_size
        return max(self._held_bytes + size, size * self._expected) <= WEIGHTS_BUDGET_BYTES

    def unread(self, path: str) -> None:
        """Note that a module took a softmax of a product that is laid out in a way we cannot read."""
        self.unreadable[path] = None

    def once(self, key: Any, ask: Callable[[], Any]) -> Any:
        """Return the answer to a question that has one answer for the whole capture."""
        if key not in self._answers:
            self._answers[key] = ask()
        return self._answers[key]

    def graph(self, record: Record, weights: Any, value: Any, output: Any) -> tuple[Any, Any]:
        """Return weights that the output depends on, and that output: what a gradient can be taken by."""
        kept = weights[0]
        repeated = value.repeat_interleave(weights.shape[1] // value.shape[1], 1)
        renewed = (kept[None] @ repeated).transpose(1, 2)
        if renewed.shape != output.shape or not torch.allclose(
            renewed, output, atol=1e-3, rtol=1e-2
        ):
            raise InputError(
                f"keep_graph must meet attention whose output is weights · v, got another at {record.name}. "
                "Record this model without keep_graph."
            )
        return kept, renewed.contiguous()

    def replaces(self, record: Record) -> bool:
        """Return whether something of this attention's output is to be replaced: never by a capture."""
        return False

    def replaced(self, record: Record, whole: torch.Tensor, values: Any = None) -> torch.Tensor:
        """Return weights, or what they mixed where values are given, with that replaced; see switches.py."""
        return whole

    def add(self, record: Record, output: Any = None) -> None:
        """Note one record, and mark its output so that the projection after it is found."""
        record.confirmed = True
        put(output, Mixed(record))
        if record.weights is not None:
            self._held_bytes += record.weights.numel() * record.weights.element_size()
        if not self.keep_graph:
            for name in ("q", "k", "v", "weights", "mask", "bias", "sinks"):
                tensor = getattr(record, name)
                if tensor is not None:
                    setattr(record, name, tensor.detach())
        self.records.append(record)
