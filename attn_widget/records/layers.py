"""`LayerAttention`: what one attention module computed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from attn_widget.errors import InputError
from attn_widget.records.indices import check_index, check_indices

HeadCall = tuple[int, int]  # number of an attention call within its pass, and head of that call


@dataclass(frozen=True, eq=False)
class LayerAttention:
    """What one attention module computed in one forward pass, for one item of the batch.

    Call `weights_for` for attention: it returns kept weights, or recomputes them from q and k.

    Parameters
    ----------
    name
        Path of the module inside the model.
    kind
        ``"self"`` or ``"cross"``.
    stream
        ``"encoder"``, ``"decoder"``, ``"vision"`` …; ``""`` when the model has only one.
    layer
        0 nearest the input, counted within one stream and kind.
    n_heads, n_queries, n_keys
        The shape of the attention.
    part, n_parts
        Which part of its layer this is, from 0, and how many there are: a layer may attend within
        several windows, pictures or frames, side by side.
    weights
        Attention after softmax, ``(head, query, key)``; None where only q and k are kept. Rows may
        sum to less than 1: sinks.
    q
        Queries ``(head, query, channel)``, after rotary embedding and norms.
    k, v
        Keys and values ``(key head, key, channel)``; the heads of grouped keys are not repeated.
    scaling
        Factor of q·kᵀ.
    mask
        Additive or boolean, broadcasts to ``(head, query, key)``; None where all keys are visible,
        or with ``causal``.
    causal
        Whether a query sees the keys up to its own position.
    bias
        Added to the scores, broadcasts to ``(head, query, key)``.
    bias_kind
        ``"position"``, or ``"content"`` where the bias depends on the tokens.
    softcap
        c of ``c · tanh(scores / c)``; None: not capped.
    sinks
        Sink logits ``(head,)``: one more column of the softmax, which is not shown.
    gradient
        Of one output by the weights, ``(head, query, key)``.
    output_projection
        ``(head, channel, model channel)``, where it was found.
    recompute
        ``(layer, heads, rows) -> weights``.
    row_tolerance
        How far above 1 a row may sum.
    head_calls
        For each head, which attention calls of the pass computed it: pairs of call and head of that
        call. Empty where heads cannot be told apart while the model runs.

    Examples
    --------
    >>> capture = from_arrays([[[[1.0, 0.0], [0.25, 0.75]]]], ["The", "keys"])
    >>> capture.layers[0]
    <LayerAttention arrays.0: self, layer 0, weights (1, 2, 2) kept>
    >>> capture.layers[0].weights_for(heads=[0], rows=[1]).tolist()
    [[[0.25, 0.75]]]
    """

    name: str
    kind: str
    stream: str
    layer: int
    n_heads: int
    n_queries: int
    n_keys: int
    weights: Any = None
    q: Any = None
    k: Any = None
    v: Any = None
    scaling: float | None = None
    mask: Any = None
    causal: bool = False
    bias: Any = None
    bias_kind: str | None = None
    softcap: float | None = None
    sinks: Any = None
    gradient: Any = None
    output_projection: Any = None
    recompute: Callable[..., Any] | None = field(default=None, repr=False)
    row_tolerance: float = 1e-4
    head_calls: tuple[tuple[HeadCall, ...], ...] = ()
    part: int = 0
    n_parts: int = 1

    def weights_for(
        self, heads: Sequence[int] | None = None, rows: Sequence[int] | None = None
    ) -> Any:
        """Return attention ``(head, query, key)`` of the chosen heads and query rows.

        Parameters
        ----------
        heads, rows
            Indices, negative ones from the end; None: all.

        Raises
        ------
        InputError
            If a head or a row does not exist.
        """
        heads = None if heads is None else check_indices("heads", heads, self.n_heads)
        rows = None if rows is None else check_indices("rows", rows, self.n_queries)
        if self.weights is not None:
            kept = self.weights
            if heads is not None:
                # One head is a view: to copy a long text's head takes longer than to draw it.
                kept = kept[heads[0] : heads[0] + 1] if len(heads) == 1 else kept[heads]
            return kept if rows is None else kept[:, rows]
        if self.recompute is None:
            raise InputError(
                f"weights must have been recorded or be recomputable, got neither at {self.name}. "
                "Record with weights=True."
            )
        return self.recompute(self, heads, rows)

    def __repr__(self) -> str:
        """Return one line: the numbers would fill a page."""
        held = "recomputed on demand" if self.weights is None else "kept"
        shape = (self.n_heads, self.n_queries, self.n_keys)
        return (
            f"<LayerAttention {self.name}: {self.kind}, layer {self.layer}, weights {shape} {held}>"
        )

    def head_output(self, head: int) -> Any:
        """Return ``weights @ v`` of one head, ``(query, channel)``, before its projection."""
        if self.v is None:
            raise InputError(
                f"v must have been recorded for head_output, got None at {self.name}. "
                "Record the model with aw.capture."
            )
        head = check_index("head", head, self.n_heads)
        return self.weights_for([head])[0] @ self.v[head * len(self.v) // self.n_heads]


def most_heads(layers: Sequence[LayerAttention]) -> int:
    """Return the largest number of heads in these layers: pruned models have fewer in some."""
    return max(layer.n_heads for layer in layers)
