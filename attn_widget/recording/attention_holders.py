"""Attention inside what libraries hold it in: a model's output, a cache of activations, a table."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from attn_widget.errors import InputError
from attn_widget.records import to_numpy
from attn_widget.records.weights import row_tolerance

KINDS = ("attentions", "encoder_attentions", "decoder_attentions", "cross_attentions")
CAPTURE = "aw.capture(model, inputs)"


def taken_out(attention: Any) -> Any:
    """Return the attention that a model's output or a cache holds; other things unchanged.

    Raises
    ------
    InputError
        If it holds none, or several kinds.
    """
    if hasattr(attention, "shape") or isinstance(attention, list | tuple | str):
        return _of_output(attention) if _kinds(attention) else attention
    if any(hasattr(attention, kind) or _has_key(attention, kind) for kind in KINDS):
        return _of_output(attention)
    return _of_cache(attention) if hasattr(attention, "keys") else attention


def is_table(given: Any) -> bool:
    """Return whether this is a table with names of its rows and columns."""
    return hasattr(given, "columns") and hasattr(given, "index") and hasattr(given, "to_numpy")


def table_labels(table: Any) -> tuple[list[str] | None, list[str] | None]:
    """Return the names of a table's rows and columns; None where these are numbers."""
    found = []
    for axis in (table.index, table.columns):
        names = list(axis)
        found.append(names if all(isinstance(name, str) for name in names) else None)
    return found[0], found[1]


def refuse_masked(given: Any, where: str = "") -> None:
    """Refuse masked cells: they hold no number, whatever stands below the mask."""
    if isinstance(given, np.ma.MaskedArray):
        mask = np.ma.getmaskarray(given)
        if mask.any():
            names = ("layer", "head", "query", "key")[-mask.ndim :] if mask.ndim <= 4 else ()
            first = [int(i) for i in np.argwhere(mask)[0]]
            place = ", ".join(f"{name} {i}" for name, i in zip(names, first, strict=False))
            raise InputError(
                "attention must hold a number in every cell, "
                f"got a masked cell at {', '.join(p for p in (where, place) if p)}. "
                "Fill masked cells, with 0 where a key is not attended.",
                code="aw.from_arrays(attention.filled(0))",
            )
    elif isinstance(given, list | tuple) and not all(isinstance(x, int | float) for x in given):
        for i, one in enumerate(given):
            refuse_masked(one, where or f"layer {i}")


def _kinds(attention: Any) -> list[str]:
    """Return which kinds of attention an output holds."""
    found = {kind: getattr(attention, kind, None) for kind in KINDS}
    if hasattr(attention, "keys"):
        found |= {kind: attention[kind] for kind in KINDS if _has_key(attention, kind)}
    return [kind for kind, value in found.items() if value is not None and len(value)]


def _has_key(attention: Any, name: str) -> bool:
    """Return whether a mapping holds a name."""
    return hasattr(attention, "keys") and name in list(attention.keys())


def _of_output(output: Any) -> Any:
    """Return the only kind of attention that a model's output holds."""
    kinds = _kinds(output)
    if not kinds:
        raise InputError(
            "attention must be weights, "
            f"got a {type(output).__name__} that holds none. Current transformers return weights "
            'only from models loaded with attn_implementation="eager"; capture records any.',
            code=CAPTURE,
        )
    if len(kinds) > 1:
        raise InputError(
            f"attention must be of one kind, got a {type(output).__name__} that holds "
            f"{', '.join(kinds)}. Choose one; capture records all of them together.",
            code=f"aw.from_arrays(output.{kinds[-1]}, tokens, key_tokens=source)\n"
            f"    # or: {CAPTURE}",
        )
    return output[kinds[0]] if _has_key(output, kinds[0]) else getattr(output, kinds[0])


def _of_cache(cache: Any) -> Sequence[Any]:
    """Return the layers of a mapping ``name -> array``: names that differ in their number only.

    Attention is told from other activations by its rows, which sum to 1.
    """
    families: dict[str, dict[int, Any]] = {}
    for name in list(cache.keys()):
        found = re.search(r"\d+", str(name))
        family = re.sub(r"\d+", "#", str(name), count=1)
        families.setdefault(family, {})[int(found[0]) if found else 0] = cache[name]
    chosen = [name for name, layers in families.items() if all(map(_attends, layers.values()))]
    if len(chosen) != 1:
        shown = ", ".join(chosen or list(families)[:6]) or "nothing"
        rule = "one kind of attention" if chosen else "attention, in rows that sum to 1"
        raise InputError(
            f"attention must be a mapping that holds {rule}, got {shown}. Choose the arrays.",
            code="aw.from_arrays([cache[name] for name in names])",
        )
    layers = families[chosen[0]]
    return [layers[number] for number in sorted(layers)]


def _attends(value: Any) -> bool:
    """Return whether an array is attention: its rows are shares of 1."""
    if not hasattr(value, "shape") or len(value.shape) not in (3, 4) or 0 in tuple(value.shape):
        return False
    array = to_numpy(value)
    if array.dtype.kind != "f" or not np.isfinite(array).all() or array.min() < 0:
        return False
    return bool(np.abs(array.sum(-1, dtype=np.float64) - 1).max() <= row_tolerance(value))
