"""The table and the lists that the sweep prints."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from tests.sweep.result import OUTCOMES


def table(results: Sequence[dict[str, Any]]) -> str:
    """Return how many models came to each outcome, and each outcome's list."""
    lines = ["| outcome | models |", "|---|---|"]
    counts = Counter(one["outcome"] for one in results)
    lines += [f"| {outcome} | {counts[outcome]} |" for outcome in OUTCOMES]
    exact = [one for one in results if one["outcome"].startswith("exact")]
    worst = max((one["error"] for one in exact), default=0.0)
    lines += ["", f"largest difference of the exact ones: {worst:.1e}"]
    flat = [one["family"] for one in exact if one.get("peak", 1.0) < 0.3]
    lines.append(f"whose attention has no weight of 0.3 in some layer: {len(flat)}")
    notes = Counter(kind for one in exact for kind in {_kind(note) for note in one["notes"]})
    lines += [f"- {n} × {note}" for note, n in notes.most_common(20)]
    for outcome in OUTCOMES:
        lines += ["", f"## {outcome}"]
        own = [one for one in results if one["outcome"] == outcome]
        if outcome in ("exact", "no attention"):
            lines.append(", ".join(f"{o['family']} ({o['layers']})" for o in own))
            continue
        for one in own:
            missing = f" missing: {', '.join(one['missing'][:4])}" if one.get("missing") else ""
            lines.append(f"- {one['family']} ({one['model']}): {one['why'][:600]}{missing}")
    return "\n".join(lines)


def _kind(note: str) -> str:
    """Return a note without the names of modules and the shapes in it."""
    subject, _, rest = note.partition(": ")
    if subject in ("rows", "own map", "from output"):
        return f"compared by {subject}"
    if "laid out differently" in rest:
        return f"{subject}: laid out differently"
    return f"{subject}: {rest.split(':')[0]}"
