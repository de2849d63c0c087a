"""What the traits start from, and what becomes of them when another attention or capture is shown."""

from __future__ import annotations

from typing import Any

from attn_widget.attribution.methods import METHODS, applicable
from attn_widget.errors import AttnWidgetError
from attn_widget.pictures.rules import rules
from attn_widget.pictures.validation import check, sentences
from attn_widget.records import Capture, most_heads

CHECKED = (
    "attention", "view", "method", "layer", "heads", "head", "query", "key",
    "residual", "reduce", "threshold", "theme", "step", "segments", "metric",
)  # fmt: skip
MANY_HEADS = 16  # colours can name this many; above, a few heads are turned on


def method_names() -> list[str]:
    """Return the methods in menu order."""
    return list(METHODS)


def texts(capture: Capture) -> tuple[str, str]:
    """Return the sentence and the second sentence that a capture was made from, "" where there is none."""
    source = [*capture.tokens.source, "", ""]
    return source[0], source[1]


def start(capture: Capture, attention: str) -> dict[str, Any]:
    """Return the first values of the traits that depend on the capture: all heads on, the first layer."""
    n_heads = most_heads(capture.group(attention))
    return {"layer": 0, "head": 0, "heads": list(range(n_heads))}


def fitted(values: Any, capture: Capture, attention: str) -> dict[str, Any]:
    """Return the traits that must change so that all of them exist in this attention.

    ``values`` has the traits as attributes. Layers and heads are kept where they exist; all heads come
    on when none that was on is left.
    """
    layers = capture.group(attention)
    n_heads = most_heads(layers)
    axes = capture.axes(attention)
    n_queries, n_keys = map(len, axes)
    method = (
        values.method if not applicable(capture, attention)[values.method] else next(iter(METHODS))
    )
    return {
        "method": method,
        "layer": min(values.layer, len(layers) - 1),
        "head": min(values.head, n_heads - 1),
        "heads": [h for h in values.heads if h < n_heads] or list(range(n_heads)),
        "query": [i for i in values.query if i < n_queries],
        "key": [i for i in values.key if i < n_keys],
        "step": values.step if values.step < len(capture.steps) else -1,
        "segments": values.segments if values.segments in sentences(*axes) else "all",
        "metric": values.metric if _fits(values.metric, capture) else None,
    }


def _fits(metric: Any, capture: Capture) -> bool:
    """Return whether a metric has a number for every head of this capture."""
    try:
        check("metric", metric, capture, next(iter(capture.groups)), ())
    except AttnWidgetError:
        return False
    return True


def row_of(capture: Capture, attention: str, step: int) -> list[int]:
    """Return the query whose row a step measured, as a pin; none where no step or another stream is shown."""
    if step < 0 or capture.group(attention)[0].stream != capture.layers[-1].stream:
        return []
    return [capture.steps[step].position]


def info(capture: Capture, *, runner: Any) -> dict[str, Any]:
    """Return what the front end must know to offer only what exists."""
    groups = []
    for name, layers in capture.groups.items():
        queries, keys = capture.axes(name)
        reasons = applicable(capture, name)
        groups.append(
            {
                "name": name,
                "layers": len(layers),
                "heads": most_heads(layers),
                "n_queries": len(queries),
                "n_keys": len(keys),
                "methods": [m for m in METHODS if not reasons[m]],
                "segments": list(sentences(queries, keys)),
                "reasons": {m: r for m, r in reasons.items() if r},
                "writes": bool(capture.steps) and layers[0].stream == capture.layers[-1].stream,
            }
        )
    can_ablate = hasattr(runner, "ablate") and capture.answers and bool(capture.tokens.source)
    steps = [
        {
            "position": s.position,
            "token": s.token,
            "top": [[name, round(p, 5)] for name, p in s.top],
        }
        for s in capture.steps
    ]
    # A model of pictures or sounds reads no text that could be typed; its class says what it reads.
    reads = getattr(getattr(runner, "model", None), "main_input_name", "input_ids")
    return {
        "model": capture.title,
        "rules": rules(),
        "can_run": runner is not None and reads == "input_ids",
        "can_ablate": can_ablate,
        "steps": steps,
        "groups": groups,
    }
