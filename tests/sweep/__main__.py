"""``python -m tests.sweep [name …] [--again] [--only=outcome,outcome]``: run and print the table.

``--again`` runs what has results already; ``--only`` takes the families with these outcomes.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import torch
import transformers

from tests.sweep.families import family_names
from tests.sweep.pool import results
from tests.sweep.table import table

FOLDER = Path("build/sweep") / f"transformers-{transformers.__version__}-torch-{torch.__version__}"


def with_outcomes(outcomes: list[str]) -> list[str]:
    """Return the families of which a model came to one of some outcomes in the last run."""
    found = [one for file in FOLDER.glob("*.json") for one in json.loads(file.read_text())]
    return sorted({one["family"] for one in found if one["outcome"] in outcomes})


if __name__ == "__main__":
    chosen = [one for one in sys.argv[1:] if not one.startswith("--")]
    for option in sys.argv[1:]:
        if option.startswith("--only="):
            chosen += with_outcomes(option.removeprefix("--only=").split(","))
    found = results(chosen or family_names(), FOLDER, again="--again" in sys.argv)
    print(table([one for some in found for one in some]))
