"""The cost of head searches: metrics, texts per second, and two Ray workers against one.

    python tests/benchmarks/bench_heads.py [metrics] [texts] [ray]

Prints a table for each part that is named, all of them where none is. Metrics: SmolLM2-135M at 512
tokens, processor time of one thread. Texts: MiniLM on 250, 500 and 1,000 short texts, one process
of one thread. Ray: 3,000 texts on one and on two workers of one thread each, wall time from when
all workers have loaded the model; it says how busy the machine was before, since two workers cannot
be faster where there is no second processor to be had.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import torch

import attn_widget as aw
from tests.models import MINILM, minilm, smollm2

METRICS_AT_MOST, RAY_AT_LEAST = 1.3, 1.6
TEXT = (
    "The keys to the cabinet are on the table, and the cabinet stands beside the old window of "
    "the house. "
)
SUBJECTS = (
    "The cat",
    "A doctor",
    "My neighbour",
    "The old captain",
    "Nobody",
    "Her brother's best friend",
)
ENDS = (
    "slept.",
    "found the keys on the table.",
    "said that it was raining again.",
    "ran.",
    "went home early today.",
)


def corpus(n: int) -> list[str]:
    """Return n different short texts of 8 to 24 tokens."""
    return [
        f"{SUBJECTS[i % 6]} number {i} {ENDS[i % 5]}" + " It was late." * (i % 3) for i in range(n)
    ]


def best_of(times: int, do) -> float:
    """Return the shortest processor time of several runs; other load can only add time."""
    spent = []
    for _ in range(times):
        start = time.process_time()
        do()
        spent.append(time.process_time() - start)
    return min(spent)


def metrics(n: int = 512) -> None:
    """Print what all metrics cost, by themselves and with the capture they are read from."""
    model, tokenizer = smollm2()
    ids = tokenizer(TEXT * (1 + n // 10))["input_ids"][:n]
    runner, tensor = aw.ModelRunner(model, tokenizer), torch.tensor([ids])
    with torch.no_grad():
        model(tensor)
        forward = best_of(3, lambda: model(tensor))
    seen = runner.run(ids)
    print(f"SmolLM2-135M, {n} tokens, {len(seen.layers)} layers × {seen.layers[0].n_heads} heads")
    print(f"{'':<34}{'seconds':>9}{'forward passes':>16}")
    rows = {
        "forward pass": forward,
        "capture (forward pass included)": best_of(3, lambda: runner.run(ids)),
        "entropy of a capture": best_of(3, lambda: aw.head_metrics(seen, "entropy")),
        "all metrics of a capture": best_of(3, lambda: aw.head_metrics(seen)),
    }
    for name, seconds in rows.items():
        print(f"{name:<34}{seconds:>9.3f}{seconds / forward:>16.2f}")
    ratio = rows["all metrics of a capture"] / forward
    print(f"limit: at most {METRICS_AT_MOST}; {'met' if ratio <= METRICS_AT_MOST else 'NOT MET'}\n")


def texts() -> None:
    """Print texts a second on corpora of three sizes."""
    model, tokenizer = minilm()
    runner = aw.ModelRunner(model, tokenizer)
    aw.search_heads(runner, corpus(32))
    alone = aw.ModelRunner(model, tokenizer)
    single = best_of(2, lambda: [alone.run(text) for text in corpus(64)]) / 64
    shared = best_of(2, lambda: list(runner.run_many(corpus(64)))) / 64
    print(
        f"MiniLM, short texts: a capture {1000 * single:.1f} ms alone, "
        f"{1000 * shared:.1f} ms in a batch"
    )
    print(f"{'texts':>7}{'all metrics: s':>16}{'texts/s':>9}{'relation: s':>14}{'texts/s':>9}")
    for n in (250, 500, 1000):
        many = corpus(n)
        every = best_of(1, lambda many=many: aw.search_heads(runner, many))
        pairs = best_of(
            1,
            lambda many=many: aw.search_heads(
                runner, many, relation=r"(?P<key>\w+) (?P<query>number)"
            ),
        )
        print(f"{n:>7}{every:>16.2f}{n / every:>9.1f}{pairs:>14.2f}{n / pairs:>9.1f}")
    print()


class Made:
    """Makes MiniLM in a worker's own process, and writes a file when it is ready."""

    def __init__(self, folder: str) -> None:
        self._folder = folder

    def __call__(self) -> aw.ModelRunner:
        """Return the runner."""
        torch.set_num_threads(1)
        runner = aw.ModelRunner(MINILM)
        (Path(self._folder) / str(os.getpid())).touch()
        return runner


def on_ray(n: int = 3000) -> None:
    """Print texts per second on one and two workers once all are ready, and the total time."""
    many, rate = corpus(n), {}
    load = f"load before: {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors"
    print(f"Ray, {n} texts, all metrics; {load}")
    print(f"{'workers':<9}{'texts/s':>9}{'measured on':>13}{'with start: s':>15}")
    for workers in (1, 2):
        with tempfile.TemporaryDirectory() as folder:
            seen = []

            def note(progress, folder=folder, workers=workers, seen=seen):
                if len(list(Path(folder).iterdir())) == workers:
                    seen.append((time.time(), progress.done))

            begin = time.time()
            aw.search_heads(Made(folder), many, engine="ray", workers=workers, progress=note)
            # Texts that ran while a worker still loaded its model do not count.
            (start, first), (end, last) = seen[0], seen[-1]
        rate[workers] = (last - first) / (end - start)
        print(f"{workers:<9}{rate[workers]:>9.1f}{last - first:>13}{end - begin:>15.1f}")
    print(
        f"ratio {rate[2] / rate[1]:.2f}; promised: at least {RAY_AT_LEAST} when nothing else runs\n"
    )


def main() -> None:
    """Print the requested tables."""
    torch.set_num_threads(1)
    parts = {"metrics": metrics, "texts": texts, "ray": on_ray}
    for name in sys.argv[1:] or parts:
        parts[name]()


if __name__ == "__main__":
    main()
