"""Attention flow: the maximum flow from each token to each input token, attention as capacity."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed, wait
from typing import Any

import array_api_compat
import numpy as np
from jaxtyping import Float, Shaped

from attn_widget.attribution.bounds import cut_bounds
from attn_widget.attribution.joint import Graph, graph_of_arrays
from attn_widget.attribution.kernel.max_flow import Network, bytes_needed, compile_kernel
from attn_widget.attribution.rollout import normalised
from attn_widget.attribution.validation import check_rows, namespace
from attn_widget.errors import InputError
from attn_widget.records import Progress, Report, to_numpy

MEMORY_BYTES = 4 * 2**30  # for the network and every thread's copy of its residual graph
NOTICE_SECONDS = 0.5  # a kernel that takes longer to load is being compiled


def flow(
    attention: Any,
    *,
    layer: int | None = None,
    start_layer: int = 0,
    query: int | Sequence[int] | None = None,
    residual: float = 0.5,
    reduce: str = "mean",
    head: int | None = None,
    normalise: bool = False,
    progress: Report | None = None,
    threads: int | None = None,
) -> Float[Any, "query key"]:
    """Return attention flow ``(query, key)`` from a layer down to the input, exact.

    ``F(u, v)`` = the maximum flow from ``u`` at the target layer to ``v`` at the input through the
    layered graph whose edge capacities are
    ``A_l = residual·I + (1 − residual)·reduce_heads(attention_l)``.

    Parameters
    ----------
    attention
        Attention after softmax, ``(layer, head, query, key)`` or ``(layer, query, key)``, layer 0
        nearest the input; NumPy or torch, or a list of one array per layer. Rows sum to 1, or to
        less with an attention sink. Rectangular attention is cross-attention to keys that stay the
        same in all layers.
    layer
        The target layer, from 0 (1 in the paper). Omit it for the top one.
    start_layer
        The lowest layer that takes part, from 0. The columns stand for tokens at its input.
    query
        One row or several. Omit it for all.
    residual
        Share of each token that the residual connection carries past attention, 0 to 1.
    reduce
        ``mean``, ``max`` or ``min`` over heads (the latter two rescaled to the mean's row sums), or
        ``isolated``: the one ``head`` in every layer.
    head
        One head at the target layer, with reduced heads below (the paper's appendix A.1).
    normalise
        Divide each row by its sum, as the paper does; a row of zeros stays zeros. This hides
        saturation.
    progress
        Called between rows with a `Progress`: ``values`` so far (unfinished rows hold an upper
        bound) and which rows are ``exact``. It may raise `Cancelled` to stop.
    threads
        Threads that compute rows at the same time. Omit it for as many as there are processors.

    Returns
    -------
    array, (query, key)
        In units of attention capacity, each value at most 1; rows sum to 1 only with ``normalise``.

    Raises
    ------
    InputError
        If ``attention`` is not attention, a layer, row, head or share is out of range, or the
        network would not fit in memory.

    Notes
    -----
    Every pair is a separate maximum flow: the keys of one row do not share a capacity. From about
    five layers up a flow often equals ``min(1, sum of the key's column)`` and no longer depends on
    the query: see ``Attribution.saturated``. Costs about ``layer·query`` operations per pair, tens
    of microseconds.

    References
    ----------
    Abnar and Zuidema 2020, "Quantifying Attention Flow in Transformers", section 3.
    https://aclanthology.org/2020.acl-main.385

    Examples
    --------
    >>> import numpy as np
    >>> flow(np.array([[[0.75, 0.25], [0.5, 0.5]], [[0.5, 0.5], [0.0, 1.0]]]))
    array([[1.   , 0.375],
           [0.25 , 0.75 ]])
    """
    graph = graph_of_arrays(
        attention, layer=layer, start_layer=start_layer, residual=residual, reduce=reduce, head=head
    )
    rows = check_rows(query, graph.n_queries)
    like = graph.sublayers[-1].weights([0])
    network = capacities(graph)
    upper = cut_bounds(network)[0][graph.rows, graph.columns][list(rows)]
    values = flow_rows(graph, rows, Network(network), upper, progress=progress, threads=threads)
    return kind_of(normalised(values) if normalise else values, like)


def capacities(graph: Graph) -> Float[np.ndarray, "layer node node"]:
    """Return the edge capacities between successive levels of positions, lowest layer first.

    Raises
    ------
    InputError
        If the network and one thread's copy of it are larger than `MEMORY_BYTES`.
    """
    shared, each = bytes_needed(len(graph.sublayers), graph.n)
    if shared + each > MEMORY_BYTES:
        fits = int(graph.n * (MEMORY_BYTES / (shared + each)) ** 0.5)
        raise InputError(
            f"attention must fit flow's memory budget of {MEMORY_BYTES / 2**30:.3g} GiB, got "
            f"{graph.n} positions × {len(graph.sublayers)} layers "
            f"({(shared + each) / 2**30:.1f} GiB). Use at most {fits} positions at this depth, "
            'a higher start_layer, or method="rollout", which has no such limit.'
        )
    out = np.zeros((len(graph.sublayers), graph.n, graph.n))
    diagonal = np.arange(graph.n)
    for matrix, layer in zip(out, graph.sublayers, strict=True):
        weights = to_numpy(layer.weights(None)).astype(np.float64)
        matrix[layer.queries, layer.keys] = (1 - graph.residual) * weights
        queries = diagonal[layer.queries]
        matrix[queries, queries] += graph.residual
        unchanged = np.setdiff1d(diagonal, queries)  # positions of the stream without queries here
        matrix[unchanged, unchanged] = 1.0
    return out


def flow_rows(
    graph: Graph,
    rows: tuple[int, ...],
    network: Network,
    upper: Float[np.ndarray, "query key"],
    *,
    progress: Report | None = None,
    threads: int | None = None,
) -> Float[np.ndarray, "query key"]:
    """Return the flow of the chosen rows; threads compute them, each is reported at its end."""
    values, exact = np.array(upper), np.zeros(len(rows), bool)
    shared, each = bytes_needed(network.n_layers, network.n)
    fitting = (MEMORY_BYTES - shared) // max(each, 1)
    workers = max(1, min(threads or os.cpu_count() or 1, len(rows), fitting))

    def report(what: str = "flow", total: int = len(rows)) -> None:
        if progress is not None:
            progress(Progress(what, int(exact.sum()), total, values, exact))

    pool = ThreadPoolExecutor(workers)
    try:
        ready = pool.submit(compile_kernel)
        while not wait([ready], timeout=NOTICE_SECONDS).done:
            report("compiling (once)", 0)
        ready.result()
        report()
        place = {pool.submit(network.row, graph.rows.start + row): i for i, row in enumerate(rows)}
        for done in as_completed(place):
            i = place[done]
            values[i] = done.result()[graph.columns]
            exact[i] = True
            report()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
    return values


def kind_of(values: Shaped[np.ndarray, "query key"], like: Any) -> Shaped[Any, "query key"]:
    """Return values as an array of the library and on the device of ``like``; the dtype stays."""
    if isinstance(like, np.ndarray):
        return values
    return namespace(like).asarray(values, device=array_api_compat.device(like))
