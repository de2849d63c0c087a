"""What the traits start from, and what becomes of them when another attention or capture is shown."""

from __future__ import annotations

from typing import Any

from attn_widget.attribution.methods import METHODS, applicable
from attn_widget.records import Capture, most_heads

CHECKED = (
    "attention", "view", "method", "layer", "heads", "head", "query", "key",
    "residual", "reduce", "threshold", "theme",
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
    n_queries, n_keys = (len(tokens) for tokens in capture.axes(attention))
    method = values.method if not applicable(capture, attention)[values.method] else next(iter(METHODS))
    return {
        "method": method,
        "layer": min(values.layer, len(layers) - 1),
        "head": min(values.head, n_heads - 1),
        "heads": [h for h in values.heads if h < n_heads] or list(range(n_heads)),
        "query": [i for i in values.query if i < n_queries],
        "key": [i for i in values.key if i < n_keys],
    }


def info(capture: Capture, *, can_run: bool) -> dict[str, Any]:
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
                "reasons": {m: r for m, r in reasons.items() if r},
            }
        )
    return {"model": capture.model_name, "can_run": can_run, "groups": groups}
