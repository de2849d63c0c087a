"""What every caption says of a capture: the part on screen, and what was not recorded."""

from __future__ import annotations

from attn_widget.attribution.methods import METHODS
from attn_widget.pictures.drawing import sentence
from attn_widget.pictures.format import count
from attn_widget.pictures.protocol import Spec
from attn_widget.pictures.rules import VIEW_RULES
from attn_widget.records import Capture, most_heads


def notes(capture: Capture, spec: Spec) -> list[str]:
    """Return the sentences that the caption of a spec adds to those of its frame.

    The frame carries them, so that every page, figure and still picture says the same.

    Parameters
    ----------
    capture
        What is shown, at the part of the spec.
    spec
        What the picture shows.

    Examples
    --------
    >>> from dataclasses import replace
    >>> import numpy as np
    >>> import attn_widget as aw
    >>> capture = aw.from_arrays(np.full((1, 1, 2, 2), 0.5))
    >>> notes(replace(capture, missing=("encoder.0", "encoder.1")), Spec())
    ['not recorded: encoder.0 and 1 more']
    """
    return [*_part(capture, spec), *_fewer_heads(capture, spec), *_not_recorded(capture)]


def _part(capture: Capture, spec: Spec) -> list[str]:
    """Return which window, picture or frame is shown, counted from 1."""
    word, group = capture.part_word(spec.attention), capture.group(spec.attention)
    one_layer = not VIEW_RULES[spec.view].all_layers and not METHODS[spec.method].follows
    shown = [group[spec.layer]] if one_layer else group
    most = max(layer.n_parts for layer in shown)
    if most == 1:
        return []
    part = sentence("part", word=word, part=min(spec.part, most - 1) + 1, n=most)
    clipped = any(layer.n_parts <= spec.part for layer in shown)
    return [part, *([sentence("fewer_parts", word=word)] if clipped and not one_layer else [])]


def _fewer_heads(capture: Capture, spec: Spec) -> list[str]:
    """Return that the layer has fewer heads than others, so that none is thought to be hidden."""
    rule, group = VIEW_RULES[spec.view], capture.group(spec.attention)
    if rule.all_layers or not METHODS[spec.method].per_head:
        return []
    n, most = group[spec.layer].n_heads, most_heads(group)
    return [sentence("fewer_heads", layer=spec.layer, n=n, most=most)] if n < most else []


def _not_recorded(capture: Capture) -> list[str]:
    """Return the first module that mixed positions and was not recorded, and how many more."""
    if not capture.missing:
        return []
    first, *others = capture.missing
    if not others:
        return [sentence("not_recorded", module=first)]
    return [sentence("more_not_recorded", module=first, n=count(len(others)))]
