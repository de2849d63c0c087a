"""METHODS: every way to say how much a token takes from another, behind one function.

`attribute` answers with an `Attribution`, which carries what is needed to judge it: bounds, saturation,
sink mass, and what it was divided by.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from attn_widget.attribution.baseline import UNIFORM, corrected, uniform_causal
from attn_widget.attribution.bounds import at_bound, cut_bounds
from attn_widget.attribution.checks import check_index, check_reduce, check_residual, check_rows, namespace
from attn_widget.attribution.flow import Report, capacities, flow_rows, kind_of
from attn_widget.attribution.joint import Graph, check_start, graph_of_capture, not_chainable, reduced_rows
from attn_widget.attribution.maxflow import Network, bytes_needed
from attn_widget.attribution.memory import remembered
from attn_widget.attribution.raw import raw_rows
from attn_widget.attribution.rollout import normalised, rollout_rows
from attn_widget.errors import InputError, MethodError
from attn_widget.records import Attribution, Capture, LayerAttention, to_numpy


@dataclass(eq=False)
class Job:
    """What one call of `attribute` asks for, checked."""

    capture: Capture
    attention: str
    layer: int
    start_layer: int
    rows: tuple[int, ...]
    head: int | None
    residual: float
    reduce: str
    progress: Report | None
    threads: int | None

    @property
    def one(self) -> LayerAttention:
        """Return the target layer."""
        return self.capture.group(self.attention)[self.layer]

    @cached_property
    def graph(self) -> Graph:
        """Return the layers from the start layer to the target layer, ready to be followed down."""
        options = {"start_layer": self.start_layer, "residual": self.residual, "reduce": self.reduce}
        return graph_of_capture(self.capture, self.attention, layer=self.layer, head=self.head, **options)

    def remember(self, what: Any, make: Callable[[], Any], bytes_ahead: int = 0) -> Any:
        """Return a value that belongs to this capture and these options, made once."""
        key = (self.attention, self.start_layer, self.residual, self.reduce, what)
        return remembered(self.capture, key, make, bytes_ahead=bytes_ahead)


@dataclass(frozen=True)
class Method:
    """One entry of `METHODS`."""

    name: str
    about: str
    run: Callable[[Job], dict[str, Any]]  # -> fields of Attribution
    follows: bool  # goes through several layers, and so needs them to fit together


def _raw(job: Job) -> dict[str, Any]:
    return {"values": raw_rows(job.capture, job.one, job.rows, job.reduce, job.head), "unit": "share"}


def _rollout(job: Job) -> dict[str, Any]:
    return {"values": _rollout_values(job), "unit": "share"}


def _rollout_values(job: Job) -> Any:
    # Memory is worth while only if rows of all layers fit; each layer's rollout serves the layer above.
    ahead = 8 * job.graph.n**2 * len(job.graph.steps)
    names = [step.name for step in job.graph.steps]
    isolated = job.head if job.reduce == "isolated" else None

    def remember(i: int, make: Callable[[], Any]) -> Any:
        known = job.remember(("rollout", isolated, *names[: i + 1]), make, ahead)
        return make() if known is None else known

    return rollout_rows(job.graph, job.rows, remember)


def _flow(job: Job) -> dict[str, Any]:
    graph, rows = job.graph, list(job.rows)
    names = tuple(step.name for step in graph.steps)
    size = sum(bytes_needed(len(graph.steps), graph.n))
    make = lambda: _network(graph)  # noqa: E731
    network, upper, saturating = job.remember(("flow", job.head, names), make, size) or make()
    upper, saturating = (bound[graph.rows, graph.columns][rows] for bound in (upper, saturating))
    values = flow_rows(graph, job.rows, network, upper, progress=job.progress, threads=job.threads)
    saturated = at_bound(values, saturating)
    reachable = upper > 0
    like = graph.steps[-1].weights([0])
    return {
        "values": kind_of(values, like),
        "lower": _rollout_values(job),
        "upper": kind_of(np.ascontiguousarray(upper), like),
        "saturated": kind_of(saturated, like),
        "saturation": float(saturated.sum() / max(1, reachable.sum())),
        "unit": "flow",
    }


def _network(graph: Graph) -> tuple[Network, np.ndarray, np.ndarray]:
    """Return the network with its cut bounds."""
    made = capacities(graph)
    return Network(made), *cut_bounds(made)


METHODS: dict[str, Method] = {
    method.name: method
    for method in (
        Method("raw", "what one layer did", _raw, follows=False),
        Method("rollout", "shares of the input, were layers to mix tokens linearly", _rollout, follows=True),
        Method("flow", "how much could pass, attention taken as capacity", _flow, follows=True),
    )
}
# Methods that keep heads apart: they have a picture for each head. The others have one for all.
PER_HEAD = frozenset({"raw"})


def applicable(capture: Capture, attention: str | None = None) -> dict[str, str]:
    """Return for every method why it cannot be applied to a group of a capture; empty where it can."""
    chain = not_chainable(capture, attention)
    return {name: chain if method.follows else "" for name, method in METHODS.items()}


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
    (array([[0.875, 0.5  ]]), 0.0)
    """
    if method not in METHODS:
        raise InputError(f"method must be one of {', '.join(METHODS)}, got {method!r}. Choose one of these.")
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
        _check_causal(job)
    fields = METHODS[method].run(job)
    if normalise:
        fields |= _normalised(fields)
    if fields["unit"] == "share":
        xp = namespace(fields["values"])
        fields["sink_mass"] = xp.clip(1 - xp.sum(fields["values"], axis=-1), 0, 1)
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
    return {"values": normalised(fields["values"]), "unit": "share", "lower": None, "upper": None}


def _check_causal(job: Job) -> None:
    """Refuse a causal baseline for attention that sees both ways."""
    one = job.one
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
