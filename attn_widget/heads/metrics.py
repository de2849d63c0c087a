"""What each head does, in numbers: how spread its attention is, how far it looks, and at which tokens."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from array_api_compat import device
from jaxtyping import Float

from attn_widget.attribution.validation import namespace, widened
from attn_widget.errors import InputError, MethodError
from attn_widget.heads.head_table import HeadTable
from attn_widget.heads.templates import SHARES, Axes, Share, of_mask
from attn_widget.records import Capture, HeadScores, LayerAttention, most_heads, to_numpy

BLOCK_BYTES = 2 * 2**20  # of one layer's weights at a time: small enough to stay near the processor
SMALLEST = 1e-37  # stands in for 0 under a logarithm, where it is multiplied by 0
BY_ROW = {"entropy": ("entropy", "bits"), "sink": ("no key", "share")}  # of each query's whole row
METRICS = ("entropy", *SHARES, "sink")


@dataclass
class Asked:
    """The metrics that were asked for, sorted by how they are computed; the keys are the table's names."""

    order: list[str] = field(default_factory=list)
    rows: list[str] = field(default_factory=list)
    shares: dict[str, Share] = field(default_factory=dict)
    functions: dict[str, Callable[[Any], Any]] = field(default_factory=dict)


def head_metrics(capture: Any, names: Any = None, *, attention: str | None = None) -> HeadTable:
    """Return a table of numbers per layer and head, all of them from one pass over the attention.

    A share is the mean over queries of ``Σ_key attention · [key counts for this query]``.

    Parameters
    ----------
    capture
        From ``runner.run``, `capture` or `from_arrays`.
    names
        Left out: all that apply. A name, or several:

        - ``entropy``: mean over queries of ``−Σ p log2 p``, in bits; what goes to no key counts as one more outcome.
        - ``distance``: mean over queries of ``Σ attention · |query − key|``, in tokens.
        - ``previous``, ``next``, ``same``: share on the token before the query, after it, and on itself.
        - ``first``: share on the first key. ``special``: share on special tokens.
        - ``duplicate``: share on earlier tokens equal to the query. ``induction``: share on the tokens that followed
          those. Special tokens do not ask.
        - ``sink``: ``1 − Σ attention``, the share that goes to no key; less than rounding counts as 0.

        Or a mask ``(query, key)``: the share on it, each key by the mask's factor. Or a function of one layer's
        weights ``(head, query, key)``, NumPy, that returns ``(head,)``. Or a mapping from names of your own to any of
        these.
    attention
        Which attention of the capture, such as ``cross``; the first where left out.

    Returns
    -------
    HeadTable
        A mapping from name to `HeadScores`. Queries that have no such key are left out of a share's mean; NaN where
        that leaves none, or a layer has no such head.

    Raises
    ------
    InputError
        If a name is unknown, or a mask or what a function returned has another shape.
    MethodError
        If a metric that compares places is asked of attention between two streams.

    Notes
    -----
    Time ``layer × head × query × key``; memory one block of queries of one layer, recomputed where the capture holds
    queries and keys only. A function needs a layer's whole attention at once.

    References
    ----------
    Clark et al. 2019, "What Does BERT Look At?", sections 3 and 3.3 (entropy, next and special tokens).
    Elhage et al. 2021, "A Mathematical Framework for Transformer Circuits" (previous token, induction).
    Olsson et al. 2022, "In-context Learning and Induction Heads" (prefix matching).
    Wang et al. 2023, "Interpretability in the Wild" (duplicate token).

    Examples
    --------
    >>> import numpy as np
    >>> import attn_widget as aw
    >>> previous = np.eye(4, k=-1) + np.diag([1, 0, 0, 0])
    >>> seen = aw.from_arrays(np.stack([previous, np.full((4, 4), 0.25)])[None], list("abab"))
    >>> table = aw.head_metrics(seen, ["previous", "entropy"])
    >>> print(table)
    metric          unit      median         highest          second           third   (layer.head)
    previous token  share      0.625       0.0 1.000       0.1 0.250
    entropy         bits       1.000       0.1 2.000       0.0 0.000
    """
    if not isinstance(capture, Capture):
        raise InputError(
            f"capture must be a Capture, got {type(capture).__name__}. Record one.",
            code="runner.run(text)",
        )
    name = next(iter(capture.groups)) if attention is None else attention
    group = capture.group(name)
    axes = Axes(*capture.axes(name), square=group[0].kind == "self")
    asked = _asked(names, axes)
    values = {key: np.full((len(group), most_heads(group)), np.nan) for key in asked.order}
    shapes = dict.fromkeys((layer.n_queries, layer.n_keys) for layer in group)
    for shape in shapes:
        same = [
            (i, layer) for i, layer in enumerate(group) if (layer.n_queries, layer.n_keys) == shape
        ]
        shares = asked.shares if shape == (len(axes.queries), len(axes.keys)) else {}
        for i, found in _one_pass(same, axes, asked.rows, shares):
            for key, numbers in found.items():
                values[key][i, : len(numbers)] = numbers
    for key, function in asked.functions.items():
        for i, layer in enumerate(group):
            values[key][i, : layer.n_heads] = _called(function, key, layer)
    return HeadTable({key: _scores(key, asked, values[key], name) for key in asked.order})


