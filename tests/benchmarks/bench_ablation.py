"""Ablate every head of SmolLM2-135M at 64 tokens: batched, against one forward pass per head.

    python tests/benchmarks/bench_ablation.py [tokens]

Prints a table. The reference is the plain way: one whole forward pass per head, with a hook that
zeroes the head's slice before the output projection; one head of each third layer is timed and the
mean taken for all. Both run on one thread of one process; seconds are processor time, so that a
busy machine does not decide.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import torch

import attn_widget as aw
from tests.models import smollm2

AT_LEAST = 3.0
TEXT = (
    "The keys to the cabinet are on the table, and the cabinet stands beside the old window of "
    "the house. "
)


def plain(model, ids: torch.Tensor, layer: int, head: int) -> torch.Tensor:
    """Return the logits of one whole forward with one head zeroed."""
    size = model.config.hidden_size // model.config.num_attention_heads

    def zero(module, args):
        x = args[0].clone()
        x[..., head * size : (head + 1) * size] = 0
        return (x,)

    handle = model.model.layers[layer].self_attn.o_proj.register_forward_pre_hook(zero)
    try:
        with torch.no_grad():
            return model(input_ids=ids).logits[0]
    finally:
        handle.remove()


def main() -> None:
    """Print the table."""
    n = int(sys.argv[1]) if len(sys.argv) > 1 else 64
    torch.set_num_threads(1)
    model, tokenizer = smollm2()
    ids = tokenizer(TEXT * (1 + n // 10))["input_ids"][:n]
    runner = aw.ModelRunner(model, tokenizer)
    layers, heads = model.config.num_hidden_layers, model.config.num_attention_heads
    tensor = torch.tensor([ids])
    sample = [(layer, layer % heads) for layer in range(0, layers, 3)]
    plain(model, tensor, 0, 0)
    start = time.process_time()
    slow = {place: plain(model, tensor, *place) for place in sample}
    one = (time.process_time() - start) / len(sample)
    own = torch.tensor(ids[1:])
    print(
        f"{layers * heads} heads, {n} tokens; one forward {one * 1000:.0f} ms, "
        f"all heads {one * layers * heads:.1f} s"
    )
    start = time.process_time()
    runner.run(ids)  # as in normal use: the attention is shown before its heads are ablated
    print(f"the capture before it took {time.process_time() - start:.2f} s")
    print(f"{'measure':<14}{'seconds':>10}{'ratio':>8}{'largest difference':>22}")
    for measure in ("probability", "loss"):
        start = time.process_time()
        fast = aw.ablation_scan(runner, ids, measure=measure)
        seconds = time.process_time() - start
        with torch.no_grad():
            base = model(input_ids=tensor).logits[0]
        likeliest = int(base[-1].argmax())

        def of(logits, measure=measure, likeliest=likeliest):
            if measure == "loss":
                return float(torch.nn.functional.cross_entropy(logits[:-1], own))
            return float(logits[-1].softmax(-1)[likeliest])

        worst = max(
            abs(fast.values[place] - (of(logits) - of(base))) for place, logits in slow.items()
        )
        ratio = one * layers * heads / seconds
        print(f"{measure:<14}{seconds:>10.1f}{ratio:>8.2f}{worst:>22.1e}")
        if measure == "probability" and ratio < AT_LEAST:
            print(f"  below the promised {AT_LEAST}")


if __name__ == "__main__":
    main()
