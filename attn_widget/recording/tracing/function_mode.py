"""Route 2: follows q·kᵀ to its softmax inside any PyTorch module, and catches the fused attentions on the way.

A ``TorchFunctionMode`` sees every torch function that the forward pass calls on this thread. Products of two
activations are followed (see trail.py) through scale, bias and mask to a softmax, and the softmax to the
values it mixes; only then is it an attention. What the scores are beyond ``scaling · q kᵀ`` is labelled by what it
is: a mask only, a bias by position, or a term that depends on the content.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from attn_widget.recording.softmax import MASKED_BELOW, plain_weights
from attn_widget.recording.tracing import fused_attention as fused
from attn_widget.recording.tracing import score_tracking as trails
from attn_widget.recording.tracing.attention_call import Record, Recorder
from attn_widget.recording.tracing.score_tracking import Mixed, Shares, Trail, flat, put, tag_of

ZEROING = frozenset(("masked_fill", "masked_fill_", "where", "nan_to_num"))
MIXED_RESHAPES = trails.RESHAPES | {
    "transpose",
    "permute",
    "swapaxes",
    "movedim",
    "concat",
    "cat",
    "transpose_",
}


class Interceptor(TorchFunctionMode):
    """Notes the attention of whatever runs inside, into a recorder."""

    def __init__(self, model: torch.nn.Module, recorder: Recorder, batch: int | None) -> None:
        super().__init__()
        self.recorder = recorder
        self.batch = batch
        self.seen: set[str] = (
            set()
        )  # names of what was called: why nothing was found can be read from it
        self._parameters = {p.data_ptr() for p in model.parameters()}
        self._last: dict[
            str, Any
        ] = {}  # masks and biases of the layer before: equal ones are shared
        self._fused: dict[Any, Callable[..., Any]] = {
            functional.scaled_dot_product_attention: fused.dot_product,
            functional.multi_head_attention_forward: fused.multi_head,
        }

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run one torch function and note what it tells."""
        kwargs = kwargs or {}
        if self.recorder.depth:
            return func(*args, **kwargs)
        whole = self._fused.get(func)
        if whole is not None:
            return whole(self.recorder, self.batch, func, args, kwargs)
        name = getattr(func, "__name__", "")
        self.seen.add(name)
        if name in trails.PRODUCTS:
            return self._product(name, func, args, kwargs)
        tag = next((t for t in map(tag_of, flat(args, kwargs)) if t is not None), None)
        if tag is None:
            return func(*args, **kwargs)
        if isinstance(tag, Trail):
            return self._scores(name, func, args, kwargs, tag)
        output = func(*args, **kwargs)
        if isinstance(tag, Mixed):
            self._mixed(name, args, kwargs, output, tag)
        elif name in trails.RESHAPES:
            put(output, tag)
        elif name in trails.MULTIPLIES or name in trails.DIVIDES or name in ZEROING:
            put(output, Shares(tag.record, fresh=False))
        return output

    # -- scores -----------------------------------------------------------------------------------------------

    def _product(self, name: str, func: Any, args: Any, kwargs: Any) -> Any:
        """Run a product: it may begin a trail, end one at the values, or be the output projection."""
        output = func(*args, **kwargs)
        tags = [tag_of(t) for t in flat(args, kwargs)]
        shares = next((t for t in tags if isinstance(t, Shares)), None)
        mixed = next((t for t in tags if isinstance(t, Mixed)), None)
        if shares is not None:
            if self.recorder.replaces(shares.record):
                output = func(
                    *self._replaced(args),
                    **{name: self._replaced([t])[0] for name, t in kwargs.items()},
                )
            self._values(name, args, shares, output)
        elif mixed is not None:
            self._mixed(name, args, kwargs, output, mixed)
        elif isinstance(output, torch.Tensor) and not self._weighs(args, kwargs):
            put(output, trails.product(name, args, kwargs, output))
        return output

    def _replaced(self, operands: Any) -> list[Any]:
        """Return the operands of a product, shares among them replaced as the recorder says."""
        out = list(operands)
        for i, operand in enumerate(out):
            tag = tag_of(operand)
            if isinstance(operand, list | tuple):
                out[i] = self._replaced(operand)
            elif isinstance(tag, Shares):
                four = operand.reshape(tag.record.shape)
                out[i] = self.recorder.replaced(tag.record, four).reshape(operand.shape)
        return out

    def _weighs(self, args: Any, kwargs: Any) -> bool:
        """Return whether a product's operand is a parameter: that is a layer, not an attention."""
        return any(
            isinstance(t, torch.Tensor) and t.ndim <= 2 and t.data_ptr() in self._parameters
            for t in flat(args, kwargs)
        )

    def _scores(self, name: str, func: Any, args: Any, kwargs: Any, trail: Trail) -> Any:
        """Run an operation on scores; at a softmax over the keys they become shares."""
        scores = args[0] if args else kwargs.get("input")
        if name not in trails.SOFTMAXES or tag_of(scores) is not trail:
            output = func(*args, **kwargs)
            # In-place operations return the tensor they changed: its tag must change with it.
            if not isinstance(output, torch.Tensor):
                return output
            return put(output, trails.follow(name, args, kwargs, output, trail))
        before = scores.detach()
        output = func(*args, **kwargs)
        dim = kwargs.get("dim", args[1] if len(args) > 1 and isinstance(args[1], int) else -1)
        readable = scores.ndim >= 2 and trail.shape[-2:] == (
            scores.shape[-2],
            scores.shape[-1] - trail.extra,
        )
        if dim not in (-1, scores.ndim - 1) or not readable:
            self.recorder.unread(self.recorder.name_of())
            return output
        record = self._record(before, trail)
        n_keys = record.shape[-1]
        four = output[..., :n_keys].reshape(record.shape)
        if self.recorder.keep_graph:
            record.kept = four[0]
            through = record.kept[None].reshape(*output.shape[:-1], n_keys)
            output = torch.cat([through, output[..., n_keys:]], dim=-1) if trail.extra else through
        elif self.recorder.keeps(record.shape, output.element_size()):
            record.weights = four
        return put(output, Shares(record))

    def _record(self, scores: torch.Tensor, trail: Trail) -> Record:
        """Return the record of scores that reached their softmax."""
        items, heads = trails.split_heads(tuple(scores.shape), self.batch)
        shape = (items, heads, scores.shape[-2], scores.shape[-1] - trail.extra)
        record = Record(
            name=self.recorder.name_of(),
            shape=shape,
            dtype=scores.dtype,
            cross=self.recorder.is_cross(),
            scaling=trail.scaling,
            softcap=trail.softcap,
        )
        scores = scores.reshape(*shape[:3], -1)
        if trail.q is not None:
            lead = trail.shape[:-2]
            record.q = trails.as_four(trail.q, lead, items, heads)
            record.k = trails.as_four(trail.k, lead, items, heads)
        if record.q is None or record.k is None:
            record.q = record.k = None
            record.bias_kind = "content"
            return record
        with torch.no_grad():
            self._explain(record, scores, trail)
        return record

    def _explain(self, record: Record, scores: torch.Tensor, trail: Trail) -> None:
        """Note what the scores are beyond the product: a mask, and a bias by position or by content."""
        product = (record.q.detach() @ record.k.detach().transpose(-1, -2)).to(
            scores.dtype
        ) * record.scaling
        if record.softcap is not None:
            product = torch.tanh(product / record.softcap) * record.softcap
        scores, behind = scores[..., : record.shape[-1]], scores[..., record.shape[-1] :]
        rest = scores - product
        allowed = rest > MASKED_BELOW
        close = 1e-5 if scores.dtype in (torch.float32, torch.float64) else 2e-2
        rest, shift = _levelled(rest, allowed, close)
        if behind.shape[-1]:
            column = (behind - shift)[..., 0]
            record.sinks = column[0, :, 0]
            if not bool(
                torch.allclose(column, record.sinks[None, :, None].expand_as(column), atol=1e-3)
            ):
                record.q = record.k = (
                    None  # a sink that depends on the query: only the weights tell
                )
        size = product.masked_fill(~allowed, 0.0).abs().amax().clamp(min=1.0)
        if bool((rest.abs() > close * size).any()):
            record.bias = self._shared("bias", _narrow(rest))
            record.bias_kind = "content" if trail.content else "position"
        if not bool(allowed.all()):
            record.mask = self._shared("mask", _narrow(allowed))

    def _shared(self, kind: str, term: torch.Tensor) -> torch.Tensor:
        """Return the term of the layer before where it is equal: one n×n for all layers, not one each."""
        last = self._last.get(kind)
        if last is not None and last.shape == term.shape and torch.equal(last, term):
            return last
        self._last[kind] = term
        return term

    # -- values and output projection ---------------------------------------------------------------------------

    def _values(self, name: str, args: Any, shares: Shares, output: torch.Tensor) -> None:
        """Note the values that the shares mix: now it is an attention."""
        record = shares.record
        items, heads, _, n_keys = record.shape
        if name == "einsum":
            record.v = _einsum_values(args, record.shape)
        else:
            operands = [t for t in args if isinstance(t, torch.Tensor)]
            mixing = operands[-2] if len(operands) >= 2 else None
            if (
                mixing is not None
                and tag_of(mixing) == shares
                and operands[-1].shape[-2:-1] == (n_keys,)
            ):
                if not shares.fresh:
                    self._altered(record, mixing)
                lead = operands[-2].shape[:-2]
                record.v = trails.as_four(operands[-1], tuple(lead), items, heads)
        if not record.confirmed:
            self.recorder.add(record)
        put(output, Mixed(record))

    def _altered(self, record: Record, mixing: torch.Tensor) -> None:
        """Note weights that were changed after their softmax: zeroed rows and factors are part of what mixes."""
        if self.recorder.keep_graph or mixing.numel() != torch.Size(record.shape).numel():
            return
        mixing = mixing.detach().reshape(record.shape)
        with torch.no_grad():
            softmaxed = record.weights if record.weights is not None else plain_weights(record)
        if not torch.allclose(mixing, softmaxed, atol=1e-6):
            record.weights, record.altered = (
                mixing,
                True,
            )  # queries and keys alone could not give these again

    def _mixed(self, name: str, args: Any, kwargs: Any, output: Any, tag: Mixed) -> None:
        """Follow mixed values to the layer that projects them back."""
        if name in MIXED_RESHAPES:
            put(output, tag)
            return
        record = tag.record
        if record.projection is not None:
            return
        operands = [t for t in flat(args, kwargs) if isinstance(t, torch.Tensor)]
        width = record.shape[1] * (record.v.shape[-1] if record.v is not None else 0)
        matrix = None
        if name == "linear" and len(operands) >= 2 and operands[1].ndim == 2:
            matrix = operands[1].T
        elif name == "addmm" and len(operands) >= 3:
            matrix = operands[2]
        elif name in ("matmul", "__matmul__") and len(operands) == 2 and operands[1].ndim == 2:
            matrix = operands[1]
        elif name == "einsum":
            matrix = _einsum_projection(args, record.shape[1])
        if matrix is not None and matrix.shape[0] == width:
            record.projection = matrix.detach()


