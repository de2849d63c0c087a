"""Attention rollout beside the bare matrix products it is made of, and its error, in one run.

    python tests/benchmarks/bench_rollout.py          # add `long 8192` for one row of so many
    tokens

From head-reduced matrices, 512 tokens × 12 layers, NumPy and torch; each side is the least of
several runs that take turns.
"""

from __future__ import annotations

import os
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np
import torch

from attn_widget.attribution.rollout import rollout

LAYERS, TOKENS, TURNS = 12, 512, 15
LIMIT, ERROR = 1.2, 1e-6


def products(matrices: list) -> object:
    """Return the product of the matrices, from the lowest layer up, without any other work."""
    state = matrices[0]
    for matrix in matrices[1:]:
        state = matrix @ state
    return state


def least(first: Callable[[], object], second: Callable[[], object]) -> tuple[float, float]:
    """Return the shortest time of each of two functions that run in turn, in seconds."""
    best = [float("inf"), float("inf")]
    for _ in range(TURNS):
        for i, function in enumerate((first, second)):
            start = time.perf_counter()
            function()
            best[i] = min(best[i], time.perf_counter() - start)
    return best[0], best[1]


def long_text(tokens: int) -> None:
    """Print time and memory of one row of rollout on a real decoder whose weights are not kept."""
    from attn_widget import attribute
    from attn_widget.recording.model_runner import ModelRunner
    from tests.models import smollm2

    model, tokenizer = smollm2()
    ids = tokenizer("The keys to the cabinet in the hall are on the table. " * tokens)["input_ids"][
        :tokens
    ]
    peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20  # noqa: E731  (KiB on Linux) -> GiB
    print(
        f"one row, {tokens:,} tokens × {model.config.num_hidden_layers} layers, SmolLM2: seconds, "
        "peak of the process"
    )
    print(f"{'model loaded':14} {'':8} {peak():6.2f} GiB", flush=True)
    start = time.perf_counter()
    capture = ModelRunner(model, tokenizer, weights=False).run(ids)
    print(f"{'capture':14} {time.perf_counter() - start:8.1f} {peak():6.2f} GiB", flush=True)
    start = time.perf_counter()
    row = np.asarray(attribute(capture, "rollout", query=-1))
    seconds = time.perf_counter() - start
    print(f"{'one row':14} {seconds:8.1f} {peak():6.2f} GiB   sums to {row.sum():.6f}", flush=True)


def main() -> None:
    """Print the table."""
    if sys.argv[1:2] == ["long"]:
        long_text(int(sys.argv[2]))
        return
    torch.set_num_threads(1)
    rng = np.random.default_rng(0)
    attention = rng.dirichlet(np.full(TOKENS, 0.1), size=(LAYERS, TOKENS))
    exact = products(list(0.5 * attention + 0.5 * np.eye(TOKENS)))
    print(
        f"rollout, {TOKENS} tokens × {LAYERS} layers: milliseconds, times the bare products "
        f"(limit {LIMIT}), error"
    )
    kinds = {
        "NumPy float32": attention.astype(np.float32),
        "NumPy float64": attention,
        "torch float32": torch.tensor(attention, dtype=torch.float32),
        "torch float64": torch.tensor(attention),
    }
    for name, given in kinds.items():
        matrices = list(given)
        bare, whole = least(lambda m=matrices: products(m), lambda g=given: rollout(g))
        error = float(np.abs(np.asarray(rollout(given)) - exact).max())
        row = least(lambda m=matrices: m[-1][0], lambda g=given: rollout(g, query=0))[1]
        print(
            f"{name:14} {whole * 1e3:8.1f} {whole / bare:6.2f}× {error:10.1e}   "
            f"one row {row * 1e3:.2f} ms",
            flush=True,
        )


if __name__ == "__main__":
    main()
