"""Comparison with the attention a family itself returns, where that is a softmax per head."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from tests.sweep.matching import TOLERANCE, find
from tests.sweep.result import Result
from tests.sweep.running import one_line, run, tensors


def compare_with_own(
    result: Result, problems: list[str], model: Any, inputs: dict[str, Any], plain: Any, seen: Any
) -> list[torch.Tensor]:
    """Compare with the family's own maps, where they are a softmax per head; return the maps."""
    try:
        model.set_attn_implementation("eager")
        own = run(model, inputs, output_attentions=True)
    except Exception as error:
        result.notes.append(f"no reference: {one_line(error)}")
        return []
    if _differ(tensors(plain)[:1], tensors(own)[:1]):
        result.notes.append("no reference: its eager path computes another output")
        return []
    maps = list(_attentions(own))
    if not maps:
        result.notes.append("no reference: it returns no attention")
        return []
    recorded = [layer.weights.float() for layer in seen.layers]
    for path, one in maps:
        if not _shown(one, recorded):
            kind = _kind_of_reference(one)
            if kind:
                result.notes.append(f"reference: {kind}")
                continue
            alike = [w for w in recorded if w.shape == one.shape[-3:]]
            averages = [w.mean(0) for w in alike]
            if any((one[0] - mean).abs().max() <= TOLERANCE for mean in averages):
                result.notes.append("reference: averages over heads")
            elif alike and sum(m.shape == one.shape for _, m in maps) <= len(alike):
                problems.append(f"its own {path} {list(one.shape)} is not among the layers")
            else:
                result.notes.append(f"reference: {path} {list(one.shape)} is laid out differently")
    return [one for _, one in maps]


def _differ(first: Sequence[torch.Tensor], again: Sequence[torch.Tensor]) -> bool:
    """Return whether two passes gave other outputs: then their maps need not agree either."""
    if not first or not again:
        return False
    if first[0].shape != again[0].shape:
        return True
    scale = first[0].abs().max().clamp(min=1.0)
    return bool((first[0] - again[0]).abs().max() > TOLERANCE * scale)


def _attentions(output: Any, path: str = "") -> Any:
    """Yield the attention maps of an output, wherever they stand in it."""
    if hasattr(output, "items"):
        for name, value in output.items():
            if "attention" in name or hasattr(value, "items"):
                yield from _attentions(value, f"{path}.{name}".strip("."))
    elif isinstance(output, list | tuple) and "attention" in path:
        for i, value in enumerate(output):
            yield from _attentions(value, f"{path}[{i}]")
    elif isinstance(output, torch.Tensor) and "attention" in path and output.ndim >= 3:
        yield path, output.float()


def _kind_of_reference(own: torch.Tensor) -> str:
    """Return why a map cannot be compared, from its numbers; empty where it can."""
    if not own.isfinite().all():
        return "not finite"
    sums = own.sum(-1)
    if (own < -TOLERANCE).any():
        return "scores before the softmax"
    if not ((sums - 1).abs() < 1e-3).all():
        return "rows that do not sum to 1"
    return ""


def _shown(own: torch.Tensor, recorded: Sequence[torch.Tensor]) -> bool:
    """Return whether a map of the family is one of the recorded layers."""
    for weights in recorded:
        found = find(weights, [own])
        if found is not None:
            return True
    return False
