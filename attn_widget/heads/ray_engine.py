"""A search on the workers of a Ray cluster: each batch is counted once, also when a worker dies."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from attn_widget.errors import InputError, MethodError

TRIES = 3  # a batch that ended this many workers would end the next one too
QUEUED = 2  # batches that a worker has at a time, so that it never waits


@dataclass
class Task:
    """A batch that a worker measures, and how many workers died while they had it."""

    batch: Any
    deaths: int = 0


class Worker:
    """An actor of Ray: holds the runner, which it makes or receives once."""

    def __init__(self, runner: Any) -> None:
        self._runner = runner() if callable(runner) and not hasattr(runner, "run") else runner

    def work(self, measure: Callable[[Any, Any], Any], batch: Any) -> Any:
        """Return the results of a batch."""
        return measure(self._runner, batch)


@dataclass
class WorkerPool:
    """The workers, and the tasks that they have."""

    ray: Any
    runner: Any  # a reference to Ray's object store: sent once
    measure: Callable[[Any, Any], Any]
    options: dict[str, Any]
    actors: dict[int, Any] = field(default_factory=dict)  # number of the worker -> actor
    running: dict[Any, tuple[int, Any, Task]] = field(default_factory=dict)  # by result reference

    def submit(self, number: int, task: Task) -> None:
        """Submit a task to the worker of a number, which is started where there is none."""
        if number not in self.actors:
            actor = self.ray.remote(Worker).options(**self.options)
            self.actors[number] = actor.remote(self.runner)
        actor = self.actors[number]
        self.running[actor.work.remote(self.measure, task.batch)] = number, actor, task

    def next_result(self) -> tuple[int, Task, Any]:
        """Return the worker's number, the task and the result of one; None where its worker died.

        Raises
        ------
        MethodError
            If the batch ended as many workers as are tried.
        """
        (reference,), _ = self.ray.wait(list(self.running), num_returns=1)
        number, actor, task = self.running.pop(reference)
        try:
            return number, task, self.ray.get(reference)
        except self.ray.exceptions.RayActorError as death:
            if self.actors.get(number) is actor:
                self.ray.kill(actor)
                del self.actors[number]
            task.deaths += 1
            if task.deaths >= TRIES:
                texts = f"{task.batch[0][0]} to {task.batch[-1][0]}"
                raise MethodError(
                    f"batch must be one that a worker survives, got {TRIES} workers ended by "
                    f"texts {texts}. Give a smaller batch, or see Ray's message: {death}"
                ) from death
            return number, task, None
        except self.ray.exceptions.RayTaskError as error:
            raise error.cause from error

    def results(self, batches: Iterator[Any], workers: int) -> Iterator[tuple[Any, Any]]:
        """Return every batch with its results, in the order in which they finish."""
        free = deque([*range(workers)] * QUEUED)
        again: deque[Task] = deque()  # tasks of workers that died
        while True:
            while free:
                task = again.popleft() if again else next((Task(batch) for batch in batches), None)
                if task is None:
                    break
                self.submit(free.popleft(), task)
            if not self.running:
                return
            number, task, result = self.next_result()
            free.append(number)
            if result is None:
                again.append(task)
            else:
                yield task.batch, result


def on_ray(
    runner: Any,
    measure: Callable[[Any, Any], Any],
    batches: Iterator[Any],
    workers: int | None,
    options: dict[str, Any],
) -> Iterator[tuple[Any, Any]]:
    """Return every batch with its results, in the order in which they finish.

    A worker that dies is replaced and its batches are measured again; the results of a batch are
    returned once. A cluster that was started here is shut down at the end, also after an error.
    """
    ray = _ray()
    started = not ray.is_initialized()
    pool: WorkerPool | None = None
    try:
        if started:  # the cluster of RAY_ADDRESS, else a new one on this machine
            ray.init(log_to_driver=False, logging_level="error")
        pool = WorkerPool(ray, ray.put(runner), measure, {"num_cpus": 1, **options})
        yield from pool.results(batches, _workers(ray, workers, pool.options))
    finally:
        for actor in pool.actors.values() if pool is not None else ():
            ray.kill(actor)
        if started:
            ray.shutdown()


def _ray() -> Any:
    """Return Ray, which is an extra, or refuse with the line that installs it."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
        import ray.exceptions
    except ImportError as error:
        raise MethodError(
            'ray must be installed for engine="ray", got none. Install it, or omit engine.',
            code='pip install "attn-widget[ray]"',
        ) from error
    return ray


def _workers(ray: Any, wanted: int | None, options: dict[str, Any]) -> int:
    """Return how many workers there will be; those beyond the cluster's resources never start."""
    resources = ray.cluster_resources()
    needed = {
        "CPU": options.get("num_cpus"),
        "GPU": options.get("num_gpus"),
        **options.get("resources", {}),
    }
    most = min(int(resources.get(name, 0) / amount) for name, amount in needed.items() if amount)
    if most < 1 or (wanted is not None and wanted > most):
        raise InputError(
            f"workers must be at most {most} on this cluster, got {wanted or 1}. "
            "Give fewer workers, or request less in ray_options."
        )
    return wanted or most
