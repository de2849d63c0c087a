"""The frame of the neuron view: how one head computes its weights from query and keys."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from attn_widget.pictures.axes import Axis
from attn_widget.pictures.protocol import Frame, Spec, common, plain


@dataclass(frozen=True, eq=False)
class Stages:
    """What one head computed for one query, over all keys; None for stages that the layer lacks.

    ``dot`` is q·k; ``scaled`` = dot · scaling; ``softcapped`` = cap · tanh(scaled / cap); ``bias``
    and ``mask`` are added; ``softmax`` is over the sum (and the sink logit, if there is one).
    """

    q: Float[np.ndarray, " channel"]
    k: Float[np.ndarray, "key channel"]
    dot: Float[np.ndarray, " key"]
    scaled: Float[np.ndarray, " key"]
    softmax: Float[np.ndarray, " key"]
    measured: Float[np.ndarray, " key"]
    scaling: float
    softcapped: Float[np.ndarray, " key"] | None = None
    bias: Float[np.ndarray, " key"] | None = None
    mask: Float[np.ndarray, " key"] | None = None
    softcap: float | None = None
    bias_kind: str | None = None
    sink: float | None = None
    tolerance: float = 1e-5


def neuron_frame(spec: Spec, stages: Stages, queries: Axis, keys: Axis, query: int) -> Frame:
    """Return the frame of the neuron view.

    ``difference`` is the largest difference between recomputed and measured weights.
    """
    difference = float(np.abs(stages.softmax - stages.measured).max())
    shown = [
        (name, label, about) for name, label, about in _STAGES if getattr(stages, name) is not None
    ]
    label = f"layer {spec.layer}"
    fields = common(spec, queries, keys, unit="share", causal=False, layer_label=label) | {
        "query": query,
        "channels": len(stages.q),
        "stages": [{"name": name, "label": label, "about": about} for name, label, about in shown],
        "scaling": stages.scaling,
        "softcap": stages.softcap,
        "bias_kind": stages.bias_kind,
        "sink": stages.sink,
        "difference": difference,
        "tolerance": stages.tolerance,
        "passed": int(difference <= stages.tolerance),
        "total": float(stages.softmax.sum()),
        "measured_total": float(stages.measured.sum()),
    }
    arrays = {
        name: plain(getattr(stages, name).astype(np.float32)) for name in ("q", "k", "measured")
    }
    arrays |= {name: plain(getattr(stages, name).astype(np.float32)) for name, _, _ in shown}
    return Frame(fields, arrays)


_STAGES = (
    ("dot", "q · k", "sum"),
    ("scaled", "scaled", "× scaling"),
    ("softcapped", "softcap", "cap · tanh(x / cap)"),
    ("bias", "+ bias", "added before softmax"),
    ("mask", "+ mask", "added before softmax"),
    ("softmax", "softmax", "share of this query"),
)
