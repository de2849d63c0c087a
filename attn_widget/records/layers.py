"""What one attention module computed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from attn_widget.errors import InputError
from attn_widget.records.indices import check_index, check_indices


@dataclass(frozen=True, eq=False)
class LayerAttention:
    """What one attention module computed in one forward pass, for one item of the batch.

    ``weights`` is attention after softmax, ``(head, query, key)``, or None in light mode; ask
    ``weights_for`` and never mind which. Rows may sum to less than 1: attention sinks are legal.
    """

    name: str  # path of the module inside the model
    kind: str  # "self" or "cross"
    stream: str  # "encoder", "decoder", "vision", "text", "" when the model has only one
    layer: int  # 0 nearest the input, counted within one (stream, kind)
    n_heads: int
    n_queries: int
    n_keys: int
    weights: Any = None  # (head, query, key)
    q: Any = None  # (head, query, channel), after RoPE and norms
    k: Any = None  # (key head, key, channel): grouped keys are kept unrepeated
    v: Any = None  # (key head, key, channel)
    scaling: float | None = None
    mask: Any = None  # additive or boolean, broadcasts to (head, query, key); None with causal=True: the triangle
    causal: bool = False
    bias: Any = None  # additive, broadcasts to (head, query, key)
    bias_kind: str | None = (
        None  # "position" or "content": what the part of the scores that is not q·kᵀ is
    )
    softcap: float | None = None
    sinks: Any = None  # (head,)
    gradient: Any = None  # (head, query, key)
    output_projection: Any = None  # (head, channel, model channel), where it was found
    recompute: Callable[..., Any] | None = field(
        default=None, repr=False
    )  # (layer, heads, rows) -> weights
    row_tolerance: float = (
        1e-4  # how far above 1 a row may sum: 1e-4 for float32, 2e-2 for bfloat16
    )

    def weights_for(
        self, heads: Sequence[int] | None = None, rows: Sequence[int] | None = None
    ) -> Any:
        """Return attention ``(head, query, key)`` of the chosen heads and query rows, kept or recomputed.

        Raises
        ------
        InputError
            If a head or a row does not exist.
        """
        heads = None if heads is None else check_indices("heads", heads, self.n_heads)
        rows = None if rows is None else check_indices("rows", rows, self.n_queries)
        if self.weights is not None:
            kept = self.weights
            if (
                heads is not None
            ):  # one head is a view: a copy of a long text's head takes longer than drawing it
                kept = kept[heads[0] : heads[0] + 1] if len(heads) == 1 else kept[heads]
            return kept if rows is None else kept[:, rows]
        if self.recompute is None:
            raise InputError(
                f"weights must have been recorded or be recomputable, got neither at {self.name}."
            )
        return self.recompute(self, heads, rows)

    def __repr__(self) -> str:
        """Return one line of what it is: the numbers would fill a page."""
        held = "recomputed when asked" if self.weights is None else "kept"
        shape = (self.n_heads, self.n_queries, self.n_keys)
        return (
            f"<LayerAttention {self.name}: {self.kind}, layer {self.layer}, weights {shape} {held}>"
        )

    def head_output(self, head: int) -> Any:
        """Return ``weights @ v`` of one head, ``(query, channel)``: what it writes before the output projection."""
        if self.v is None:
            raise InputError(f"v must have been recorded for head_output, got None at {self.name}.")
        head = check_index("head", head, self.n_heads)
        return self.weights_for([head])[0] @ self.v[head * len(self.v) // self.n_heads]


def most_heads(layers: Sequence[LayerAttention]) -> int:
    """Return the largest number of heads in these layers: pruned models have fewer in some."""
    return max(layer.n_heads for layer in layers)
