"""The rules a trait's value must keep, given what is shown: one table, one check, for cells and front ends alike."""

from __future__ import annotations

from typing import Any

from attn_widget.attribution.methods import METHODS, applicable
from attn_widget.errors import InputError, MethodError
from attn_widget.pictures.axes import SEGMENTS
from attn_widget.records import Capture, HeadScores, Tokens, most_heads

REDUCTIONS = ("mean", "max", "min")
THEMES = ("auto", "light", "dark")


def check(name: str, value: Any, capture: Capture, attention: str, views: tuple[str, ...]) -> None:
    """Raise if a trait may not take this value while ``attention`` of ``capture`` is shown.

    Raises
    ------
    InputError
        If the value breaks its rule; the message names the rule and what to do.
    MethodError
        If the method exists but cannot be applied to this attention.
    """
    layers = capture.group(attention)
    n_layers, n_heads = len(layers), most_heads(layers)
    queries, keys = capture.axes(attention)
    choices = {
        "view": views,
        "method": tuple(METHODS),
        "attention": tuple(capture.groups),
        "reduce": REDUCTIONS,
        "theme": THEMES,
        "segments": SEGMENTS,
    }.get(name)
    if choices is not None:
        if value not in choices:
            raise InputError(
                f"{name} must be one of {', '.join(choices)}, got {value!r}. Choose one of these."
            )
        if name == "method":
            reason = applicable(capture, attention)[value]
            if reason:
                raise MethodError(reason)
        if name == "segments" and value not in sentences(queries, keys):
            raise InputError(
                f"segments must be all where there is one sentence, got {value!r}. Give a pair."
            )
    elif name == "layer":
        _in_range(name, value, n_layers, f"Set w.layer to a layer that ran, 0 to {n_layers - 1}.")
    elif name in ("head", "heads"):
        for head in [value] if name == "head" else value:
            _in_range(name, head, n_heads, f"Choose heads that exist, 0 to {n_heads - 1}.")
        if name == "heads" and not value:
            raise InputError(
                "heads must name at least one head, got []. Leave one on, or assign all of them."
            )
    elif name in ("query", "key"):
        n = len(queries if name == "query" else keys)
        for position in value:
            _in_range(
                name, position, n, f"Choose a position of the text, 0 to {n - 1}, or [] for none."
            )
    elif name == "step":
        n = len(capture.steps)
        if not -1 <= value < n:
            known = f"-1 to {n - 1}" if n else "-1 where the model wrote nothing"
            raise InputError(
                f"step must be {known}, got {value}. Show what runner.generate(prompt) gives."
            )
    elif name in ("residual", "threshold") and not 0 <= value <= 1:
        raise InputError(f"{name} must be 0 to 1, got {value}. Give a share.")
    elif name == "metric" and value is not None:
        _one_per_head(value, capture)


def sentences(queries: Tokens, keys: Tokens) -> tuple[str, ...]:
    """Return what ``segments`` can be: all, and every choice of two sentences where there are two on both axes."""
    two = all(set(tokens.segments) == {0, 1} for tokens in (queries, keys))
    return SEGMENTS if two else SEGMENTS[:1]


def _one_per_head(scores: HeadScores, capture: Capture) -> None:
    layers = capture.group(scores.attention)
    shape = (len(layers), most_heads(layers))
    if scores.values.shape != shape:
        raise InputError(
            f"metric must have one number per layer and head, {shape}, got shape {scores.values.shape}. "
            "Measure it on the capture that is shown."
        )


def _in_range(name: str, value: int, n: int, remedy: str) -> None:
    if not 0 <= value < n:
        raise InputError(f"{name} must be 0 to {n - 1}, got {value}. {remedy}")
