"""Score tracking: the product a score tensor came from, and what was computed with it since.

Each tensor that was computed from a product of two activations has a small tag as an attribute, so
that the tag lives exactly as long as the tensor. There is one kind of tag for each stage:

- `ScoresTag`: scores, between q·kᵀ and the softmax;
- `WeightsTag`: attention weights, between the softmax and the product with the values;
- `MixedTag`: weights · values, before the output projection;
- `UnreadTag`: weights of some kind that could not be read as attention.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import torch
from jaxtyping import Float

from attn_widget.recording.tracing.einsum import einsum_query_key

TAG = "_attn_widget_tag"
# Operations that keep every value with its query and key.
RESHAPES = frozenset((
    "view", "reshape", "contiguous", "unsqueeze", "squeeze", "flatten", "unflatten", "view_as",
    "reshape_as", "clone", "detach", "to", "float", "half", "bfloat16", "double", "type", "type_as",
    "expand", "expand_as", "dropout", "dropout_", "alias", "__getitem__", "requires_grad_",
))  # fmt: skip
MULTIPLIES = frozenset((
    "mul", "mul_", "multiply", "multiply_", "__mul__", "__rmul__", "__imul__",
))  # fmt: skip
DIVIDES = frozenset((
    "div", "div_", "divide", "divide_", "true_divide", "__truediv__", "__itruediv__", "__div__",
))  # fmt: skip
# Operations that add to scores or mask them: the difference to q·kᵀ is computed at the softmax.
ADDS = frozenset((
    "add", "add_", "__add__", "__radd__", "__iadd__", "sub", "sub_", "subtract", "__sub__",
    "__isub__", "masked_fill", "masked_fill_", "where", "max", "maximum", "clamp", "clamp_", "clip",
    "nan_to_num", "masked_scatter", "index_put_", "__setitem__", "tril", "triu",
))  # fmt: skip
# Operations that move values to other queries and keys: the result is scores without q and k.
MOVES = frozenset((
    "transpose", "transpose_", "permute", "swapaxes", "movedim", "gather", "index_select",
    "take_along_dim", "cat", "concat", "stack", "pad", "roll", "flip", "narrow", "as_strided",
    "repeat", "repeat_interleave", "unfold", "neg", "exp", "logsumexp", "tanh", "sum",
))  # fmt: skip
PRODUCTS = frozenset((
    "matmul", "__matmul__", "__rmatmul__", "bmm", "baddbmm", "baddbmm_", "einsum",
))  # fmt: skip
SOFTMAXES = frozenset(("softmax", "_softmax"))


@dataclass(frozen=True)
class ScoresTag:
    """Scores: ``cap(scale · q kᵀ)`` plus what was added; ``q is None`` where q and k are lost."""

    q: Any = None  # (…, query, channel)
    k: Any = None  # (…, key, channel)
    shape: tuple[int, ...] = ()  # of the product
    scale: float = 1.0
    inner: float | None = None  # the scale inside the tanh of capped scores
    content: bool = False  # another product of activations was added
    fresh: bool = True  # not reshaped since the product
    extra: int = 0  # columns of sink logits after the keys

    @property
    def scaling(self) -> float:
        """Return the factor on q·kᵀ before the cap."""
        return self.scale if self.inner is None else self.inner * self.scale

    @property
    def softcap(self) -> float | None:
        """Return the cap, or None."""
        return None if self.inner is None else self.scale


@dataclass(frozen=True)
class WeightsTag:
    """Attention weights: the softmax's output."""

    call: Any
    fresh: bool = True


@dataclass(frozen=True)
class MixedTag:
    """Weights · values of one attention call."""

    call: Any


@dataclass(frozen=True)
class UnreadTag:
    """Weights that are no recorded attention: once they mix values, their module is missing."""

    path: str  # of the module that made them
    why: str  # what was seen
    applied: bool = False  # multiplied with something: a sum of that mixes it


def tag_of(tensor: Any) -> Any:
    """Return the tag of a tensor, or None."""
    return getattr(tensor, TAG, None) if isinstance(tensor, torch.Tensor) else None


def set_tag(tensor: Any, tag: Any) -> Any:
    """Set the tag of a tensor, and return the tensor."""
    if isinstance(tensor, torch.Tensor):
        setattr(tensor, TAG, tag)
    return tensor


