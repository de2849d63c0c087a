"""Memory and time of a light capture: SmolLM2-135M at 512, 2,048 and 8,192 tokens.

    python tests/benchmarks/bench_capture.py [tokens …]

Prints a table; every limit is the one the project promises. Held memory is what a capture keeps
alive (its queries, keys, values and masks, storage counted once); peak is what the process grew by.
The plain forward is the model as it is, timed in turn with the capture in one process, and the
smaller of the runs of each is compared.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import torch

from attn_widget.recording.capture import capture
from tests.models import smollm2

MEBIBYTE = 2**20
# tokens: held MiB, forward as a multiple of the plain one, milliseconds for one row of all heads
LIMITS = {512: (60, 1.15, 15), 2048: (250, 1.15, 50), 8192: (1000, 1.15, 150)}
ONE_HEAD_S = 0.5


def resident_bytes() -> int:
    """Return the memory of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def held_bytes(capture) -> int:
    """Return the bytes that a capture holds, storage that is shared counted once."""
    names = ("weights", "q", "k", "v", "mask", "bias", "gradient")
    tensors = [getattr(layer, name) for layer in capture.layers for name in names]
    storages = {
        t.untyped_storage().data_ptr(): t.untyped_storage().nbytes()
        for t in (capture.logits, *tensors)
        if isinstance(t, torch.Tensor)
    }
    return sum(storages.values())


class Peak:
    """Watches the memory of this process, from another thread."""

    def __enter__(self) -> Peak:
        """Begin."""
        self.base = self.most = resident_bytes()
        self.running = True
        self.thread = threading.Thread(target=self._watch)
        self.thread.start()
        return self

    def _watch(self) -> None:
        while self.running:
            self.most = max(self.most, resident_bytes())
            time.sleep(0.01)

    def __exit__(self, *exception: object) -> None:
        """End."""
        self.running = False
        self.thread.join()

    @property
    def grown_mib(self) -> float:
        """Return by how much the process grew."""
        return (self.most - self.base) / MEBIBYTE


def timed(action):
    """Return an action's result and the seconds of processor time it took."""
    start = time.process_time()
    result = action()
    return result, time.process_time() - start


def best(action, times: int):
    """Return the shortest of several runs, in seconds."""
    return min(timed(action)[1] for _ in range(times))


def measure(model, ids: torch.Tensor) -> dict[str, float]:
    """Return the figures of one length."""
    n = ids.shape[1]

    @torch.no_grad()
    def plain():
        model(ids)

    turns = 1 if n > 4096 else 3
    plain_s, ours_s = [], []
    plain()
    for _ in range(turns):
        plain_s.append(timed(plain)[1])
        with Peak() as peak:
            seen, seconds = timed(lambda: capture(model, {"input_ids": ids}, weights=False))
        ours_s.append(seconds)
    layers = seen.layers
    row = [n - 1]
    row_s = best(lambda: [layer.weights_for(None, row) for layer in layers], 5)
    head_s = best(lambda: layers[15].weights_for([4]), 3)
    row_sum = max((layer.weights_for(None, row).sum(-1) - 1).abs().max().item() for layer in layers)
    assert row_sum < 1e-4, row_sum
    return {
        "held": held_bytes(seen) / MEBIBYTE, "peak": peak.grown_mib, "plain": min(plain_s),
        "ours": min(ours_s),
        "row": row_s * 1e3, "head": head_s,
    }  # fmt: skip


def main() -> None:
    """Print the table."""
    torch.set_num_threads(1)
    model, tokenizer = smollm2()
    text = Path(__file__).read_text() * 10
    every = tokenizer(text, return_tensors="pt", verbose=False)["input_ids"]
    print("SmolLM2-135M, fp32, light mode, one thread; limits in brackets\n")
    print(
        "| tokens | held MiB | peak MiB | plain forward s | capture s | ratio "
        "| row of 270 heads ms | one head s |"
    )
    print("|---|---|---|---|---|---|---|---|")
    for n in [int(a) for a in sys.argv[1:]] or LIMITS:
        held, ratio, row = LIMITS[n]
        m = measure(model, every[:, :n])
        one_head = f"{m['head']:.3f} (≤ {ONE_HEAD_S})" if n == max(LIMITS) else f"{m['head']:.3f}"
        print(
            f"| {n} | {m['held']:.0f} (≤ {held}) | {m['peak']:.0f} | {m['plain']:.2f} "
            f"| {m['ours']:.2f} "
            f"| {m['ours'] / m['plain']:.2f} (≤ {ratio}) | {m['row']:.1f} (≤ {row}) | {one_head} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
