"""Run the texts of a search in batches and measure them, in this process or on Ray."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from itertools import islice
from typing import Any

from attn_widget.errors import InputError
from attn_widget.heads.identity import identity
from attn_widget.heads.measures import Header, Measure, Measured
from attn_widget.records import Capture
from attn_widget.records.protocols import Runs, RunsBatches
from attn_widget.records.runners import check_runner

Batch = list[tuple[int, Any]]  # texts with their numbers
Results = tuple[list[Measured | str], Header | None]  # of a batch; a text for each that was skipped


def batches_of(items: Iterator[tuple[int, Any]], size: int) -> Iterator[Batch]:
    """Return items in lists of a size; the last may be shorter."""
    while batch := list(islice(items, size)):
        yield batch


def runner_of(runner: Any, engine: str | None) -> Any:
    """Return the runner that a function makes; for Ray the function, which its workers call."""
    makes = engine is None and callable(runner) and not isinstance(runner, Runs)
    return runner() if makes else runner


def runner_identity(runner: Any, engine: str | None, ray_options: Mapping[str, Any] | None) -> str:
    """Return a hash of all that a runner's captures depend on.

    A function that makes the runner on Ray is called in a worker: only there it may work.

    Raises
    ------
    InputError
        If the runner holds something that cannot be read.
    """
    if engine == "ray" and callable(runner) and not isinstance(runner, Runs):
        from attn_widget.heads.ray_engine import on_ray

        (found,) = on_ray(
            runner, identity_in_worker, iter([[(0, None)]]), 1, dict(ray_options or {})
        )
        return str(found[1])
    return identity(runner, "runner")


def identity_in_worker(runner: Any, batch: Batch) -> str:
    """Return the hash of a worker's runner."""
    return identity(runner, "runner")


def shares_passes(runner: Any, engine: str | None) -> bool:
    """Return whether the texts of a batch share forward passes, as far as can be known here."""
    return isinstance(runner, RunsBatches) or (engine == "ray" and not isinstance(runner, Runs))


def measured_batches(
    runner: Any,
    measure: Measure,
    batches: Iterator[Batch],
    engine: str | None,
    workers: int | None,
    ray_options: Mapping[str, Any] | None,
) -> Iterator[tuple[Batch, Results]]:
    """Return batches with their results, in the order in which they finish."""
    if engine == "ray":
        from attn_widget.heads.ray_engine import on_ray

        options = dict(ray_options or {})
        yield from on_ray(runner, partial(measured_batch, measure), batches, workers, options)
        return
    for batch in batches:
        yield batch, measured_batch(measure, runner, batch)


def measured_batch(measure: Measure, runner: Any, batch: Batch) -> Results:
    """Return the result of each text, or the reason it was skipped; and the names of the numbers.

    Raises
    ------
    InputError
        If the runner cannot run texts, or a relation does not fit its text.
    """
    results: list[Measured | str] = []
    header = None
    captures = _captures(runner, [item for _, item in batch])
    for (index, item), capture in zip(batch, captures, strict=True):
        if isinstance(capture, InputError):
            results.append(capture.message)
            continue
        header = header or measure.header(capture)
        results.append(measure.measured(capture, item, index))
    return results, header


def _captures(runner: Any, items: list[Any]) -> Iterator[Capture | InputError]:
    """Return the capture of every text, or in its place the error that says why there is none."""
    if all(isinstance(item, Capture) for item in items):
        yield from items
    elif isinstance(runner, RunsBatches):
        yield from runner.run_many(items)
    else:
        check_runner(runner, Runs, "run texts")
        for item in items:
            try:
                yield runner.run(*item) if _is_pair(item) else runner.run(item)
            except InputError as error:
                yield error


def _is_pair(item: Any) -> bool:
    """Return whether an item is two texts for a model of pairs."""
    texts = isinstance(item, tuple) and all(isinstance(part, str) for part in item)
    return texts and len(item) == 2
