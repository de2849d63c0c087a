"""METHODS: every way to say how much a token takes from another, behind one function.

`attribute` answers with an `Attribution`, which carries what is needed to judge it: bounds, saturation,
sink mass, and what it was divided by.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from attn_widget.attribution.baseline import UNIFORM, corrected, uniform_causal
from attn_widget.attribution.compute import (
    Job,
    needs_gradient,
    needs_values,
    run_flow,
    run_gradient_attention,
    run_raw,
    run_relevance,
    run_rollout,
    run_value_weighted,
)
from attn_widget.attribution.flow import Report, kind_of
from attn_widget.attribution.joint import (
    check_start,
    not_chainable,
    reduced_rows,
)
from attn_widget.attribution.rollout import normalised
from attn_widget.attribution.validation import (
    check_index,
    check_reduce,
    check_residual,
    check_rows,
    namespace,
)
from attn_widget.errors import InputError, MethodError
from attn_widget.records import Attribution, Capture, to_numpy

# Options of `attribute` that every method takes: the second is refused where there is no baseline.
_EVERY = ("normalise", "baseline")
_JOINT = ("residual", "reduce", *_EVERY)


def _nothing(capture: Capture, attention: str | None) -> str:
    return ""


@dataclass(frozen=True)
class Method:
    """One entry of `METHODS`: the only place that says what a method is and needs."""

    name: str
    about: str
    run: Callable[[Job], dict[str, Any]]  # -> fields of Attribution
    follows: bool  # goes through several layers, and so needs them to fit together
    per_head: bool  # keeps heads apart: one matrix per head, else one for all heads
    options: tuple[str, ...]  # options of `attribute` that change its numbers, once a head is given
    has_baseline: bool = False  # uniform causal attention is a baseline for it
    needs: Callable[[Capture, str | None], str] = _nothing  # what is missing, in a sentence


METHODS: dict[str, Method] = {
    method.name: method
    for method in (
        Method("raw", "what one layer did", run_raw, False, True, _EVERY, True),
        Method(
            "rollout",
            "shares of the input, were layers to mix tokens linearly",
            run_rollout,
            follows=True,
            per_head=False,
            options=_JOINT,
            has_baseline=True,
        ),
        Method(
            "flow",
            "how much could pass, attention taken as capacity",
            run_flow,
            follows=True,
            per_head=False,
            options=_JOINT,
            has_baseline=True,
        ),
        Method(
            "relevance",
            "what one answer depends on, through all layers",
            run_relevance,
            follows=True,
            per_head=False,
            options=_EVERY,
            needs=needs_gradient,
        ),
        Method(
            "gradient_attention",
            "what one answer depends on, in one layer",
            run_gradient_attention,
            follows=False,
            per_head=True,
            options=_EVERY,
            needs=needs_gradient,
        ),
        Method(
            "value_weighted",
            "how long a vector each key sends",
            run_value_weighted,
            follows=False,
            per_head=True,
            options=_EVERY,
            needs=needs_values,
        ),
    )
}
# Methods that keep heads apart: they have a picture for each head. The others have one for all.
PER_HEAD = frozenset(name for name, method in METHODS.items() if method.per_head)


def applicable(capture: Capture, attention: str | None = None) -> dict[str, str]:
    """Return for every method why it cannot be applied to a group of a capture; empty where it can."""
    chain = not_chainable(capture, attention)
    return {
        name: (chain if method.follows else "") or method.needs(capture, attention)
        for name, method in METHODS.items()
    }


def attribute(
    capture: Capture,
    method: str,
    *,
    attention: str | None = None,
    layer: int | None = None,
    start_layer: int = 0,
    query: int | Sequence[int] | None = None,
    head: int | None = None,
    residual: float = 0.5,
    reduce: str = "mean",
    normalise: bool = False,
    baseline: bool = False,
    progress: Report | None = None,
    threads: int | None = None,
) -> Attribution:
    """Return how much each query takes from each key, by one method, with what is needed to judge it.

    Parameters
    ----------
    capture
        What a model did, from `capture`, `ModelRunner.run` or `from_arrays`.
    method
        A name of `METHODS`.
    attention
        Which attention: a name of ``capture.groups``; the first when left out.
    layer, start_layer
        The target layer and the lowest layer that takes part, from 0. The top one, and 0.
    query
        One row, several, or all when left out.
    head
        One head at the target layer (heads below stay reduced); heads reduced when left out.
    residual
        Share of each token that passes by attention, 0 to 1, for methods that follow several layers.
    reduce
        ``mean``, ``max``, ``min``, or ``isolated``: ``head`` in every layer.
    normalise
        Divide each row by its sum; a row of zeros stays zeros.
    baseline
        Divide by the same method on uniform causal attention (our own correction, for causal models
        only): 1 means "as much as position alone explains".
    progress
        Called between rows of long work with a `Progress`; may raise `Cancelled` to stop.
    threads
        Threads that work on rows at the same time; all processors when left out.

    Returns
    -------
    Attribution
        ``values`` ``(query, key)`` of the rows asked for. Shares sum to 1 along a row, less ``sink_mass``.

    Raises
    ------
    InputError
        If an argument is out of range.
    MethodError
        If the method cannot be applied to this capture; the message names one that can.

    Notes
    -----
    Works layer by layer on captures that keep no weights. What is expensive is remembered with the capture.

    References
    ----------
    Each method's own function or module names its paper.

    Examples
    --------
    >>> import numpy as np
    >>> from attn_widget.records import Capture, LayerAttention, Tokens
    >>> weights = np.array([[[0.75, 0.25], [0.5, 0.5]]])
    >>> layers = tuple(LayerAttention(f"layer{i}", "self", "", i, 1, 2, 2, weights) for i in range(3))
    >>> a = attribute(Capture(layers, {"": Tokens(("big", "cat"))}), "flow", query=1)
    >>> np.asarray(a).round(3), a.saturation
    (array([[0.75 , 0.875]]), 0.5)
    """
    if method not in METHODS:
        raise InputError(
            f"method must be one of {', '.join(METHODS)}, got {method!r}. Choose one of these."
        )
    check_residual(residual)
    check_reduce(reduce, head)
    group = capture.group(attention)
    name = attention or next(iter(capture.groups))
    reason = applicable(capture, name)[method]
    if reason:
        raise MethodError(reason)
    top = check_index("layer", layer, len(group))
    rows = check_rows(query, group[top].n_queries)
    start = check_start(start_layer, top, len(group))
    head = None if head is None else check_index("head", head, group[top].n_heads)
    job = Job(capture, name, top, start, rows, head, float(residual), reduce, progress, threads)
    if baseline:
        _check_causal(job, method)
    fields = METHODS[method].run(job)
    if normalise:
        fields |= _normalised(fields)
    if fields["unit"] == "share":
        xp = namespace(fields["values"])
        elsewhere = 0 if normalise else fields.get("other_mass", 0)
        fields["sink_mass"] = xp.clip(1 - xp.sum(fields["values"], axis=-1) - elsewhere, 0, 1)
    if baseline:
        fields |= _corrected(job, METHODS[method], fields, normalise)
    return Attribution(
        method=method,
        rows=rows,
        layer=top,
        start_layer=start,
        attention=name,
        residual=job.residual,
        reduce=reduce,
        normalise=normalise,
        **fields,
    )


def _normalised(fields: dict[str, Any]) -> dict[str, Any]:
    """Return values divided by each row's sum; bounds of the row before say nothing of the row after."""
    return {
        "values": normalised(fields["values"]),
        "unit": "share",
        "lower": None,
        "upper": None,
        "other_mass": None,
    }


