"""Following a score tensor: what product it came from, and what has been done to it since.

Each tensor that descends from a product of two activations carries one small tag, as an attribute, so that
the tag lives exactly as long as the tensor. Three kinds of tag, one for each stretch of an attention:

- `Trail`: scores on their way from q·kᵀ to the softmax;
- `Shares`: the softmax's output on its way to the values;
- `Mixed`: the mixed values on their way to the output projection.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import torch
from jaxtyping import Float

TAG = "_attn_widget_tag"
# What changes neither values nor which number belongs to which query and key.
RESHAPES = frozenset((
    "view", "reshape", "contiguous", "unsqueeze", "squeeze", "flatten", "unflatten", "view_as", "reshape_as",
    "clone", "detach", "to", "float", "half", "bfloat16", "double", "type", "type_as", "expand", "expand_as",
    "dropout", "dropout_", "alias", "__getitem__", "requires_grad_",
))  # fmt: skip
MULTIPLIES = frozenset((
    "mul", "mul_", "multiply", "multiply_", "__mul__", "__rmul__", "__imul__",
))  # fmt: skip
DIVIDES = frozenset((
    "div", "div_", "divide", "divide_", "true_divide", "__truediv__", "__itruediv__", "__div__",
))  # fmt: skip
# What adds to scores or masks them: what it did is found later, as the part that is not q·kᵀ.
ADDS = frozenset((
    "add", "add_", "__add__", "__radd__", "__iadd__", "sub", "sub_", "subtract", "__sub__", "__isub__",
    "masked_fill", "masked_fill_", "where", "max", "maximum", "clamp", "clamp_", "clip", "nan_to_num",
    "masked_scatter", "index_put_", "__setitem__", "tril", "triu",
))  # fmt: skip
# What moves numbers to other queries and keys: the product's place is lost, but that it is one stays known.
MOVES = frozenset((
    "transpose", "transpose_", "permute", "swapaxes", "movedim", "gather", "index_select", "take_along_dim",
    "cat", "concat", "stack", "pad", "roll", "flip", "narrow", "as_strided", "repeat", "repeat_interleave",
    "unfold", "neg", "exp", "logsumexp", "tanh", "sum",
))  # fmt: skip
PRODUCTS = frozenset((
    "matmul", "__matmul__", "__rmatmul__", "bmm", "baddbmm", "baddbmm_", "einsum",
))  # fmt: skip
SOFTMAXES = frozenset(("softmax", "_softmax"))


@dataclass(frozen=True)
class Trail:
    """Scores: ``cap(scale · q kᵀ)`` plus what was added; ``q is None`` where the product can no longer be told."""

    q: Any = None  # (…, query, channel)
    k: Any = None  # (…, key, channel)
    shape: tuple[int, ...] = ()  # of the product
    scale: float = 1.0
    inner: float | None = None  # the scale inside the tanh of capped scores
    content: bool = False  # another product of activations was added
    fresh: bool = True  # not reshaped since the product
    extra: int = 0  # columns of sinks behind the keys

    @property
    def scaling(self) -> float:
        """Return the factor on q·kᵀ before the cap."""
        return self.scale if self.inner is None else self.inner * self.scale

    @property
    def softcap(self) -> float | None:
        """Return the cap, or None."""
        return None if self.inner is None else self.scale


@dataclass(frozen=True)
class Shares:
    """The softmax's output."""

    record: Any
    fresh: bool = True


@dataclass(frozen=True)
class Mixed:
    """Weights · values of one record."""

    record: Any


def tag_of(tensor: Any) -> Any:
    """Return the tag of a tensor, or None."""
    return getattr(tensor, TAG, None) if isinstance(tensor, torch.Tensor) else None


def put(tensor: Any, tag: Any) -> Any:
    """Give a tensor a tag, and return the tensor."""
    if isinstance(tensor, torch.Tensor):
        setattr(tensor, TAG, tag)
    return tensor


def product(
    name: str, args: tuple[Any, ...], kwargs: dict[str, Any], output: torch.Tensor
) -> Trail | None:
    """Return the trail that a product begins, or None where it is no product of two activations."""
    if name == "einsum":
        pair = _einsum_pair(args)
        if pair is None:
            return None
        q, k = pair
        return Trail(q=q, k=k, shape=tuple(output.shape))
    scale = 1.0
    if name.startswith("baddbmm"):
        names = ("batch1", "batch2")
        q, k = (
            kwargs.get(n, args[i + 1] if len(args) > i + 1 else None) for i, n in enumerate(names)
        )
        scale = float(kwargs.get("alpha", 1.0))
    else:
        operands = [*args, *(kwargs[n] for n in ("other", "mat2", "tensor2") if n in kwargs)]
        q, k = operands[:2] if name != "__rmatmul__" else operands[1::-1]
    if not all(isinstance(t, torch.Tensor) and t.is_floating_point() for t in (q, k)):
        return None
    if q.ndim < 2 or k.ndim < 2 or (q.ndim == 2) != (k.ndim == 2):
        return None
    return Trail(q=q, k=k.transpose(-1, -2), shape=tuple(output.shape), scale=scale)