def _einsum_values(args: Any, shape: tuple[int, ...]) -> Any:
    """Return the values of an einsum of shares and values as ``(batch, head, key, channel)``."""
    parsed = trails.einsum_letters(args)
    if parsed is None:
        return None
    (first, second), out, (a, b) = parsed
    if not isinstance(tag_of(a), Shares):
        first, second, a, b = second, first, b, a
    key = first[-1]
    channel = [c for c in second if c in out and c not in first]
    if (
        len(first) != 4
        or key not in second
        or len(channel) != 1
        or set(second) - set(first) - set(channel)
    ):
        return None
    kept = [c for c in (*first[:2], key, channel[0]) if c in second]
    moved = b.permute([second.index(c) for c in kept])
    for i, c in enumerate(first[:2]):
        if c not in second:
            moved = moved.unsqueeze(i)
    return moved.expand(*shape[:2], *moved.shape[-2:])


def _levelled(
    rest: torch.Tensor, allowed: torch.Tensor, close: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return what is beyond the product, and per row what was added to all its keys alike, such as minus its largest.

    A softmax does not see what is added to a whole row; the sink behind the keys was moved by the same.
    """
    shift = rest.masked_fill(~allowed, float("-inf")).amax(-1, keepdim=True)
    shift = shift.masked_fill(shift.isinf(), 0.0)
    level = (rest - shift).masked_fill(~allowed, 0.0)
    if bool((level.abs() <= close * shift.abs().clamp(min=1.0)).all()):
        return level, shift
    return rest.masked_fill(~allowed, 0.0), torch.zeros_like(shift)


def _einsum_projection(args: Any, heads: int) -> Any:
    """Return the matrix of an einsum that sums over heads and channels, as ``(head · channel, model channel)``."""
    parsed = trails.einsum_letters(args)
    if parsed is None:
        return None
    (first, second), out, (_, matrix) = parsed
    summed = [c for c in first if c in second and c not in out]
    kept = [c for c in second if c not in summed]
    if len(summed) != 2 or len(kept) != 1 or matrix.shape[second.index(summed[0])] != heads:
        return None
    return matrix.permute([second.index(c) for c in (*summed, kept[0])]).flatten(0, 1)


def _narrow(term: torch.Tensor) -> torch.Tensor:
    """Return a term with one item or one head where all are equal."""
    for axis in (0, 1):
        first = term.narrow(axis, 0, 1)
        if term.shape[axis] > 1 and bool((term == first).all()):
            term = first
    return term
