"""Values of traits that follow from the capture: the initial ones, and the page's ``info``."""

from __future__ import annotations

from typing import Any

from attn_widget.attribution.methods import METHODS, applicable
from attn_widget.pages.save_file import MIMES
from attn_widget.pictures.rules import rules
from attn_widget.pictures.validation import CHOICES, sentences
from attn_widget.records import ABLATE_MODES, Capture, Runner, most_heads

LONG_TEXT = 512  # tokens above which a heat map shows more than lines


def texts(capture: Capture) -> tuple[str, str]:
    """Return the sentence and the second sentence of a capture, "" for none."""
    source = [*capture.tokens.source, "", ""]
    return source[0], source[1]


def initial(capture: Capture, given: dict[str, Any]) -> dict[str, Any]:
    """Return the first values of the traits: ``given``, else all heads of the first layer."""
    attention = given.get("attention", next(iter(capture.groups)))
    is_long = max(len(tokens) for tokens in capture.axes(attention)) > LONG_TEXT
    text, pair = texts(capture)
    defaults = {
        "attention": attention,
        "view": "matrix" if is_long else "head",
        "layer": 0,
        "head": 0,
        "heads": list(range(most_heads(capture.group(attention)))),
    }
    return defaults | given | {"text": text, "pair": pair}


def query_of_step(capture: Capture, attention: str, step: int) -> list[int]:
    """Return the query that predicted the token of a generation step; [] if it is not shown."""
    if step < 0 or capture.group(attention)[0].stream != capture.layers[-1].stream:
        return []
    return [capture.steps[step].position]


def info(capture: Capture, runner: Runner | None) -> dict[str, Any]:
    """Return what the page must know to offer only what exists."""
    return {
        "model": capture.title,
        "rules": rules(),
        "choices": {
            "theme": list(CHOICES["theme"]),
            "mode": list(ABLATE_MODES),
            "format": list(MIMES),
        },
        "can_run": runner is not None and _reads_text(runner),
        "can_ablate": _can_ablate(capture, runner),
        "steps": [
            {
                "position": step.position,
                "token": step.token,
                "top": [[name, round(p, 5)] for name, p in step.top],
            }
            for step in capture.steps
        ],
        "groups": [_group_info(capture, name) for name in capture.groups],
    }


def _group_info(capture: Capture, attention: str) -> dict[str, Any]:
    layers, (queries, keys) = capture.group(attention), capture.axes(attention)
    reasons = applicable(capture, attention)
    return {
        "name": attention,
        "layers": len(layers),
        "heads": most_heads(layers),
        "n_queries": len(queries),
        "n_keys": len(keys),
        "methods": [m for m in METHODS if not reasons[m]],
        "segments": list(sentences(queries, keys)),
        "reasons": {m: r for m, r in reasons.items() if r},
        "writes": bool(capture.steps) and layers[0].stream == capture.layers[-1].stream,
    }


def _can_ablate(capture: Capture, runner: Runner | None) -> bool:
    return hasattr(runner, "ablate") and bool(capture.answers) and bool(capture.tokens.source)


def _reads_text(runner: Runner) -> bool:
    """Return whether the model reads token ids, not pictures or sounds."""
    model = getattr(runner, "model", None)
    return getattr(model, "main_input_name", "input_ids") == "input_ids"
