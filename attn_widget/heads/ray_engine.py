"""The same search on the workers of a Ray cluster: each batch is counted once, also when a worker dies."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from attn_widget.errors import InputError, MethodError

TRIES = 3  # a batch that ended this many workers would end the next one too
AHEAD = 2  # batches a worker is given at a time, so that it never waits


@dataclass
class Job:
    """A batch on its way, and how many workers it has ended."""

    batch: Any
    deaths: int = 0


class Worker:
    """What runs in a worker's process: the runner, made or received once."""

    def __init__(self, runner: Any) -> None:
        self._runner = runner() if callable(runner) and not hasattr(runner, "run") else runner

    def work(self, do: Callable[[Any, Any], Any], batch: Any) -> Any:
        """Return what was measured of a batch."""
        return do(self._runner, batch)


@dataclass
class Crew:
    """The workers, and the jobs that are with them."""

    ray: Any
    runner: Any  # in Ray's store, sent once
    do: Any
    options: dict[str, Any]
    actors: dict[int, Any] = field(default_factory=dict)
    waiting: dict[Any, tuple[int, Any, Job]] = field(
        default_factory=dict
    )  # ref -> (place, actor, job)

    def give(self, place: int, job: Job) -> None:
        """Give a job to the worker of a place, which is started where there is none."""
        if place not in self.actors:
            made = self.ray.remote(Worker).options(**self.options)
            self.actors[place] = made.remote(self.runner)
        actor = self.actors[place]
        self.waiting[actor.work.remote(self.do, job.batch)] = place, actor, job

    def next(self) -> tuple[int, Job, Any]:
        """Return the place, job and answer of one that is done; None where its worker has died."""
        (ref,), _ = self.ray.wait(list(self.waiting), num_returns=1)
        place, actor, job = self.waiting.pop(ref)
        try:
            return place, job, self.ray.get(ref)
        except self.ray.exceptions.RayActorError as death:
            if self.actors.get(place) is actor:
                self.ray.kill(actor)
                del self.actors[place]
            job.deaths += 1
            if job.deaths >= TRIES:
                numbers = f"{job.batch[0][0]} to {job.batch[-1][0]}"
                raise MethodError(
                    f"batch must be one that a worker survives, got {TRIES} workers ended by texts {numbers}. "
                    f"Give a smaller batch, or see what Ray says: {death}"
                ) from death
            return place, job, None
        except self.ray.exceptions.RayTaskError as error:
            raise error.cause from error


def on_ray(
    runner: Any,
    do: Callable[[Any, Any], Any],
    batches: Iterator[Any],
    workers: int | None,
    options: dict[str, Any],
) -> Iterator[tuple[Any, Any]]:
    """Return every batch with what was measured of it, in the order in which they are done.

    A worker that dies is replaced and what it held is done again; an answer is taken once, when its batch leaves.
    """
    ray = _ray()
    mine = not ray.is_initialized()
    if mine:  # the cluster of RAY_ADDRESS, else one of this machine
        ray.init(log_to_driver=False, logging_level="error")
    crew = Crew(ray, ray.put(runner), do, {"num_cpus": 1, **options})
    try:
        free = deque(range(_workers(ray, workers, crew.options)))
        free.extend([*free] * (AHEAD - 1))
        again: deque[Job] = deque()
        while True:
            while free:
                job = again.popleft() if again else next((Job(batch) for batch in batches), None)
                if job is None:
                    break
                crew.give(free.popleft(), job)
            if not crew.waiting:
                return
            place, job, answer = crew.next()
            free.append(place)
            if answer is None:
                again.append(job)
            else:
                yield job.batch, answer
    finally:
        for actor in crew.actors.values():
            ray.kill(actor)
        if mine:
            ray.shutdown()


def _ray() -> Any:
    """Return Ray, which is an extra, or say how to install it."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
        import ray.exceptions
    except ImportError as error:
        raise MethodError(
            'ray must be installed for engine="ray", got none. Install it, or leave engine out.',
            code='pip install "attn-widget[ray]"',
        ) from error
    return ray


def _workers(ray: Any, wanted: int | None, options: dict[str, Any]) -> int:
    """Return how many workers there will be; more than the cluster can hold would wait for ever."""
    there = ray.cluster_resources()
    asked = {
        "CPU": options.get("num_cpus"),
        "GPU": options.get("num_gpus"),
        **options.get("resources", {}),
    }
    most = min(int(there.get(name, 0) / amount) for name, amount in asked.items() if amount)
    if most < 1 or (wanted is not None and wanted > most):
        raise InputError(
            f"workers must be at most {most} on this cluster, got {wanted or 1}. "
            "Ask for fewer, or for less in ray_options."
        )
    return wanted or most
