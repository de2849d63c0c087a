"""One function per method of `METHODS`: runs a checked job through the method's own module."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any

import numpy as np

from attn_widget.attribution.bounds import at_bound, cut_bounds
from attn_widget.attribution.cache import cached
from attn_widget.attribution.flow import capacities, flow_rows, kind_of
from attn_widget.attribution.joint import Graph, graph_of_capture, layers_between
from attn_widget.attribution.kernel.max_flow import Network, bytes_needed
from attn_widget.attribution.raw import raw_rows
from attn_widget.attribution.relevance import gradient_rows, relevance_maps
from attn_widget.attribution.rollout import rollout_rows
from attn_widget.attribution.validation import namespace
from attn_widget.attribution.value_weighted import value_rows
from attn_widget.records import Capture, LayerAttention, Report


@dataclass(eq=False)
class Job:
    """The arguments of one call of `attribute`, checked."""

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
    def target(self) -> LayerAttention:
        """Return the target layer."""
        return self.capture.group(self.attention)[self.layer]

    @cached_property
    def graph(self) -> Graph:
        """Return the layer graph from the start layer to the target layer."""
        return graph_of_capture(
            self.capture,
            self.attention,
            layer=self.layer,
            start_layer=self.start_layer,
            residual=self.residual,
            reduce=self.reduce,
            head=self.head,
        )

    def cached(self, what: Any, make: Callable[[], Any], bytes_ahead: int) -> Any:
        """Return a result of this capture and these options, from the cache of the capture.

        None where it would not fit.
        """
        key = (self.attention, self.start_layer, self.residual, self.reduce, what)
        return cached(self.capture, key, make, bytes_ahead=bytes_ahead)


def run_raw(job: Job) -> dict[str, Any]:
    """Return the fields of an `Attribution` by this method."""
    return {
        "values": raw_rows(job.capture, job.target, job.rows, job.reduce, job.head),
        "unit": "share",
    }


def run_rollout(job: Job) -> dict[str, Any]:
    """Return the fields of an `Attribution` by this method."""
    whole = _rollout_values(job)
    values = whole[:, job.graph.columns]
    if values.shape == whole.shape:
        return {"values": values, "unit": "share"}
    xp = namespace(whole)
    other = xp.clip(xp.sum(whole, axis=-1) - xp.sum(values, axis=-1), 0, 1)
    return {"values": values, "unit": "share", "other_mass": other}


def _rollout_values(job: Job) -> Any:
    """Return rollout to all positions, of both streams where two take part."""
    graph = replace(job.graph, columns=slice(0, job.graph.n))
    # The cache is useful only if it holds all layers: each layer's rollout serves the layer above.
    ahead = 8 * graph.n**2 * len(graph.sublayers)
    names = [layer.name for layer in graph.sublayers]
    isolated = job.head if job.reduce == "isolated" else None

    def through_cache(i: int, make: Callable[[], Any]) -> Any:
        known = job.cached(("rollout", isolated, *names[: i + 1]), make, ahead)
        return make() if known is None else known

    return rollout_rows(graph, job.rows, through_cache)


def run_flow(job: Job) -> dict[str, Any]:
    """Return the fields of an `Attribution` by this method."""
    graph, rows = job.graph, list(job.rows)
    names = tuple(layer.name for layer in graph.sublayers)
    size = sum(bytes_needed(len(graph.sublayers), graph.n))
    make = partial(_network, graph)
    network, upper, saturating = job.cached(("flow", job.head, names), make, size) or make()
    upper, saturating = (bound[graph.rows, graph.columns][rows] for bound in (upper, saturating))
    values = flow_rows(graph, job.rows, network, upper, progress=job.progress, threads=job.threads)
    saturated = at_bound(values, saturating)
    reachable = upper > 0
    like = graph.sublayers[-1].weights([0])
    return {
        "values": kind_of(values, like),
        "lower": _rollout_values(job)[:, graph.columns],
        "upper": kind_of(np.ascontiguousarray(upper), like),
        "saturated": kind_of(saturated, like),
        "saturation": float(saturated.sum() / max(1, reachable.sum())),
        "unit": "flow",
    }


def _network(graph: Graph) -> tuple[Network, np.ndarray, np.ndarray]:
    """Return the network with its cut bounds."""
    made = capacities(graph)
    return Network(made), *cut_bounds(made)


def run_relevance(job: Job) -> dict[str, Any]:
    """Return the fields of an `Attribution` by this method."""
    group, stream = job.capture.group(job.attention), job.target.stream
    layers = layers_between(job.capture, group, job.start_layer, job.layer)
    own, cross = relevance_maps(layers, stream, job.capture.cross_streams.get(stream))
    relevance = own if cross is None or job.target.kind == "self" else cross
    values = relevance[list(job.rows)]
    return {"values": kind_of(values, job.target.weights_for([0], [0])), "unit": "score"}


def run_gradient_attention(job: Job) -> dict[str, Any]:
    """Return the fields of an `Attribution` by this method."""
    values = gradient_rows(job.target, job.rows, job.head)
    return {"values": kind_of(values, job.target.weights_for([0], [0])), "unit": "score"}


def run_value_weighted(job: Job) -> dict[str, Any]:
    """Return the fields of an `Attribution` by this method."""
    values = value_rows(job.target, job.rows, job.head)
    return {"values": kind_of(values, job.target.weights_for([0], [0])), "unit": "norm"}


def needs_gradient(capture: Capture, attention: str | None) -> str:
    """Return the error for a layer that takes part and has no gradient; empty where all have."""
    stream = capture.group(attention)[0].stream
    streams = (stream, capture.cross_streams.get(stream))
    layers = [one for one in capture.chosen_layers if one.stream in streams]
    missing = next((one.name for one in layers if one.gradient is None), None)
    if missing is None:
        return ""
    return (
        f"gradient must have been recorded with the attention, got none at {missing}. Run the "
        'model with runner.gradients(text), or use method="rollout", which needs attention alone.'
    )


def needs_values(capture: Capture, attention: str | None) -> str:
    """Return the error for a layer without values or output projection; empty where all have."""
    for one in capture.group(attention):
        missing = " and ".join(
            word
            for word, held in (("v", one.v), ("output_projection", one.output_projection))
            if held is None
        )
        if missing:
            return (
                f"{missing} must have been recorded with the attention, got none at {one.name}. "
                "Capture the model itself with aw.capture, or use "
                'method="raw", which needs attention alone.'
            )
    return ""
