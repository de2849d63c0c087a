"""Names, masks and functions that a caller asks `head_metrics` for -> metrics, checked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Float

from attn_widget.errors import InputError, MethodError
from attn_widget.heads.templates import SHARES, Share, TokenAxes, share_of_mask
from attn_widget.records import to_numpy

# Metrics of each query's whole row: name -> title and unit.
BY_ROW = {"entropy": ("entropy", "bits"), "sink": ("no key", "share")}
METRICS = ("entropy", *SHARES, "sink")


@dataclass
class Requested:
    """The requested metrics, by how they are computed; the keys are the table's names."""

    order: list[str] = field(default_factory=list)
    by_row: list[str] = field(default_factory=list)
    shares: dict[str, Share] = field(default_factory=dict)
    functions: dict[str, Callable[[Any], Any]] = field(default_factory=dict)

    def title_and_unit(self, key: str) -> tuple[str, str]:
        """Return the title and the unit that a metric is shown with."""
        if key in self.by_row:
            return BY_ROW[key]
        if key in self.shares:
            return self.shares[key].title, self.shares[key].unit
        return key, ""


def requested_metrics(names: Any, axes: TokenAxes) -> Requested:
    """Return the requested metrics, each checked before any work.

    Raises
    ------
    InputError
        If a name is unknown or used for another metric, or a mask has another shape.
    MethodError
        If a metric that compares positions is requested for attention between two streams.
    """
    requested = Requested()
    check_names(names)
    if names is None:
        names = [
            name for name in METRICS if axes.square or name not in SHARES or not SHARES[name].square
        ]
    for key, metric in listed_metrics(names):
        requested.order.append(key)
        if callable(metric):
            requested.functions[key] = metric
        elif not isinstance(metric, str):
            shape = len(axes.queries), len(axes.keys)
            requested.shares[key] = share_of_mask(key, _mask(metric, shape))
        elif metric in SHARES and SHARES[metric].square and not axes.square:
            raise MethodError(
                f"{metric} must be measured on attention within one stream, got attention between "
                "two. Their positions cannot be compared; use entropy, first, special or sink."
            )
        elif key != metric:
            raise InputError(
                f"names must call {metric} by its own name, got {key!r}. Give it in a list."
            )
        elif metric in BY_ROW:
            requested.by_row.append(metric)
        else:
            requested.shares[metric] = SHARES[metric]
    return requested


def check_names(names: Any) -> str:
    """Return the names joined for a title, refusing names that do not exist."""
    if names is None:
        return "all metrics"
    listed = listed_metrics(names)
    for _, metric in listed:
        if isinstance(metric, str) and metric not in METRICS:
            raise InputError(
                f"names must be among {', '.join(METRICS)}, got {metric!r}. Choose from these."
            )
    return ", ".join(key for key, _ in listed)


def listed_metrics(names: Any) -> list[tuple[str, Any]]:
    """Return pairs of a distinct name and a metric."""
    listed: list[tuple[str, Any]] = []
    if isinstance(names, Mapping):
        listed = [(str(key), metric) for key, metric in names.items()]
    else:
        several = isinstance(names, list | tuple) and all(
            isinstance(one, str) or callable(one) or _is_mask(one) for one in names
        )
        metrics = list(names) if several else [names]
        if all(isinstance(one, str) for one in metrics):
            metrics = list(dict.fromkeys(metrics))
        for metric in metrics:
            base = _name_of(metric)
            taken = sum(key == base or key.startswith(f"{base} ") for key, _ in listed)
            listed.append((f"{base} {taken + 1}" if taken else base, metric))
    if not listed:
        raise InputError(
            f"names must name at least one metric, got none. Choose from {', '.join(METRICS)}."
        )
    return listed


def _name_of(metric: Any) -> str:
    """Return the name under which a metric stands in the table."""
    if isinstance(metric, str):
        return metric
    return getattr(metric, "__name__", "function") if callable(metric) else "mask"


def _is_mask(metric: Any) -> bool:
    """Return whether this is an array of two axes."""
    return getattr(metric, "ndim", 0) == 2


def _mask(given: Any, shape: tuple[int, int]) -> Float[np.ndarray, "query key"]:
    """Return a mask as finite numbers of the shape (query, key)."""
    try:
        mask = np.asarray(to_numpy(given), np.float64)
        if mask.ndim == 0:
            raise TypeError
    except (TypeError, ValueError):
        raise InputError(
            "names must hold names, functions or masks (query, key), got "
            f"{type(given).__name__}. Names are {', '.join(METRICS)}."
        ) from None
    if mask.shape != shape:
        raise InputError(
            f"mask must have shape (query, key) = {shape}, got {mask.shape}. "
            "Give one number per pair of tokens."
        )
    if not np.isfinite(mask).all():
        raise InputError(
            "mask must be finite, got NaN or infinity. Put 0 where a pair does not count."
        )
    return mask