def follow(
    name: str, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any, trail: Trail
) -> Trail | None:
    """Return the trail after one more operation on scores; None where the output is no score any more."""
    if not isinstance(output, torch.Tensor) or not output.is_floating_point():
        return None
    others = [
        t
        for t in (*args, *kwargs.values())
        if isinstance(tag_of(t), Trail) and tag_of(t) is not trail
    ]
    if trail.q is None and not (
        name in RESHAPES or name in MOVES or name in ADDS or name in MULTIPLIES | DIVIDES
    ):
        return None
    if name in ("cat", "concat") and trail.q is not None and _adds_sink(args, output, trail):
        return replace(trail, extra=1)
    if name in RESHAPES:
        return replace(trail, fresh=trail.fresh and output.shape == args[0].shape)
    if name in MULTIPLIES or name in DIVIDES:
        return _scaled(name, args, kwargs, output, trail)
    if name in ("tanh", "tanh_") and trail.inner is None:
        return replace(trail, inner=trail.scale, scale=1.0)
    if name in ADDS:
        if others:
            first = next((tag_of(t) for t in others if tag_of(t).q is not None), None)
            main = trail if trail.q is not None else first
            return replace(main or trail, content=True)
        return trail
    return Trail(content=True, shape=trail.shape) if name in MOVES else None


def _adds_sink(args: tuple[Any, ...], output: Any, trail: Trail) -> bool:
    """Return whether a concatenation puts one column behind the scores: a sink, which takes its share of the row."""
    parts = args[0] if args and isinstance(args[0], list | tuple) else ()
    return (
        len(parts) == 2 and tag_of(parts[0]) is trail and output.shape[-1] == parts[0].shape[-1] + 1
    )


def _scaled(
    name: str, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any, trail: Trail
) -> Trail:
    """Return the trail after a multiplication or division."""
    other = next((a for a in (*args, *kwargs.values()) if tag_of(a) is not trail), None)
    if isinstance(other, torch.Tensor) and other.numel() > 1:
        # A factor per head or per row belongs to the query; any other (a 0/1 mask) shows in what is left over.
        per_row = other.shape[-1] == 1 and other.ndim <= len(trail.shape)
        if trail.fresh and trail.q is not None and per_row and trail.inner is None:
            factor = 1 / other if name in DIVIDES else other
            return replace(trail, q=trail.q * factor)
        return trail
    if other is None or isinstance(other, str):
        return trail
    value = float(other)
    if name in DIVIDES:
        if tag_of(args[0]) is not trail:  # 1 / scores
            return Trail(content=True, shape=trail.shape)
        value = 1 / value if value else math.inf
    return replace(trail, scale=trail.scale * value)


def split_heads(shape: tuple[int, ...], batch: int | None) -> tuple[int, int]:
    """Return items and heads of a tensor whose last two axes are (query, key or channel)."""
    lead = shape[:-2]
    if len(lead) == 0:
        return 1, 1
    if len(lead) == 1:
        items = batch if batch and lead[0] % batch == 0 else 1
        return items, lead[0] // items
    return lead[0], math.prod(lead[1:])


def as_four(
    tensor: Float[torch.Tensor, "*lead token channel"],
    lead: tuple[int, ...],
    items: int,
    heads: int,
) -> Float[torch.Tensor, "item head token channel"] | None:
    """Return a tensor as ``(item, head, token, channel)`` after broadcasting its leading axes."""
    try:
        full = tensor.expand(*lead, *tensor.shape[-2:])
        return full.reshape(items, heads, *tensor.shape[-2:])
    except RuntimeError:
        return None


def _einsum_pair(args: tuple[Any, ...]) -> tuple[torch.Tensor, torch.Tensor] | None:
    """Return the two operands of an einsum as ``(…, query, channel)`` and ``(…, key, channel)``."""
    parsed = einsum_letters(args)
    if parsed is None:
        return None
    (first, second), out, (a, b) = parsed
    summed = [c for c in first if c in second and c not in out]
    if len(summed) != 1 or len(out) < 2:
        return None
    lead, rows, columns = out[:-2], out[-2], out[-1]
    d = summed[0]
    if rows in second and rows not in first:
        first, second, a, b = second, first, b, a
    if rows not in first or columns not in second or rows in second or columns in first:
        return None

    def arranged(letters: str, tensor: torch.Tensor, last: str) -> torch.Tensor | None:
        if set(letters) - set(lead) - {last, d}:
            return None
        kept = [c for c in (*lead, last, d) if c in letters]
        moved = tensor.permute([letters.index(c) for c in kept])
        for i, c in enumerate(lead):
            if c not in letters:
                moved = moved.unsqueeze(i)
        return moved

    q, k = arranged(first, a, rows), arranged(second, b, columns)
    return None if q is None or k is None else (q, k)


def einsum_letters(args: tuple[Any, ...]) -> tuple[tuple[str, str], str, tuple[Any, Any]] | None:
    """Return subscripts, output and operands of an einsum of two activations, or None."""
    if not args or not isinstance(args[0], str):
        return None
    operands = args[1] if len(args) == 2 and isinstance(args[1], list | tuple) else args[1:]
    text = args[0].replace(" ", "")
    if len(operands) != 2 or "->" not in text or "..." in text:
        return None
    inputs, out = text.split("->")
    first, second = inputs.split(",")
    return (first, second), out, (operands[0], operands[1])


def flat(args: Any, kwargs: Any) -> list[Any]:
    """Return a call's arguments one by one, those in lists too."""
    out: list[Any] = []
    for value in (*args, *kwargs.values()):
        out.extend(value) if isinstance(value, list | tuple) else out.append(value)
    return out
