"""Export of the layer graph as a `networkx.DiGraph`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attn_widget.attribution.flow import capacities
from attn_widget.attribution.joint import graph_of_arrays, graph_of_capture
from attn_widget.records import Capture, renamed_arguments

if TYPE_CHECKING:
    import networkx


@renamed_arguments(below="min_capacity")
def to_networkx(
    capture: Any,
    *,
    attention: str | None = None,
    layer: int | None = None,
    start_layer: int = 0,
    residual: float = 0.5,
    reduce: str = "mean",
    head: int | None = None,
    min_capacity: float = 0.0,
) -> networkx.DiGraph:
    """Return the layered graph that rollout and flow are computed on, as a `networkx.DiGraph`.

    Nodes are ``(level, position)``, level 0 the input; an edge ``(l, i) → (l − 1, j)`` has
    ``capacity`` ``A_l[i, j]`` with ``A_l = residual·I + (1 − residual)·reduce_heads(attention_l)``.

    Parameters
    ----------
    capture
        A `Capture`, or attention arrays ``(layer, head, query, key)``.
    attention, layer, start_layer, residual, reduce, head
        As in `attribute`.
    min_capacity
        Omit edges whose capacity is not above this; edges of capacity 0 are always omitted.

    Returns
    -------
    networkx.DiGraph
        Nodes carry ``level``, ``position``, ``token`` and ``stream``; edges ``capacity``. The
        capacities that leave a node sum to 1, less its attention sinks.

    Raises
    ------
    InputError, MethodError
        As in `attribute`.

    Notes
    -----
    Python objects for ``layer·query²`` edges: usable up to a few hundred tokens. Of networkx's flow
    algorithms `shortest_augmenting_path` is correct and fastest here; `dinitz` fails on floats.

    References
    ----------
    Abnar and Zuidema 2020, "Quantifying Attention Flow in Transformers", section 3.

    Examples
    --------
    >>> import numpy as np
    >>> graph = to_networkx(np.array([[[0.75, 0.25], [0.5, 0.5]]]))
    >>> graph[1, 0][0, 1]
    {'capacity': 0.125}
    """
    import networkx

    if isinstance(capture, Capture):
        graph = graph_of_capture(
            capture,
            attention,
            layer=layer,
            start_layer=start_layer,
            residual=residual,
            reduce=reduce,
            head=head,
        )
        stream = capture.group(attention)[0].stream
        own = enumerate(capture.axes(attention)[0].text, graph.rows.start)
        tokens = {i: (stream, text) for i, text in own}
        other = capture.cross_streams.get(stream)
        if graph.rows.start and other is not None:
            tokens |= {i: (other, text) for i, text in enumerate(capture.streams[other].text)}
    else:
        graph = graph_of_arrays(
            capture,
            layer=layer,
            start_layer=start_layer,
            residual=residual,
            reduce=reduce,
            head=head,
        )
        first = graph.rows.start
        tokens = {i: ("", str(i - first if i >= first else i)) for i in range(graph.n)}
    network = capacities(graph)
    made = networkx.DiGraph()
    for level in range(len(network) + 1):
        for i, (stream, token) in sorted(tokens.items()):
            made.add_node((level, i), level=level, position=i, token=token, stream=stream)
    for level, matrix in enumerate(network, 1):
        for i, j in zip(*(matrix > min_capacity).nonzero(), strict=True):
            made.add_edge((level, int(i)), (level - 1, int(j)), capacity=float(matrix[i, j]))
    return made