def tag_of_product(
    name: str, args: tuple[Any, ...], kwargs: dict[str, Any], output: torch.Tensor
) -> ScoresTag | None:
    """Return the tag of a product, or None where it is no product of two activations."""
    if name == "einsum":
        pair = einsum_query_key(args)
        if pair is None:
            return None
        q, k = pair
        return ScoresTag(q=q, k=k, shape=tuple(output.shape))
    scale = 1.0
    if name.startswith("baddbmm"):  # its first operand is added to the product
        operands = [*args[1:3], *(kwargs[n] for n in ("batch1", "batch2") if n in kwargs)]
        scale = float(kwargs.get("alpha", 1.0))
    else:
        operands = [*args, *(kwargs[n] for n in ("other", "mat2", "tensor2") if n in kwargs)]
    if len(operands) < 2:
        return None
    q, k = operands[:2] if name != "__rmatmul__" else operands[1::-1]
    if not all(isinstance(t, torch.Tensor) and t.is_floating_point() for t in (q, k)):
        return None
    if q.ndim < 2 or k.ndim < 2 or (q.ndim == 2) != (k.ndim == 2):
        return None
    return ScoresTag(q=q, k=k.transpose(-1, -2), shape=tuple(output.shape), scale=scale)


def tag_after(
    name: str, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any, tag: ScoresTag
) -> ScoresTag | None:
    """Return the tag after one more operation on scores; None where the output is no score."""
    if not isinstance(output, torch.Tensor) or not output.is_floating_point():
        return None
    others = [
        t
        for t in (*args, *kwargs.values())
        if isinstance(tag_of(t), ScoresTag) and tag_of(t) is not tag
    ]
    if tag.q is None and not (
        name in RESHAPES or name in MOVES or name in ADDS or name in MULTIPLIES | DIVIDES
    ):
        return None
    if name in ("cat", "concat") and tag.q is not None:
        if _adds_sink(args, output, tag):
            return replace(tag, extra=1)
        joined = _joined_keys(args, output)
        if joined is not None:
            return joined
    if name in RESHAPES:
        return replace(tag, fresh=tag.fresh and output.shape == args[0].shape)
    if name in MULTIPLIES or name in DIVIDES:
        return _scaled(name, args, kwargs, output, tag)
    if name in ("tanh", "tanh_") and tag.inner is None:
        return replace(tag, inner=tag.scale, scale=1.0)
    if name in ADDS:
        if others:
            first = next((tag_of(t) for t in others if tag_of(t).q is not None), None)
            main = tag if tag.q is not None else first
            return replace(main or tag, content=True)
        return tag
    return ScoresTag(content=True, shape=tag.shape) if name in MOVES else None


def _adds_sink(args: tuple[Any, ...], output: Any, tag: ScoresTag) -> bool:
    """Return whether a concatenation appends one column to the scores: a sink logit."""
    parts = args[0] if args and isinstance(args[0], list | tuple) else ()
    return (
        len(parts) == 2 and tag_of(parts[0]) is tag and output.shape[-1] == parts[0].shape[-1] + 1
    )


def _joined_keys(args: tuple[Any, ...], output: torch.Tensor) -> ScoresTag | None:
    """Return the tag of scores of the same queries with several sets of keys, side by side."""
    parts = args[0] if args and isinstance(args[0], list | tuple) else ()
    tags = [tag_of(part) for part in parts]
    if not all(isinstance(tag, ScoresTag) and tag.q is not None for tag in tags):
        return None
    first, lead = tags[0], tuple(output.shape[:-2])
    for tag, part in zip(tags, parts, strict=True):
        same = tag.q is first.q or (
            tag.q.data_ptr() == first.q.data_ptr()
            and tag.q.shape == first.q.shape
            and tag.q.stride() == first.q.stride()
        )
        plain = tag.scale == first.scale and tag.inner is None and not tag.extra
        if not (same and plain) or tag.shape != tuple(part.shape) or part.shape[:-2] != lead:
            return None
    if output.shape[-2] != first.shape[-2]:  # joined along another axis than the keys
        return None
    keys = [tag.k.expand(*lead, *tag.k.shape[-2:]) for tag in tags]
    content = any(tag.content for tag in tags)
    return replace(first, k=torch.cat(keys, -2), shape=tuple(output.shape), content=content)


def _scaled(
    name: str, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any, tag: ScoresTag
) -> ScoresTag:
    """Return the tag after a multiplication or division."""
    other = next((a for a in (*args, *kwargs.values()) if tag_of(a) is not tag), None)
    if isinstance(other, torch.Tensor) and other.numel() > 1:
        # A factor per head or row becomes part of q; others (a 0/1 mask) are found at the softmax.
        per_row = other.shape[-1] == 1 and other.ndim <= len(tag.shape)
        if tag.fresh and tag.q is not None and per_row and tag.inner is None:
            factor = 1 / other if name in DIVIDES else other
            return replace(tag, q=tag.q * factor)
        return tag
    if other is None or isinstance(other, str):
        return tag
    value = float(other)
    if name in DIVIDES:
        if tag_of(args[0]) is not tag:  # 1 / scores
            return ScoresTag(content=True, shape=tag.shape)
        value = 1 / value if value else math.inf
    return replace(tag, scale=tag.scale * value)


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


def flat(args: Any, kwargs: Any) -> list[Any]:
    """Return a call's arguments one by one, those in lists too."""
    out: list[Any] = []
    for value in (*args, *kwargs.values()):
        out.extend(value) if isinstance(value, list | tuple) else out.append(value)
    return out
