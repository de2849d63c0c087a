"""Which heads are shown: the one rule of all views.

``heads`` are the heads that were chosen; ``head`` is one of them. A view of one head (matrix,
neuron) shows ``head``; the others show ``heads``. To choose ``head`` is to choose it alone. Layers
may have different numbers of heads: heads that a layer lacks are not shown there and stay chosen.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from attn_widget.errors import InputError


def shown_heads(heads: Sequence[int], n_heads: int) -> list[int]:
    """Return those of the chosen heads that a layer of ``n_heads`` heads has."""
    return [head for head in heads if head < n_heads]


def chosen(given: dict[str, Any], head: int) -> dict[str, Any]:
    """Return ``head`` and ``heads`` after a choice of one of them, or of both.

    Parameters
    ----------
    given
        What was chosen: ``head``, ``heads``, both or neither.
    head
        The head before.

    Raises
    ------
    InputError
        If both are given and ``head`` is not among ``heads``.

    Examples
    --------
    >>> chosen({"head": 3}, 0), chosen({"heads": [1, 2]}, 0), chosen({"heads": [1, 2]}, 2)
    ({'head': 3, 'heads': [3]}, {'heads': [1, 2], 'head': 1}, {'heads': [1, 2], 'head': 2})
    """
    if "head" in given and "heads" not in given:
        return {"head": given["head"], "heads": [given["head"]]}
    if "heads" not in given:
        return {}
    wanted = given["heads"]
    heads = list(wanted) if hasattr(wanted, "__iter__") else [wanted]
    if "head" not in given:
        return {"heads": wanted, "head": head if head in heads or not heads else heads[0]}
    if given["head"] not in heads:
        raise InputError(
            f"head must be one of heads, {heads}, got {given['head']}. Give only one of the two."
        )
    return {"head": given["head"], "heads": wanted}


def fitted(heads: Sequence[int], head: int, n_heads: int) -> dict[str, Any]:
    """Return ``head`` and ``heads`` for a layer of ``n_heads`` heads: what exists is kept.

    All heads are chosen where none of those that were chosen exists.

    Examples
    --------
    >>> fitted([0, 1, 2, 3], 3, 2), fitted([3], 3, 2)
    ({'head': 1, 'heads': [0, 1, 2, 3]}, {'head': 1, 'heads': [0, 1]})
    """
    there = shown_heads(heads, n_heads)
    if not there:
        return {"head": n_heads - 1, "heads": list(range(n_heads))}
    return {"head": head if head in there else there[-1], "heads": list(heads)}
