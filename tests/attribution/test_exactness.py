"""The flow kernel against networkx for every kind of attention; minimum cuts for large graphs."""

from __future__ import annotations

import os

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.sparse import coo_array
from scipy.sparse.csgraph import maximum_flow

from attn_widget.attribution.bounds import cut_bounds
from attn_widget.attribution.kernel import dinic
from attn_widget.attribution.kernel.max_flow import Network, bits, workspace
from tests import oracles
from tests.attribution.families import FAMILIES, mixed


def all_rows(matrices):
    """Return all rows, computed in random order, so that state left in the workspace is found."""
    network = Network(matrices)
    rows = {i: network.row(i) for i in np.random.default_rng(0).permutation(network.n).tolist()}
    return np.stack([rows[i] for i in range(network.n)])


def compare(rng, family, layers, n, residual, pairs):
    """Compare random pairs of one random graph with networkx; return how many."""
    matrices = mixed(FAMILIES[family](rng, layers, n), residual)
    values, graph = all_rows(matrices), oracles.layered_graph(matrices)
    for query, key in rng.integers(0, n, (pairs, 2)):
        expected = oracles.flow_pair(graph, layers, int(query), int(key))
        assert values[query, key] == pytest.approx(expected, abs=1e-9), (
            family,
            layers,
            n,
            residual,
            query,
            key,
        )
    return pairs


@pytest.mark.parametrize("family", FAMILIES)
def test_flow_is_networkx_flow_on_a_few_thousand_pairs(family):
    rng = np.random.default_rng(sum(map(ord, family)))
    compared = 0
    for layers, n, residual in [
        (3, 4, 0.5),
        (3, 9, 0.0),
        (4, 7, 0.5),
        (5, 6, 0.2),
        (6, 10, 0.5),
        (9, 5, 0.5),
        (12, 4, 0.1),
    ]:
        compared += compare(rng, family, layers, n, residual, 25)
    assert compared == 175


@pytest.mark.parametrize("family", ["causal", "uniform_causal", "first_token"])
def test_a_row_does_not_depend_on_the_rows_computed_before_it(family):
    matrices = mixed(FAMILIES[family](np.random.default_rng(3), 6, 24))
    downwards, upwards = Network(matrices), Network(matrices)
    last_first = [downwards.row(i) for i in reversed(range(24))][::-1]
    np.testing.assert_array_equal(last_first, [upwards.row(i) for i in range(24)])


@pytest.mark.slow
@pytest.mark.parametrize("family", FAMILIES)
def test_flow_is_networkx_flow_on_more_than_fifty_thousand_pairs(family):
    rng = np.random.default_rng(1 + sum(map(ord, family)))
    compared = 0
    for layers, n, pairs in [
        (3, 5, 25),
        (3, 12, 60),
        (4, 8, 60),
        (5, 10, 60),
        (6, 7, 49),
        (7, 5, 25),
        (9, 6, 36),
        (12, 8, 40),
    ]:
        for residual in (0.0, 0.1, 0.5, 0.5, 0.9):
            for _ in range(2):
                compared += compare(rng, family, layers, n, residual, pairs)
    assert compared * len(FAMILIES) > 50_000


def cut_of(matrices, query, key):
    """Return the flow of a pair and the capacity of a cut: equal only if both are correct.

    scipy finds the cut from integer capacities; the exact capacities of its edges are summed.
    """
    flow = float(Network(matrices).row(query)[key])
    layers, n, _ = matrices.shape
    scale = 2**30
    rows, columns, data = [], [], []
    for level, i, j in zip(*np.nonzero(matrices), strict=True):
        rows.append((level + 1) * n + i)
        columns.append(level * n + j)
        data.append(round(matrices[level, i, j] * scale))
    size = (layers + 1) * n
    graph = coo_array((np.array(data, np.int32), (rows, columns)), (size, size)).tocsr()
    left = (graph - maximum_flow(graph, layers * n + query, key).flow).tocsr()
    reached, frontier = {layers * n + query}, [layers * n + query]
    while frontier:
        node = frontier.pop()
        for at in range(left.indptr[node], left.indptr[node + 1]):
            if left.data[at] > 0 and left.indices[at] not in reached:
                reached.add(int(left.indices[at]))
                frontier.append(int(left.indices[at]))
    inside = np.zeros(size, bool)
    inside[list(reached)] = True
    inside = inside.reshape(layers + 1, n)
    cut = sum(
        matrices[level][np.ix_(inside[level + 1], ~inside[level])].sum() for level in range(layers)
    )
    return flow, cut


