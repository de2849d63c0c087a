"""Head metrics: how spread each head's attention is, how far it reaches, and to which tokens."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from array_api_compat import device
from jaxtyping import Float

from attn_widget.attribution.validation import namespace, widened
from attn_widget.errors import InputError
from attn_widget.heads.head_table import HeadTable
from attn_widget.heads.requested_metrics import requested_metrics
from attn_widget.heads.templates import Share, TokenAxes
from attn_widget.records import Capture, HeadScores, LayerAttention, most_heads, to_numpy

BLOCK_BYTES = 2 * 2**20  # of one layer's weights at a time: small enough for the processor's cache
SMALLEST = 1e-37  # replaces 0 under a logarithm that is multiplied by 0


def head_metrics(capture: Any, names: Any = None, *, attention: str | None = None) -> HeadTable:
    """Return a table of metrics per layer and head, computed in one pass over the attention.

    A share is the mean over queries of ``Σ_key attention · [key counts for this query]``.

    Parameters
    ----------
    capture
        From ``runner.run``, `capture` or `from_arrays`.
    names
        Omit it for all that apply. A name, or several:

        - ``entropy``: mean over queries of ``−Σ p log2 p``, in bits; the share that goes to no key
          counts as one more outcome.
        - ``distance``: mean over queries of ``Σ attention · |query − key|``, in tokens.
        - ``previous``, ``next``, ``same``: share on the token before the query, after it, and on
          itself.
        - ``first``: share on the first key. ``special``: share on special tokens.
        - ``duplicate``: share on earlier tokens equal to the query. ``induction``: share on the
          tokens that followed those. Queries that are special tokens are left out.
        - ``sink``: ``1 − Σ attention``, the share that goes to no key; less than rounding counts
          as 0.

        Or a mask ``(query, key)``: the share on it, each key times the mask's factor. Or a function
        of one layer's weights ``(head, query, key)``, NumPy, that returns ``(head,)``. Or a mapping
        from names of your own to any of these.
    attention
        Which attention of the capture, such as ``cross``. Omit it for the first.

    Returns
    -------
    HeadTable
        A mapping from name to `HeadScores`. Queries without such a key are left out of a share's
        mean; NaN where no query is left, or a layer has no such head.

    Raises
    ------
    InputError
        If a name is unknown, or a mask or what a function returned has another shape.
    MethodError
        If a metric that compares positions is requested for attention between two streams.

    Notes
    -----
    Time ``layer × head × query × key``; memory one block of queries of one layer, recomputed where
    the capture holds queries and keys only. A function needs a layer's whole attention at once.

    References
    ----------
    Clark et al. 2019, "What Does BERT Look At?", sections 3 and 3.3 (entropy, next and special
    tokens).
    Elhage et al. 2021, "A Mathematical Framework for Transformer Circuits" (previous token,
    induction).
    Olsson et al. 2022, "In-context Learning and Induction Heads" (prefix matching).
    Wang et al. 2023, "Interpretability in the Wild" (duplicate token).

    Examples
    --------
    >>> import numpy as np
    >>> import attn_widget as aw
    >>> previous = np.eye(4, k=-1) + np.diag([1, 0, 0, 0])
    >>> capture = aw.from_arrays(np.stack([previous, np.full((4, 4), 0.25)])[None], list("abab"))
    >>> print(aw.head_metrics(capture, ["previous", "entropy"]))
    metric          unit   median    highest     second  third  (layer.head)
    previous token  share   0.625  0.0 1.000  0.1 0.250
    entropy         bits    1.000  0.1 2.000  0.0 0.000
    """
    if not isinstance(capture, Capture):
        raise InputError(
            f"capture must be a Capture, got {type(capture).__name__}. Record one.",
            code="runner.run(text)",
        )
    name = next(iter(capture.groups)) if attention is None else attention
    group = capture.group(name)
    axes = TokenAxes(*capture.axes(name), square=group[0].kind == "self")
    requested = requested_metrics(names, axes)
    values = {key: np.full((len(group), most_heads(group)), np.nan) for key in requested.order}
    for shape in dict.fromkeys((layer.n_queries, layer.n_keys) for layer in group):
        same = [
            (i, layer) for i, layer in enumerate(group) if (layer.n_queries, layer.n_keys) == shape
        ]
        shares = requested.shares if shape == (len(axes.queries), len(axes.keys)) else {}
        for (i, key), numbers in _one_pass(same, axes, requested.by_row, shares).items():
            values[key][i, : len(numbers)] = numbers
    for key, function in requested.functions.items():
        for i, layer in enumerate(group):
            values[key][i, : layer.n_heads] = _of_function(function, key, layer)
    scores = {}
    for key in requested.order:
        title, unit = requested.title_and_unit(key)
        scores[key] = HeadScores(title, values[key], name, unit)
    return HeadTable(scores)


def _one_pass(
    layers: Sequence[tuple[int, LayerAttention]],
    axes: TokenAxes,
    by_row: Sequence[str],
    shares: Mapping[str, Share],
) -> dict[tuple[int, str], Any]:
    """Return metrics of layers of one shape, ``(head,)`` for each layer's number and metric.

    Queries are read in blocks, all layers for each block: the layers share the templates.
    """
    if not by_row and not shares:
        return {}
    n_queries, n_keys = layers[0][1].n_queries, layers[0][1].n_keys
    heads = most_heads([layer for _, layer in layers])
    size = max(1, min(n_queries, BLOCK_BYTES // max(1, 4 * heads * n_keys)))
    sums = {(i, key): np.zeros(layer.n_heads) for i, layer in layers for key in (*by_row, *shares)}
    counts = dict.fromkeys((*by_row, *shares), 0)  # queries in the mean
    for start in range(0, n_queries, size):
        rows = np.arange(start, min(start + size, n_queries))
        templates = [
            np.asarray(share.template(axes, rows[:, None]), np.float32) for share in shares.values()
        ]
        for key in by_row:
            counts[key] += len(rows)
        for (key, share), template in zip(shares.items(), templates, strict=True):
            counts[key] += len(rows) if share.every_row else int((template != 0).any(-1).sum())
        stacked = np.stack(templates, -1) if templates else None
        for i, layer in layers:
            for key, part in _block_sums(layer, rows, stacked, by_row, list(shares)).items():
                sums[i, key] += part
    return {
        (i, key): total / counts[key] if counts[key] else np.full(len(total), np.nan)
        for (i, key), total in sums.items()
    }


def _block_sums(
    layer: LayerAttention,
    rows: Any,
    templates: Float[np.ndarray, "row key metric"] | None,
    by_row: Sequence[str],
    names: Sequence[str],
) -> dict[str, Any]:
    """Return every metric's sum over some queries of one layer, ``(head,)`` each."""
    weights = widened(
        layer.weights_for(None, rows.tolist() if len(rows) < layer.n_queries else None)
    )
    if layer.causal and layer.mask is None:  # all weights after the last query are 0
        weights = weights[..., : int(rows[-1]) + 1]
    xp = namespace(weights)
    heads, n_rows, n_keys = weights.shape
    flat = xp.reshape(weights, (heads, n_rows * n_keys))
    found = {}
    if templates is not None:
        table = np.ascontiguousarray(templates[:, :n_keys]).reshape(n_rows * n_keys, -1)
        products = flat @ xp.asarray(table, dtype=weights.dtype, device=device(weights))
        found = dict(zip(names, to_numpy(products).astype(np.float64).T, strict=True))
    if by_row:
        lost = 1 - xp.sum(weights, axis=-1)
        # A share below the tolerance is rounding.
        to_no_key = xp.where(lost > layer.row_tolerance, lost, xp.zeros_like(lost))
    if "sink" in by_row:
        found["sink"] = to_numpy(xp.sum(to_no_key, axis=-1)).astype(np.float64)
    if "entropy" in by_row:
        found["entropy"] = to_numpy(_bits(xp, flat) + _bits(xp, to_no_key)).astype(np.float64)
    return found


def _bits(xp: Any, shares: Any) -> Any:
    """Return ``−Σ p log2 p`` along the last axis; a share of 0 adds 0."""
    return -xp.sum(
        shares * xp.log2(xp.where(shares > SMALLEST, shares, xp.ones_like(shares))), axis=-1
    )


def _of_function(
    function: Callable[[Any], Any], name: str, layer: LayerAttention
) -> Float[np.ndarray, " head"]:
    """Return what a caller's function returns for each head of a layer."""
    found = np.asarray(to_numpy(function(to_numpy(layer.weights_for()))), np.float64)
    if found.shape != (layer.n_heads,):
        raise InputError(
            f"{name} must return one number per head, shape ({layer.n_heads},), got shape "
            f"{found.shape} at {layer.name}. Reduce the axes query and key only."
        )
    return found
