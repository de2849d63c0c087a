"""Mutation test of the Python code: print the score and the mutants that no test detects.

``python scripts/mutations.py [FILE …]`` runs mutmut with the set-up in pyproject.toml on the files,
or on all files that the set-up names. ``mutants/`` keeps the results, so a second run checks
only what changed. A mutant marked ``no tests`` is in a function that no selected test calls.
"""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from pathlib import Path

DETECTED = {"killed", "timeout", "caught by type check"}
UNFINISHED = {"not checked", "skipped", "check was interrupted by user"}


def mutmut(*arguments: str) -> list[str]:
    """Return the command that runs mutmut."""
    return [str(Path(sys.executable).with_name("mutmut")), *arguments]


def statuses(patterns: list[str]) -> dict[str, str]:
    """Return the status of each mutant that matches a pattern; of all without patterns."""
    lines = subprocess.run(
        mutmut("results", "--all", "true"), capture_output=True, text=True, check=True
    ).stdout.splitlines()
    found = dict(line.strip().split(": ", 1) for line in lines if ": " in line)
    prefixes = tuple(pattern.removesuffix("*") for pattern in patterns) or ("",)
    return {name: status for name, status in found.items() if name.startswith(prefixes)}


def main(files: list[str]) -> int:
    """Run mutmut and print what it found; return 1 if mutmut itself failed."""
    modules = [str(Path(file).with_suffix("")).replace("/", ".") for file in files]
    patterns = [f"{module}.*" for module in modules]
    run = subprocess.run(mutmut("run", *patterns), stdout=subprocess.PIPE, text=True)
    if run.returncode:
        print(run.stdout[-5000:])
        return 1
    results = statuses(patterns)
    checked = {name: status for name, status in results.items() if status not in UNFINISHED}
    survivors = [name for name, status in checked.items() if status not in DETECTED]
    for name in survivors:
        shown = subprocess.run(mutmut("show", name), capture_output=True, text=True, check=True)
        print(shown.stdout)
    print(*(f"{count} {status}" for status, count in Counter(results.values()).items()), sep=", ")
    if checked:
        detected = len(checked) - len(survivors)
        print(f"{detected} of {len(checked)} mutants detected: {detected / len(checked):.1%}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