def _check_causal(job: Job, method: str) -> None:
    """Refuse a causal baseline for attention that sees both ways."""
    one = job.one
    if not METHODS[method].has_baseline:
        known = ", ".join(name for name, one in METHODS.items() if one.has_baseline)
        raise InputError(f"baseline must be False for {method}, got True. It exists for {known}.")
    if one.kind == "self" and (
        one.causal or not np.triu(to_numpy(reduced_rows(job.capture, one, "mean", None)), 1).any()
    ):
        return
    raise InputError(
        f"baseline must be False for attention that is not causal, got True for {job.attention!r}. "
        "Only a causal mask favours early tokens by position alone."
    )


def _corrected(job: Job, method: Method, fields: dict[str, Any], normalise: bool) -> dict[str, Any]:
    """Return values and bounds divided by the same method on uniform causal attention."""
    depth = job.layer - job.start_layer + 1 if method.follows else 1
    base = uniform_causal(method.name, job.one.n_queries, depth, job.rows, job.residual)
    if normalise:
        base = normalised(base)
    made = {
        name: kind_of(corrected(to_numpy(fields[name]), base), fields[name])
        for name in ("values", "lower", "upper")
        if fields.get(name) is not None
    }
    return made | {"unit": "ratio", "baseline": UNIFORM}