def _one_pass(
    layers: Sequence[tuple[int, LayerAttention]],
    axes: Axes,
    by_row: Sequence[str],
    shares: Mapping[str, Share],
) -> Iterable[tuple[int, dict[str, Any]]]:
    """Return what was measured of layers of one shape: the queries in blocks, all layers for each block."""
    if not by_row and not shares:
        return []
    n_queries, n_keys = layers[0][1].n_queries, layers[0][1].n_keys
    heads = most_heads([layer for _, layer in layers])
    size = max(1, min(n_queries, BLOCK_BYTES // max(1, 4 * heads * n_keys)))
    sums = {i: {key: np.zeros(layer.n_heads) for key in (*by_row, *shares)} for i, layer in layers}
    asking = dict.fromkeys(shares, 0)  # how many queries have a key that counts
    for start in range(0, n_queries, size):
        rows = np.arange(start, min(start + size, n_queries))
        blocks = [
            np.asarray(share.template(axes, rows[:, None]), np.float32) for share in shares.values()
        ]
        for (key, share), block in zip(shares.items(), blocks, strict=True):
            asking[key] += len(rows) if share.every_row else int((block != 0).any(-1).sum())
        templates = np.stack(blocks, -1) if blocks else None
        for i, layer in layers:
            for key, part in _block(layer, rows, templates, by_row, list(shares)).items():
                sums[i][key] += part
    counts = {**dict.fromkeys(by_row, n_queries), **asking}
    return [
        (
            i,
            {
                key: total / counts[key] if counts[key] else np.full(len(total), np.nan)
                for key, total in found.items()
            },
        )
        for i, found in sums.items()
    ]


def _block(
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
    if layer.causal and layer.mask is None:  # what stands behind the last query is 0
        weights = weights[..., : int(rows[-1]) + 1]
    xp = namespace(weights)
    heads, n_rows, seen = weights.shape
    flat = xp.reshape(weights, (heads, n_rows * seen))
    found = {}
    if templates is not None:
        table = np.ascontiguousarray(templates[:, :seen]).reshape(n_rows * seen, -1)
        products = flat @ xp.asarray(table, dtype=weights.dtype, device=device(weights))
        found = dict(zip(names, to_numpy(products).astype(np.float64).T, strict=True))
    if by_row:
        lost = 1 - xp.sum(weights, axis=-1)
        nowhere = xp.where(
            lost > layer.row_tolerance, lost, xp.zeros_like(lost)
        )  # less is rounding
    if "sink" in by_row:
        found["sink"] = to_numpy(xp.sum(nowhere, axis=-1)).astype(np.float64)
    if "entropy" in by_row:
        found["entropy"] = to_numpy(_bits(xp, flat) + _bits(xp, nowhere)).astype(np.float64)
    return found


def _bits(xp: Any, shares: Any) -> Any:
    """Return ``−Σ p log2 p`` along the last axis, 0 for what is 0."""
    return -xp.sum(
        shares * xp.log2(xp.where(shares > SMALLEST, shares, xp.ones_like(shares))), axis=-1
    )


def _asked(names: Any, axes: Axes) -> Asked:
    """Return the metrics that were asked for, each checked before any work."""
    asked = Asked()
    check_names(names)
    if names is None:
        names = [
            name for name in METRICS if axes.square or name not in SHARES or not SHARES[name].square
        ]
    for key, one in _listed(names):
        asked.order.append(key)
        if isinstance(one, str):
            if one in SHARES and SHARES[one].square and not axes.square:
                raise MethodError(
                    f"{one} must be asked of attention within one stream, got attention between two. "
                    "Their places cannot be compared; entropy, first, special and sink can be asked."
                )
            if key != one:
                raise InputError(
                    f"names must call {one} by its own name, got {key!r}. Give it in a list."
                )
            if one in BY_ROW:
                asked.rows.append(one)
            else:
                asked.shares[one] = SHARES[one]
        elif callable(one):
            asked.functions[key] = one
        else:
            asked.shares[key] = of_mask(key, _mask(one, (len(axes.queries), len(axes.keys))))
    return asked


def check_names(names: Any) -> str:
    """Return what the metrics are called together, refusing names that no capture could answer."""
    if names is None:
        return "all metrics"
    listed = _listed(names)
    for _, one in listed:
        if isinstance(one, str) and one not in METRICS:
            raise InputError(
                f"names must be among {', '.join(METRICS)}, got {one!r}. Choose from these."
            )
    return ", ".join(key for key, _ in listed)


def _listed(names: Any) -> list[tuple[str, Any]]:
    """Return what was asked for as pairs of a distinct name and a metric."""
    if isinstance(names, Mapping):
        listed = [(str(key), one) for key, one in names.items()]
    else:
        several = isinstance(names, list | tuple) and all(
            isinstance(n, str) or callable(n) or _is_mask(n) for n in names
        )
        given = list(names) if several else [names]
        listed = []
        for one in dict.fromkeys(given) if all(isinstance(n, str) for n in given) else given:
            base = (
                one
                if isinstance(one, str)
                else getattr(one, "__name__", "function")
                if callable(one)
                else "mask"
            )
            taken = sum(key == base or key.startswith(f"{base} ") for key, _ in listed)
            listed.append((f"{base} {taken + 1}" if taken else base, one))
    if not listed:
        raise InputError(
            f"names must name at least one metric, got none. Choose from {', '.join(METRICS)}."
        )
    return listed


def _is_mask(one: Any) -> bool:
    """Return whether this is an array of two axes."""
    return getattr(one, "ndim", 0) == 2


def _mask(given: Any, shape: tuple[int, int]) -> Float[np.ndarray, "query key"]:
    """Return a mask as numbers, or refuse it."""
    try:
        mask = np.asarray(to_numpy(given), np.float64)
        if mask.ndim == 0:
            raise TypeError
    except (TypeError, ValueError):
        raise InputError(
            f"names must hold names, functions or masks (query, key), got {type(given).__name__}. "
            f"Names are {', '.join(METRICS)}."
        ) from None
    if mask.shape != shape:
        raise InputError(
            f"mask must have shape (query, key) = {shape}, got {mask.shape}. One number per pair of tokens."
        )
    if not np.isfinite(mask).all():
        raise InputError(
            "mask must be finite, got NaN or infinity. Put 0 where a pair does not count."
        )
    return mask


def _called(
    function: Callable[[Any], Any], name: str, layer: LayerAttention
) -> Float[np.ndarray, " head"]:
    """Return what a function of one's own says of each head of a layer."""
    found = np.asarray(to_numpy(function(to_numpy(layer.weights_for()))), np.float64)
    if found.shape != (layer.n_heads,):
        raise InputError(
            f"{name} must return one number per head, shape ({layer.n_heads},), got shape {found.shape} "
            f"at {layer.name}. Reduce the axes query and key only."
        )
    return found


def _scores(key: str, asked: Asked, values: Any, attention: str) -> HeadScores:
    """Return a metric's numbers with the title and unit it is shown by."""
    if key in asked.rows:
        title, unit = BY_ROW[key]
    elif key in asked.shares:
        title, unit = asked.shares[key].title, asked.shares[key].unit
    else:
        title, unit = key, ""
    return HeadScores(title, values, attention, unit)
