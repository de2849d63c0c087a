"""METHODS, the table of all attribution methods, and `attribute`, the one function that runs them.

The `Attribution` that it returns holds the values and what is needed to judge them: bounds,
saturation, sink mass, and the baseline they were divided by.
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
from attn_widget.attribution.flow import kind_of
from attn_widget.attribution.joint import not_chainable
from attn_widget.attribution.reduce_heads import reduced_rows
from attn_widget.attribution.rollout import normalised
from attn_widget.attribution.validation import (
    check_layers,
    check_reduce,
    check_residual,
    check_rows,
    namespace,
)
from attn_widget.errors import InputError, MethodError
from attn_widget.records import Attribution, Capture, Report, check_index, to_numpy

# Options of `attribute` that every method takes: the second is refused where there is no baseline.
_EVERY = ("normalise", "baseline")
_JOINT = ("residual", "reduce", *_EVERY)


def _nothing(capture: Capture, attention: str | None) -> str:
    return ""


@dataclass(frozen=True)
class Method:
    """One entry of `METHODS`: the only place that defines what a method is and needs."""

    name: str
    about: str
    run: Callable[[Job], dict[str, Any]]  # -> fields of Attribution
    follows: bool  # goes through several layers, which must have equal numbers of tokens
    per_head: bool  # one matrix per head; else one for all heads
    options: tuple[str, ...]  # options of `attribute` that change its numbers, once a head is given
    has_baseline: bool = False  # uniform causal attention is a baseline for it
    needs: Callable[[Capture, str | None], str] = _nothing  # -> what is missing, or ""


METHODS: dict[str, Method] = {
    method.name: method
    for method in (
        Method("raw", "the attention of one layer", run_raw, False, True, _EVERY, True),
        Method(
            "rollout",
            "shares of the input if layers mixed tokens linearly",
            run_rollout,
            follows=True,
            per_head=False,
            options=_JOINT,
            has_baseline=True,
        ),
        Method(
            "flow",
            "the maximum flow, attention as capacity",
            run_flow,
            follows=True,
            per_head=False,
            options=_JOINT,
            has_baseline=True,
        ),
        Method(
            "relevance",
            "the attention that raises one output, through all layers",
            run_relevance,
            follows=True,
            per_head=False,
            options=_EVERY,
            needs=needs_gradient,
        ),
        Method(
            "gradient_attention",
            "the attention that raises one output, in one layer",
            run_gradient_attention,
            follows=False,
            per_head=True,
            options=_EVERY,
            needs=needs_gradient,
        ),
        Method(
            "value_weighted",
            "the length of the vector that each key contributes",
            run_value_weighted,
            follows=False,
            per_head=True,
            options=_EVERY,
            needs=needs_values,
        ),
    )
}


def applicable(capture: Capture, attention: str | None = None) -> dict[str, str]:
    """Return for every method why it cannot be applied to a group of a capture, or ""."""
    chain = not_chainable(capture, attention)
    return {
        name: (chain if method.follows else "") or method.needs(capture, attention)
        for name, method in METHODS.items()
    }


def lacks_gradient(capture: Capture, attention: str | None, method: str) -> bool:
    """Return whether a method would apply if the capture held gradients."""
    one = METHODS[method]
    chain = one.follows and not_chainable(capture, attention)
    return one.needs is needs_gradient and not chain and bool(one.needs(capture, attention))


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
    """Return how much each query takes from each key, by one method.

    Parameters
    ----------
    capture
        From `capture`, `ModelRunner.run` or `from_arrays`.
    method
        A name of `METHODS`.
    attention
        Which attention: a name of ``capture.groups``. Omit it for the first.
    layer, start_layer
        The target layer and the lowest layer that takes part, from 0. Omit them for the top layer
        and 0.
    query
        One row or several. Omit it for all.
    head
        One head at the target layer (heads below stay reduced). Omit it to reduce all heads.
    residual
        Share of each token that the residual connection carries past attention, 0 to 1, for methods
        that follow several layers.
    reduce
        ``mean``, ``max``, ``min``, or ``isolated``: ``head`` in every layer.
    normalise
        Divide each row by its sum; a row of zeros stays zeros.
    baseline
        Divide by the same method on uniform causal attention (our own correction, for causal models
        only): 1 means as much as a token gets by its position alone.
    progress
        Called between rows of long work with a `Progress`; may raise `Cancelled` to stop.
    threads
        Threads that compute rows at the same time. Omit it for all processors.

    Returns
    -------
    Attribution
        ``values`` ``(query, key)`` of the chosen rows, with bounds and saturation where the method
        has them. Shares sum to 1 along a row, less ``sink_mass``.

    Raises
    ------
    InputError
        If an argument is out of range.
    MethodError
        If the method cannot be applied to this capture; the message names one that can.

    Notes
    -----
    Works layer by layer on captures that keep no weights. Expensive results are cached with the
    capture.

    References
    ----------
    Each method's own function or module names its paper.

    Examples
    --------
    >>> import numpy as np
    >>> import attn_widget as aw
    >>> weights = np.array([[[0.75, 0.25], [0.5, 0.5]]])
    >>> flow = aw.attribute(aw.from_arrays([weights] * 3, ["big", "cat"]), "flow", query=1)
    >>> np.asarray(flow).round(3), flow.saturation
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
    top, start = check_layers(layer, start_layer, len(group))
    rows = check_rows(query, group[top].n_queries)
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
    """Return values divided by each row's sum; bounds do not hold after the division."""
    return {
        "values": normalised(fields["values"]),
        "unit": "share",
        "lower": None,
        "upper": None,
        "other_mass": None,
    }


def _check_causal(job: Job, method: str) -> None:
    """Refuse a causal baseline for attention that is not causal."""
    layer = job.target
    if not METHODS[method].has_baseline:
        known = ", ".join(name for name, entry in METHODS.items() if entry.has_baseline)
        raise InputError(f"baseline must be False for {method}, got True. It exists for {known}.")
    if layer.kind == "self":
        if layer.causal:
            return
        weights = to_numpy(reduced_rows(job.capture, layer, "mean", None))
        if not np.triu(weights, 1).any():
            return
    raise InputError(
        f"baseline must be False for attention that is not causal, got True for {job.attention!r}. "
        "Only a causal mask favours early tokens by position alone."
    )


def _corrected(job: Job, method: Method, fields: dict[str, Any], normalise: bool) -> dict[str, Any]:
    """Return values and bounds divided by the same method on uniform causal attention."""
    depth = job.layer - job.start_layer + 1 if method.follows else 1
    n = job.target.n_queries
    base = uniform_causal(method.name, n, depth, job.rows, job.residual)
    if normalise:
        base = normalised(base)
    made = {
        name: kind_of(corrected(to_numpy(fields[name]), base), fields[name])
        for name in ("values", "lower", "upper")
        if fields.get(name) is not None
    }
    return made | {"unit": "ratio", "baseline": UNIFORM}
