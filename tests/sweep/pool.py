"""Each family in a process of its own, with limits of time and memory; results stay on disk."""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import os
import resource
import time
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

SECONDS = 60
BYTES = 8 * 2**30


def results(
    names: Sequence[str], folder: Path, *, processes: int = 2, again: bool = False
) -> Iterator[list[dict[str, Any]]]:
    """Yield the results of each family; those that stand in the folder are read from it."""
    folder.mkdir(parents=True, exist_ok=True)
    files = {name: folder / f"{name.replace('/', '_')}.json" for name in names}
    waiting = [name for name in names if again or not files[name].exists()]
    # Copies of a process that has loaded the libraries start at once.
    context = multiprocessing.get_context("fork")
    running: dict[str, tuple[Any, float]] = {}
    if waiting:
        _load()
    try:
        while waiting or running:
            while waiting and len(running) < processes:
                name = waiting.pop(0)
                process = context.Process(target=_work, args=(name, files[name]))
                process.start()
                running[name] = (process, time.monotonic())
            for name, (process, began) in list(running.items()):
                process.join(0.02)
                if process.is_alive() and time.monotonic() - began < SECONDS:
                    continue
                late = process.is_alive()
                if late:
                    process.kill()
                    process.join()
                del running[name]
                if late or process.exitcode:
                    why = f"no answer in {SECONDS} s" if late else f"ended with {process.exitcode}"
                    one = {"family": name, "model": "", "outcome": "not run", "why": why}
                    files[name].write_text(json.dumps([one]))
    finally:
        for process, _ in running.values():
            process.kill()
    for name in names:
        yield json.loads(files[name].read_text())


def _load() -> None:
    """Load what most families need, before copies of this process are made."""
    from tests.sweep.judge import examine

    for name in ("llama", "t5", "clip"):
        examine(name)


def _work(name: str, file: Path) -> None:
    import torch

    from tests.sweep.judge import examine

    resource.setrlimit(resource.RLIMIT_AS, (BYTES, BYTES))
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    with Path(os.devnull).open("w") as nowhere, contextlib.redirect_stdout(nowhere):
        os.dup2(nowhere.fileno(), 2)
        found = [one.as_dict() for one in examine(name)]
    file.write_text(json.dumps(found))
