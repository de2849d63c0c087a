"""Attention flow compared with other maximum-flow libraries: same attention, same pairs, one run.

    python tests/benchmarks/bench_flow.py [--quick]

Time a pair is processor time of one thread, with the graph built beforehand on both sides; wall
time is said to be so. Ratios are what counts: the machine is the same for all. Libraries that are
not installed are left out.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import networkx as nx
import numpy as np

from attn_widget.attribution.kernel.max_flow import Network
from tests.oracles import layered_graph

ROOT = Path(__file__).resolve().parents[2]
TEXT = (
    "The keys to the cabinet are on the table, but nobody in the old house remembers who left them "
    "there last summer. "
    "When the rain stopped, a small boat with two lanterns crossed the lake and the children ran "
    "down to see it. "
)
SECONDS = 4.0  # for each library at each size
QUICK = "--quick" in sys.argv


def joint_minilm(n: int) -> np.ndarray:
    """Return MiniLM's joint matrices for a text of ``n`` tokens."""
    from attn_widget.recording.capture import capture
    from tests.models import minilm

    model, tokenizer = minilm()
    inputs = tokenizer(TEXT * 8, truncation=True, max_length=n, return_tensors="pt")
    return mixed(capture(model, inputs).attention)


def joint_smollm2(n: int) -> np.ndarray:
    """Return SmolLM2's joint matrices for a text of ``n`` tokens."""
    from attn_widget.recording.capture import capture
    from tests.models import smollm2

    model, tokenizer = smollm2()
    inputs = tokenizer(TEXT * 14, truncation=True, max_length=n, return_tensors="pt")
    return mixed(capture(model, inputs).attention)


def mixed(attention: np.ndarray) -> np.ndarray:
    """Return half the heads' mean and half the token itself."""
    return 0.5 * np.eye(attention.shape[-1]) + 0.5 * attention.mean(1, dtype=np.float64)


Solver = Callable[[int, int], float]


def ours(matrices: np.ndarray) -> float:
    """Return microseconds of one thread a pair, over all rows (or as many as the time allows)."""
    network = Network(matrices)
    network.row(network.n - 1)
    rows, start, used = (
        np.linspace(0, network.n - 1, min(network.n, 64)).astype(int),
        time.process_time(),
        0,
    )
    for row in rows:
        network.row(int(row))
        used += network.n
        if time.process_time() - start > 2 * SECONDS and used > 4 * network.n:
            break
    return (time.process_time() - start) / used * 1e6


def networkx_called(algorithm: Callable[..., nx.DiGraph]) -> Callable[[np.ndarray], Solver]:
    """Return networkx's solver on a prebuilt graph; it builds its residual network itself."""

    def prepare(matrices: np.ndarray) -> Solver:
        graph, top = layered_graph(matrices), len(matrices)
        return lambda query, key: nx.maximum_flow_value(
            graph, (top, query), (0, key), flow_func=algorithm
        )

    return prepare


def networkx_solver(algorithm: Callable[..., nx.DiGraph]) -> Callable[[np.ndarray], Solver]:
    """Return networkx's solver on a prebuilt graph and residual network."""

    def prepare(matrices: np.ndarray) -> Solver:
        graph, top = layered_graph(matrices), len(matrices)
        residual = nx.algorithms.flow.utils.build_residual_network(graph, "capacity")

        def solve(query: int, key: int) -> float:
            return algorithm(
                graph, (top, query), (0, key), residual=residual, value_only=True
            ).graph["flow_value"]

        return solve

    return prepare


def edges(
    matrices: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, Callable[[int, int], int]]:
    """Return tails, heads and capacities of the edges, and a function that numbers the nodes."""
    n = matrices.shape[-1]
    level, i, j = np.nonzero(matrices)
    return (
        (level + 1) * n + i,
        level * n + j,
        matrices[level, i, j],
        lambda at, token: at * n + token,
    )


def scipy_solver(matrices: np.ndarray) -> Solver:
    """Return SciPy's solver on 32-bit integers: capacities times 2³⁰, error about 1e-8."""
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import maximum_flow

    tails, heads, data, node = edges(matrices)
    size = (len(matrices) + 1) * matrices.shape[-1]
    graph = csr_array(((data * 2**30).round().astype(np.int32), (tails, heads)), (size, size))
    return lambda query, key: (
        maximum_flow(graph, node(len(matrices), query), node(0, key)).flow_value / 2**30
    )


def ortools_solver(matrices: np.ndarray) -> Solver:
    """Return OR-Tools' solver on 64-bit integers: capacities times 2⁵⁰."""
    from ortools.graph.python import max_flow

    tails, heads, data, node = edges(matrices)
    solver = max_flow.SimpleMaxFlow()
    solver.add_arcs_with_capacity(tails, heads, (data * 2**50).round().astype(np.int64))

    def solve(query: int, key: int) -> float:
        solver.solve(node(len(matrices), query), node(0, key))
        return solver.optimal_flow() / 2**50

    return solve


def igraph_solver(matrices: np.ndarray) -> Solver:
    """Return igraph's push-relabel."""
    import igraph

    tails, heads, data, node = edges(matrices)
    graph = igraph.Graph(
        n=(len(matrices) + 1) * matrices.shape[-1],
        edges=list(zip(tails, heads, strict=True)),
        directed=True,
    )
    capacity = data.tolist()
    return lambda query, key: graph.maxflow_value(
        node(len(matrices), query), node(0, key), capacity
    )


