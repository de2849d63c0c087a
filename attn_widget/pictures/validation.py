"""Validate the value of a trait against what is shown, for cells and pages alike."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from attn_widget.attribution.methods import METHODS, applicable
from attn_widget.attribution.validation import REDUCTIONS
from attn_widget.errors import AttnWidgetError, InputError, MethodError
from attn_widget.pictures.axes import SEGMENTS
from attn_widget.pictures.palettes import THEMES
from attn_widget.pictures.shown_heads import shown_heads
from attn_widget.records import (
    Capture,
    HeadScores,
    LayerAttention,
    Tokens,
    check_index,
    most_heads,
)

CHOICES = {
    "method": tuple(METHODS),
    # `isolated` keeps one head of every layer; a picture has no trait for it.
    "reduce": REDUCTIONS,
    "theme": ("auto", *THEMES),
    "segments": SEGMENTS,
}


def check(
    name: str,
    value: Any,
    capture: Capture,
    attention: str,
    views: tuple[str, ...],
    layer: int | None = None,
) -> None:
    """Raise if a trait may not take this value while ``attention`` of ``capture`` is shown.

    Parameters
    ----------
    name
        The trait; one without a rule passes.
    value
        Its new value, of the trait's type.
    capture, attention
        What is shown.
    views
        The views that can be chosen.
    layer
        The layer that is shown, whose heads ``head`` and ``heads`` choose from. None: any layer.

    Raises
    ------
    InputError
        If the value breaks its rule; the message names the rule and what to do.
    MethodError
        If the method exists but cannot be applied to this attention.

    Examples
    --------
    >>> import numpy as np
    >>> import attn_widget as aw
    >>> capture = aw.from_arrays(np.full((2, 3, 4, 4), 0.25), list("abcd"))
    >>> check("layer", 1, capture, "self", ())
    >>> check("head", 3, capture, "self", ())
    Traceback (most recent call last):
        ...
    attn_widget.errors.InputError: head must be 0 to 2, got 3. Choose heads that exist, 0 to 2.
    """
    layers = capture.group(attention)
    choices = CHOICES | {"view": views, "attention": tuple(capture.groups)}
    if name in choices:
        _one_of(name, value, choices[name])
        if name == "method" and (reason := applicable(capture, attention)[value]):
            raise MethodError(reason)
        if name == "segments" and value not in sentences(*capture.axes(attention)):
            raise InputError(
                f"segments must be all where there is one sentence, got {value!r}. Give a pair."
            )
    elif name == "layer":
        last = len(layers) - 1
        _in_range(name, value, len(layers), f"Set w.layer to a layer that ran, 0 to {last}.")
    elif name in ("head", "heads"):
        _heads(name, value, layers, layer)
    elif name == "part":
        word, n = capture.part_word(attention), capture.n_parts(attention)
        _in_range(name, value, n, f"Choose one of the {n} {word}s.".replace("1 parts", "1 part"))
    elif name in ("query", "key"):
        queries, keys = capture.axes(attention)
        n = len(queries if name == "query" else keys)
        for position in value:
            remedy = f"Choose a position of the text, 0 to {n - 1}, or [] for none."
            _in_range(name, position, n, remedy)
    elif name == "step":
        _step(value, len(capture.steps))
    elif name in ("residual", "threshold"):
        if not 0 <= value <= 1:
            raise InputError(f"{name} must be 0 to 1, got {value}. Give a share.")
    elif name == "metric" and value is not None:
        _metric(value, capture)


def is_valid(name: str, value: Any, capture: Capture, attention: str) -> bool:
    """Return whether a trait may take this value while ``attention`` is shown; not for views."""
    try:
        check(name, value, capture, attention, ())
    except AttnWidgetError:
        return False
    return True


def sentences(queries: Tokens, keys: Tokens) -> tuple[str, ...]:
    """Return the values that ``segments`` can take: all of them if both axes have two sentences."""
    two = all(set(tokens.segments) == {0, 1} for tokens in (queries, keys))
    return SEGMENTS if two else SEGMENTS[:1]


def _one_of(name: str, value: Any, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise InputError(
            f"{name} must be one of {', '.join(choices)}, got {value!r}. Choose one of these."
        )


def _in_range(name: str, value: Any, n: int, remedy: str) -> None:
    check_index(name, value, n, remedy, negative=False)


def _heads(name: str, value: Any, layers: Sequence[LayerAttention], layer: int | None) -> None:
    """Refuse heads that no layer has, and a choice of which this layer has none."""
    heads, most = ([value] if name == "head" else value), most_heads(layers)
    for head in heads:
        _in_range(name, head, most, f"Choose heads that exist, 0 to {most - 1}.")
    if not heads:
        raise InputError("heads must name at least one head, got []. Keep one on, or assign all.")
    if layer is not None and not shown_heads(heads, layers[layer].n_heads):
        last = layers[layer].n_heads - 1
        raise InputError(
            f"{name} must be 0 to {last}, got {value} at layer {layer}. "
            "Choose heads that this layer has, or set w.layer first."
        )


def _step(value: int, n_steps: int) -> None:
    if not -1 <= value < n_steps:
        allowed = f"-1 to {n_steps - 1}" if n_steps else "-1 where the model wrote nothing"
        raise InputError(
            f"step must be {allowed}, got {value}. Show what runner.generate(prompt) gives."
        )


def _metric(scores: HeadScores, capture: Capture) -> None:
    """Refuse a metric that does not have one number per layer and head."""
    layers = capture.group(scores.attention)
    shape = (len(layers), most_heads(layers))
    if scores.values.shape != shape:
        raise InputError(
            f"metric must have one number per layer and head, {shape}, "
            f"got shape {scores.values.shape}. Measure it on the capture that is shown."
        )
