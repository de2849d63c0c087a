"""The exported graph: its labels, its capacities, and that networkx finds our flow in it."""

from __future__ import annotations

import networkx as nx
import numpy as np
import pytest

import attn_widget as aw
from tests import oracles
from tests.attribution.conftest import DECODER, ENCODER


def largest(graph, top, query, key):
    """Return the maximum flow that networkx finds between two nodes of the exported graph."""
    find = nx.algorithms.flow.shortest_augmenting_path
    return nx.maximum_flow_value(graph, (top, query), (0, key), flow_func=find)


def leaving(graph, node):
    """Return the sum of the capacities that leave a node."""
    return sum(edge["capacity"] for edge in graph[node].values())


def test_every_node_says_its_level_its_position_and_its_token(capture):
    graph = aw.to_networkx(capture)
    assert sorted(graph) == [(level, i) for level in range(4) for i in range(5)]
    assert graph.nodes[2, 1] == {"level": 2, "position": 1, "token": "key", "stream": ""}
    assert [graph.nodes[0, i]["token"] for i in range(5)] == list(capture.tokens.text)


def test_edges_go_down_one_level_and_carry_the_joint_matrix(capture):
    graph, joint = aw.to_networkx(capture), oracles.joint(capture.attention)
    for (level, i), (below, j), capacity in graph.edges(data="capacity"):
        assert below == level - 1
        assert capacity == pytest.approx(joint[level - 1, i, j], abs=1e-15)
    assert graph.number_of_edges() == joint.size
    assert {round(leaving(graph, node), 12) for node in graph if node[0]} == {1.0}


def test_options_choose_layers_heads_and_the_residual_share(capture):
    graph = aw.to_networkx(capture, layer=2, start_layer=1, residual=0.2, head=1)
    assert max(level for level, _ in graph) == 2
    top = 0.8 * capture.attention[2, 1] + 0.2 * np.eye(5)
    below = 0.8 * capture.attention[1].mean(0) + 0.2 * np.eye(5)
    assert graph[2, 4][1, 3]["capacity"] == pytest.approx(top[4, 3])
    assert graph[1, 4][0, 3]["capacity"] == pytest.approx(below[4, 3])


def test_small_and_absent_capacities_are_no_edges(causal_attention):
    graph = aw.to_networkx(causal_attention)
    assert not any(j > i for (_, i), (_, j) in graph.edges)
    fewer = aw.to_networkx(causal_attention, min_capacity=0.1)
    assert 0 < fewer.number_of_edges() < graph.number_of_edges()
    assert min(c for *_, c in fewer.edges(data="capacity")) > 0.1


def test_the_old_name_of_the_smallest_capacity_is_taken_with_a_warning(causal_attention):
    with pytest.warns(DeprecationWarning, match="min_capacity"):
        old = aw.to_networkx(causal_attention, below=0.1)
    assert set(old.edges) == set(aw.to_networkx(causal_attention, min_capacity=0.1).edges)


def test_networkx_finds_our_flow_in_the_exported_graph(capture):
    graph, flow = aw.to_networkx(capture), np.asarray(aw.attribute(capture, "flow"))
    for query, key in [(0, 4), (3, 1), (2, 2)]:
        assert largest(graph, 3, query, key) == pytest.approx(flow[query, key], abs=1e-12)


def test_a_translators_graph_holds_both_sentences_encoder_first(translator):
    graph = aw.to_networkx(translator, attention="cross")
    labels = [
        (graph.nodes[0, i]["stream"], graph.nodes[0, i]["token"]) for i in range(ENCODER + DECODER)
    ]
    assert labels == [("encoder", t) for t in "wxyz"] + [("decoder", t) for t in "abc"]
    assert {round(leaving(graph, node), 12) for node in graph if node[0]} == {1.0}
    # Encoder layers leave the decoder's tokens as they are, and decoder layers the encoder's.
    assert dict(graph[1, ENCODER]) == {(0, ENCODER): {"capacity": 1.0}}
    assert dict(graph[6, 2]) == {(5, 2): {"capacity": 1.0}}
    flow = np.asarray(aw.attribute(translator, "flow", attention="cross"))
    for query, key in [(0, 3), (2, 1)]:
        assert largest(graph, 6, ENCODER + query, key) == pytest.approx(flow[query, key], abs=1e-12)


def test_an_encoders_graph_holds_its_own_sentence_alone(translator):
    graph = aw.to_networkx(translator, attention="encoder")
    assert sorted(graph) == [(level, i) for level in range(3) for i in range(ENCODER)]
    assert {graph.nodes[node]["stream"] for node in graph} == {"encoder"}


def test_rectangular_arrays_have_keys_first_and_positions_for_names(cross_capture):
    graph = aw.to_networkx(cross_capture.attention, layer=0)
    assert [graph.nodes[0, i]["token"] for i in range(12)] == [
        *map(str, range(7)),
        *map(str, range(5)),
    ]
    assert graph[1, 7][0, 6]["capacity"] == pytest.approx(
        0.5 * cross_capture.attention[0, :, 0, 6].mean()
    )
    assert graph[1, 7][0, 7]["capacity"] == 0.5


def test_what_cannot_be_chosen_is_refused(capture, attention):
    with pytest.raises(aw.InputError, match="layer must be 0 to 2, got 3"):
        aw.to_networkx(capture, layer=3)
    with pytest.raises(aw.InputError, match="attention must be 0 or more, got -1"):
        aw.to_networkx(-np.ones_like(attention))
