"""``python -m tests.sweep [--again] [name …]``: run the sweep and print its table."""

from __future__ import annotations

import sys
from pathlib import Path

import torch
import transformers

from tests.sweep.families import family_names
from tests.sweep.pool import results
from tests.sweep.table import table

FOLDER = Path("build/sweep") / f"transformers-{transformers.__version__}-torch-{torch.__version__}"

if __name__ == "__main__":
    chosen = [one for one in sys.argv[1:] if not one.startswith("--")]
    found = results(chosen or family_names(), FOLDER, again="--again" in sys.argv)
    print(table([one for some in found for one in some]))