@pytest.mark.parametrize(
    ("family", "layers", "n"), [("dirichlet", 6, 63), ("peaked", 4, 65), ("first_token", 12, 40)]
)
def test_flow_equals_the_capacity_of_a_cut_on_larger_graphs(family, layers, n):
    rng = np.random.default_rng(7)
    matrices = mixed(FAMILIES[family](rng, layers, n))
    for query, key in [(n - 1, 0), (n // 2, n // 3), (n - 1, n - 2)]:
        flow, cut = cut_of(matrices, query, key)
        assert flow == pytest.approx(cut, abs=1e-9)


@pytest.mark.parametrize("n", [63, 64, 65, 128, 129])
@pytest.mark.parametrize("family", ["dirichlet", "uniform_causal", "sparse"])
def test_flow_lies_between_rollout_and_its_cuts_at_sizes_near_multiples_of_64(family, n):
    matrices = mixed(FAMILIES[family](np.random.default_rng(n), 4, n))
    network = Network(matrices)
    rollout = np.linalg.multi_dot(matrices[::-1])
    upper = cut_bounds(matrices)[0]
    for query in (0, 1, n // 2, 62, n - 1):
        row = network.row(query)
        assert (row >= rollout[query] - 1e-12).all()
        assert (row <= upper[query] + 1e-12).all()


@pytest.mark.parametrize("n", [63, 64, 65])
def test_flow_is_networkx_flow_at_sizes_near_multiples_of_64(n):
    rng = np.random.default_rng(n)
    for family in ("sparse", "one_hot", "banded"):
        compare(rng, family, 3, n, 0.5, 4)


def test_uniform_causal_attention_of_65_tokens_ends():
    matrices = mixed(FAMILIES["uniform_causal"](None, 12, 65))
    values = all_rows(matrices)
    upper = cut_bounds(matrices)[0]
    assert (values <= upper + 1e-12).all()
    assert (values >= np.linalg.multi_dot(matrices[::-1]) - 1e-12).all()


def test_uniform_attention_has_a_flow_known_by_hand():
    # Every cut between u and v ≠ u is at least one token's column: 0.5 + 0.5/n from itself and
    # 0.5/n from each other.
    n = 8
    values = all_rows(mixed(np.full((9, n, n), 1 / n)))
    assert values == pytest.approx(np.ones((n, n)))


def test_a_pair_does_not_change_the_result_of_the_next():
    matrices = mixed(FAMILIES["peaked"](np.random.default_rng(11), 5, 20))
    network = Network(matrices)
    first = [network.row(i) for i in range(20)]
    work = network._of_thread.work
    assert np.array_equal(work.rest, network.fixed.middle)
    assert np.array_equal(work.out_open, network.fixed.out_open)
    assert np.array_equal(work.in_open, network.fixed.in_open)
    assert not work.out_flow.any()
    assert not work.in_flow.any()
    for i in reversed(range(20)):
        assert np.array_equal(network.row(i), first[i])


def test_all_edges_are_reset_if_the_list_of_touched_edges_overflows():
    matrices = mixed(FAMILIES["peaked"](np.random.default_rng(12), 4, 12))
    network = Network(matrices)
    expected = [network.row(i) for i in range(12)]
    short = workspace(network.fixed)._replace(touched=np.zeros(3, np.int64))
    for i in range(12):
        out = np.zeros(12)
        assert dinic.solve_row(network.fixed, short, i, out) == 0
        assert out == pytest.approx(expected[i], abs=1e-12)
    assert np.array_equal(short.rest, network.fixed.middle)


def test_bit_sets_hold_the_booleans_they_were_made_of():
    mask = np.random.default_rng(0).random((3, 70)) < 0.5
    words = bits(mask)
    assert words.shape == (3, 2)
    for row, i in np.ndindex(3, 70):
        assert bool(int(words[row, i // 64]) >> (i % 64) & 1) == mask[row, i]


quarter = st.integers(0, 4).map(lambda i: i / 4)


@settings(max_examples=int(os.environ.get("FLOW_EXAMPLES", "60")), deadline=None)
@given(data=st.data(), layers=st.integers(3, 5), n=st.integers(2, 5))
def test_flow_is_networkx_flow_on_anything_with_ties_and_zeros(data, layers, n):
    matrices = data.draw(arrays(float, (layers, n, n), elements=quarter))
    assert all_rows(matrices) == pytest.approx(oracles.flow_by_networkx(matrices), abs=1e-9)
