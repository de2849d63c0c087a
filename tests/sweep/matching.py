"""Whether recorded attention is what was computed: maps are found again among others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

TOLERANCE = 1e-5
MORE_KEYS = 8  # columns that a softmax may have beyond the shown ones: sinks


@dataclass(frozen=True)
class Found:
    """Where the heads of a recorded layer were found: (which map, which matrix in it) per head."""

    places: tuple[tuple[int, int], ...]
    error: float
    how: str = "heads"


def matrices(weights: torch.Tensor, queries: int, keys: int) -> list[torch.Tensor]:
    """Return all ways to read a tensor as matrices ``(matrix, query, key)`` of one size."""
    if weights.ndim < 2 or not keys <= weights.shape[-1] <= keys + MORE_KEYS:
        return []
    out = []
    for axis in range(weights.ndim - 1):
        if weights.shape[axis] == queries:
            rows = weights.movedim(axis, -2).reshape(-1, queries, weights.shape[-1])
            out.append(rows[..., :keys])
            if weights.shape[-1] > keys:
                out.append(rows[..., -keys:])
    return out


def distances(recorded: torch.Tensor, others: torch.Tensor) -> torch.Tensor:
    """Return the largest difference of each recorded head from each other map ``(head, map)``."""
    flat, other = recorded.flatten(1).double(), others.flatten(1).double()
    return torch.stack([(other - one).abs().amax(-1) for one in flat])


def nearest(recorded: torch.Tensor, pool: Sequence[torch.Tensor]) -> float:
    """Return the largest difference over heads from the nearest map of each head."""
    _, queries, keys = recorded.shape
    found = [distances(recorded, m) for w in pool for m in matrices(w, queries, keys) if len(m)]
    return float(torch.cat(found, 1).amin(1).max()) if found else float("inf")


def find(recorded: torch.Tensor, pool: Sequence[torch.Tensor]) -> Found | None:
    """Return where the heads of a layer ``(head, query, key)`` stand in a pool of maps, in order.

    All in one tensor at equal steps, or one after another in several tensors. None where a head is
    nowhere, or the heads stand in another order.
    """
    heads, queries, keys = recorded.shape
    several: list[list[tuple[int, int, float]]] = [[] for _ in range(heads)]
    for index, weights in enumerate(pool):
        for others in matrices(weights, queries, keys):
            apart = distances(recorded, others)
            near = apart <= TOLERANCE
            if near.any(1).all():
                places = _equal_steps(near)
                if places is not None:
                    error = max(float(apart[h, r]) for h, r in enumerate(places))
                    return Found(tuple((index, r) for r in places), error)
            for head, other in near.nonzero().tolist():
                several[head].append((index, other, float(apart[head, other])))
    places = []
    last = (-1, -1)
    worst = 0.0
    for options in several:
        later = sorted(one for one in options if one[:2] > last)
        if not later:
            return None
        last = later[0][:2]
        worst = max(worst, later[0][2])
        places.append(last)
    return Found(tuple(places), worst, "heads of several calls")


def _equal_steps(near: torch.Tensor) -> list[int] | None:
    """Return the matrix of each head where they stand at equal, growing steps."""
    heads, count = near.shape
    for start in near[0].nonzero().flatten().tolist():
        if heads == 1:
            return [start]
        for second in near[1].nonzero().flatten().tolist():
            step = second - start
            places = [start + head * step for head in range(heads)]
            if step > 0 and places[-1] < count and all(near[h, r] for h, r in enumerate(places)):
                return places
    return None


def find_rows(recorded: torch.Tensor, pool: Sequence[torch.Tensor]) -> Found | None:
    """Return whether every row's numbers, wherever they stand, were computed as one row.

    For attention that the model computes in blocks or bands and that is recorded laid out whole.
    """
    rows = _sorted_rows(recorded)
    missing = torch.ones(len(rows), dtype=torch.bool)
    places: list[tuple[int, int]] = []
    for index, weights in enumerate(pool):
        other = _sorted_rows(weights)
        width = min(rows.shape[1], other.shape[1])
        fits = (rows[:, width:].abs().sum(1) <= TOLERANCE) & missing
        whole = other[other[:, width:].abs().sum(1) <= TOLERANCE][:, :width]
        for i in fits.nonzero().flatten().tolist():
            if len(whole) and (whole - rows[i, :width]).abs().amax(1).min() <= TOLERANCE:
                missing[i] = False
                if (index, 0) not in places:
                    places.append((index, 0))
    return None if missing.any() else Found(tuple(places), TOLERANCE, "rows")


def _sorted_rows(weights: torch.Tensor) -> torch.Tensor:
    return weights.double().reshape(-1, weights.shape[-1]).sort(-1, descending=True).values