SOLVERS: dict[
    str, tuple[Callable[[np.ndarray], Solver], int]
] = {  # how, and the largest size it is asked
    "networkx edmonds_karp (the paper's)": (networkx_solver(nx.algorithms.flow.edmonds_karp), 64),
    "networkx shortest_augmenting_path, called": (
        networkx_called(nx.algorithms.flow.shortest_augmenting_path),
        64,
    ),
    "networkx preflow_push": (networkx_solver(nx.algorithms.flow.preflow_push), 64),
    "networkx shortest_augmenting_path": (
        networkx_solver(nx.algorithms.flow.shortest_augmenting_path),
        128,
    ),
    "networkx boykov_kolmogorov": (networkx_solver(nx.algorithms.flow.boykov_kolmogorov), 64),
    "scipy (whole numbers)": (scipy_solver, 256),
    "OR-Tools (whole numbers)": (ortools_solver, 256),
    "igraph": (igraph_solver, 128),
}


def theirs(
    prepare: Callable[[np.ndarray], Solver], matrices: np.ndarray, exact: np.ndarray
) -> float | None:
    """Return microseconds per pair over random, checked pairs; None if not installed."""
    try:
        solve = prepare(matrices)
    except ImportError:
        return None
    rng, spent, count = np.random.default_rng(0), 0.0, 0
    while spent < SECONDS and count < 400:
        query, key = (int(i) for i in rng.integers(0, len(exact), 2))
        start = time.process_time()
        value = solve(query, key)
        spent += time.process_time() - start
        count += 1
        if abs(value - exact[query, key]) > 1e-6:
            raise SystemExit(f"{value} is not {exact[query, key]}")
    return spent / count * 1e6


def wall_all_pairs(matrices: np.ndarray, threads: int) -> float:
    """Return seconds of wall time for all pairs, graph built and kernel loaded before."""
    network = Network(matrices)
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(network.row, [0] * threads))
        start = time.perf_counter()
        list(pool.map(network.row, range(network.n)))
        return time.perf_counter() - start


def compile_seconds() -> tuple[float, float]:
    """Return seconds of the first flow of a process, without and then with a compiled kernel."""
    code = (
        "import time, numpy as np, attn_widget as aw; a = np.full((3, 1, 4, 4), 0.25); "
        "s = time.perf_counter(); aw.flow(a); print(time.perf_counter() - s)"
    )
    with tempfile.TemporaryDirectory() as folder:
        environment = os.environ | {"NUMBA_CACHE_DIR": folder}
        runs = [
            subprocess.run(
                [sys.executable, "-c", code],
                cwd=ROOT,
                env=environment,
                check=True,
                capture_output=True,
                text=True,
            )
            for _ in range(2)
        ]
    return float(runs[0].stdout), float(runs[1].stdout)


def main() -> None:
    """Print the tables."""
    first, again = compile_seconds()
    print(f"first flow, compiling: {first:.1f} s (limit 10 s); in a later session {again:.2f} s\n")
    sizes = (8, 16, 32, 64) if QUICK else (8, 16, 32, 64, 128, 256, 512)
    print("MiniLM, 6 layers, microseconds a pair of one thread, and how many times ours")
    print(f"{'':42}" + "".join(f"{n:>18}" for n in sizes))
    minilm = {n: joint_minilm(n) for n in sizes}
    own = {n: ours(minilm[n]) for n in sizes}
    print(f"{'attn_widget':42}" + "".join(f"{own[n]:>18.1f}" for n in sizes))
    exact = {
        n: np.stack([row(i) for i in range(n)])
        for n in sizes
        if n <= 256
        for row in [Network(minilm[n]).row]
    }
    at_64 = {}
    for name, (prepare, largest) in SOLVERS.items():
        cells = []
        for n in sizes:
            spent = theirs(prepare, minilm[n], exact[n]) if n <= largest else None
            cells.append(
                f"{'–':>18}" if spent is None else f"{spent:>10,.0f} {spent / own[n]:>6,.0f}×"
            )
            if n == 64 and spent is not None:
                at_64[name] = spent
        print(f"{name:42}" + "".join(cells), flush=True)
    # networkx is measured as its manual says to call it, and once more with its own working copy
    # handed over.
    called = at_64.pop("networkx shortest_augmenting_path, called")
    prepared = min(spent for name, spent in at_64.items() if name.startswith("networkx"))
    library = min(
        spent for name, spent in at_64.items() if not name.startswith(("networkx", "igraph"))
    )
    wall = {threads: wall_all_pairs(minilm[64], threads) / 64**2 * 1e6 for threads in (1, 2)}
    print(f"\n64 tokens, one thread: {called / own[64]:,.0f}× the best of networkx (limit 4,000×), "
          f"{library / own[64]:,.0f}× the best of scipy and OR-Tools (limit 20×)")  # fmt: skip
    print(f"64 tokens, wall time on 2 threads {wall[2]:.1f} µs a pair: "
          f"{called / wall[2]:,.0f}× (limit 8,000×), "
          f"{library / wall[2]:,.0f}× (limit 40×); on 1 thread {wall[1]:.1f} µs")  # fmt: skip
    print("networkx with its residual network built beforehand: "
          f"{prepared / own[64]:,.0f}×, on 2 threads {prepared / wall[2]:,.0f}×\n")  # fmt: skip
    if QUICK:
        return
    smollm2 = joint_smollm2(512)
    start = time.perf_counter()
    network = Network(smollm2)
    network.row(511)
    print(
        "SmolLM2, 30 layers, 512 tokens, one row with its graph: "
        f"{time.perf_counter() - start:.2f} s (limit 1 s)"
    )
    part = np.ascontiguousarray(smollm2[:, :256, :256])
    print(
        "SmolLM2, 30 layers, 256 tokens, all pairs on 2 threads: "
        f"{wall_all_pairs(part, 2):.1f} s (limit 15 s)"
    )


if __name__ == "__main__":
    main()
