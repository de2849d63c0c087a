"""The same search on a real Ray of this machine: two workers, one of which is killed."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

import attn_widget as aw
from attn_widget.errors import InputError, MethodError
from tests import models
from tests.heads.test_search import BRANCH, LONG, TEXTS, assert_same


class Mapper:
    """Makes its runner in the worker; text "N" ends the worker process a given number of times."""

    def __init__(self, folder, deaths: int = 0):
        self._folder, self._deaths = folder, deaths

    def __call__(self):
        return Mortal(aw.ModelRunner(*models.rxnmapper()), self._folder, self._deaths)


class Mortal:
    name = "mapper"

    def __init__(self, runner, folder: Path, deaths: int):
        self._runner, self._folder, self._deaths = runner, folder, deaths

    def run(self, text):
        with (self._folder / str(os.getpid())).open("a") as file:
            file.write(f"{text}\n")
        if text == "N" and len(list(self._folder.iterdir())) <= self._deaths:
            os.kill(os.getpid(), signal.SIGKILL)
        return self._runner.run(text)


@pytest.fixture(scope="module")
def cluster():
    """One Ray of two processors for all tests here."""
    ray = pytest.importorskip("ray")
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    os.environ["RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO"] = "0"
    env = {"PYTHONPATH": os.pathsep.join([str(Path.cwd()), *sys.path])}
    ray.init(
        num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="error",
        runtime_env={"env_vars": env},
    )  # fmt: skip
    yield ray
    ray.shutdown()


@pytest.fixture(scope="module")
def alone():
    return aw.ModelRunner(*models.rxnmapper(), name="mapper")


def runs(folder) -> dict[str, list[str]]:
    """The texts that each worker process ran."""
    return {path.name: path.read_text().split() for path in folder.iterdir()}


@pytest.mark.slow
class TestRay:
    def test_two_workers_give_the_numbers_of_one_process(self, cluster, alone, tmp_path):
        texts = [*TEXTS[:4], LONG, *TEXTS[4:]]
        for what in ({"metric": ["entropy", "duplicate"]}, {"relation": BRANCH}):
            found = aw.search_heads(alone, texts, batch=2, engine="ray", workers=2, **what)
            assert_same(found, aw.search_heads(alone, texts, batch=2, **what), exact=False)

    def test_both_workers_work_and_no_text_is_run_twice(self, cluster, tmp_path):
        texts = [f"C{'C' * i}O" for i in range(40)]
        aw.search_heads(Mapper(tmp_path), texts, "entropy", batch=1, engine="ray", workers=2)
        ran = runs(tmp_path)
        assert len(ran) == 2
        assert sorted(text for one in ran.values() for text in one) == sorted(texts)

    def test_the_batch_of_a_killed_worker_is_done_again_and_nothing_is_counted_twice(
        self, cluster, alone, tmp_path
    ):
        texts = [*TEXTS[:3], "N", *TEXTS[3:]]
        folder, path = tmp_path / "ran", tmp_path / "a.jsonl"
        folder.mkdir()
        made = Mapper(folder, deaths=2)
        found = aw.search_heads(made, texts, "entropy", batch=2, engine="ray", workers=2, file=path)
        assert len(runs(folder)) >= 3  # one replaced the killed worker
        assert sum(one.count("N") for one in runs(folder).values()) >= 2
        assert found.n_texts == len(texts)
        assert_same(found, aw.search_heads(alone, texts, "entropy", batch=2), exact=False)
        assert path.read_text().count('"text":') == len(texts)

    def test_a_batch_that_ends_every_worker_ends_the_search_and_is_named(self, cluster, tmp_path):
        with pytest.raises(MethodError, match=r"got 3 workers ended by texts 1 to 1\."):
            aw.search_heads(
                Mapper(tmp_path, 99), ["C", "N"], "entropy", batch=1, engine="ray", workers=2
            )

    def test_what_is_wrong_is_said_as_in_one_process(self, cluster, alone):
        with pytest.raises(
            InputError, match="key of the relation must be 0 to 2, got 9 at pair 0 of text 1"
        ):
            aw.search_heads(
                alone,
                ["CCO", "C"],
                relation=lambda text: [(1, 3 if text == "CCO" else 9)],
                engine="ray",
            )

    def test_more_workers_than_the_cluster_has_are_refused(self, cluster, alone):
        with pytest.raises(InputError, match="workers must be at most 2 on this cluster, got 3"):
            aw.search_heads(alone, TEXTS, "entropy", engine="ray", workers=3)
        with pytest.raises(InputError, match="workers must be at most 0 on this cluster, got 1"):
            aw.search_heads(alone, TEXTS, "entropy", engine="ray", ray_options={"num_gpus": 1})

    def test_a_search_that_was_begun_on_ray_goes_on_in_one_process(self, cluster, alone, tmp_path):
        path = tmp_path / "a.jsonl"
        aw.search_heads(alone, TEXTS[:7], "entropy", batch=2, engine="ray", workers=2, file=path)
        resumed = aw.search_heads(alone, TEXTS, "entropy", batch=2, file=path)
        np.testing.assert_allclose(
            resumed.scores["entropy"].values,
            aw.search_heads(alone, TEXTS, "entropy").scores["entropy"].values,
            rtol=1e-5,
        )


class FailingRay(ModuleType):
    """Ray without a cluster, which cannot send the runner."""

    def __init__(self, running: bool):
        super().__init__("ray")
        self.exceptions = ModuleType("ray.exceptions")
        self.running, self.calls = running, []

    def is_initialized(self):
        return self.running

    def init(self, **options):
        self.calls.append("init")

    def put(self, runner):
        raise TypeError("Could not serialize the runner")

    def shutdown(self):
        self.calls.append("shutdown")


@pytest.mark.parametrize(("running", "calls"), [(False, ["init", "shutdown"]), (True, [])])
def test_a_cluster_is_shut_down_where_the_runner_cannot_be_sent_and_it_was_started_here(
    monkeypatch, running, calls
):
    ray = FailingRay(running)
    monkeypatch.setitem(sys.modules, "ray", ray)
    monkeypatch.setitem(sys.modules, "ray.exceptions", ray.exceptions)
    with pytest.raises(TypeError, match="Could not serialize"):
        aw.search_heads(lambda: None, ["a"], "entropy", engine="ray")
    assert ray.calls == calls


def test_ray_that_is_not_installed_is_named(monkeypatch, alone):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(
        MethodError,
        match=r'ray must be installed for engine="ray", got none[\s\S]*attn-widget\[ray\]',
    ):
        aw.search_heads(alone, TEXTS, "entropy", engine="ray")
