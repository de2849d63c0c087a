"""Flow on small graphs, against networkx and closed forms. Larger graphs: test_exactness.py."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import attn_widget as aw
from tests import oracles


def test_flow_is_the_maximum_flow_of_every_pair(attention):
    assert aw.flow(attention) == pytest.approx(
        oracles.flow_by_networkx(oracles.joint(attention)), abs=1e-12
    )


def test_flow_of_a_causal_model_is_the_maximum_flow_of_every_pair(causal_attention):
    values = aw.flow(causal_attention)
    assert values == pytest.approx(
        oracles.flow_by_networkx(oracles.joint(causal_attention)), abs=1e-12
    )
    assert not np.triu(values, 1).any()


def test_flow_of_one_layer_is_its_joint_matrix(attention):
    assert aw.flow(attention, layer=0) == pytest.approx(oracles.joint(attention)[0], abs=1e-15)


def test_flow_of_two_layers_is_the_sum_of_the_narrower_hop_over_all_middle_tokens(attention):
    lower, upper = oracles.joint(attention)[:2]
    expected = np.minimum(upper[:, :, None], lower[None]).sum(1)
    assert aw.flow(attention, layer=1) == pytest.approx(expected, abs=1e-14)


@pytest.mark.parametrize("residual", [0.0, 0.3, 1.0])
def test_the_residual_share_changes_the_capacities(attention, residual):
    expected = oracles.flow_by_networkx(oracles.joint(attention, residual))
    assert aw.flow(attention, residual=residual) == pytest.approx(expected, abs=1e-12)


def test_chosen_rows_are_rows_of_all_rows(attention):
    whole = aw.flow(attention)
    assert np.array_equal(aw.flow(attention, query=3), whole[3:4])
    assert np.array_equal(aw.flow(attention, query=[4, 0]), whole[[4, 0]])


def test_a_target_layer_and_a_start_layer_bound_the_layers_that_take_part(attention):
    four = np.concatenate([attention, attention[::-1][:1]])
    expected = oracles.flow_by_networkx(oracles.joint(four)[1:4])
    assert aw.flow(four, layer=3, start_layer=1) == pytest.approx(expected, abs=1e-12)


def test_one_head_at_the_top_has_means_below(attention):
    matrices = oracles.joint(attention)
    matrices[2] = oracles.joint(attention[:, 1:])[2]
    assert aw.flow(attention, head=1) == pytest.approx(
        oracles.flow_by_networkx(matrices), abs=1e-12
    )


def test_rows_of_normalised_flow_sum_to_one(attention):
    values = aw.flow(attention)
    divided = aw.flow(attention, normalise=True)
    assert divided.sum(-1) == pytest.approx(np.ones(5))
    assert divided == pytest.approx(values / values.sum(-1, keepdims=True))


def test_a_row_without_flow_stays_zero_when_divided_by_its_sum():
    attention = np.zeros((3, 1, 2, 2))
    attention[:, 0, 0, 0] = 1
    values = aw.flow(attention, residual=0.0, normalise=True)
    assert values == pytest.approx(np.array([[1.0, 0.0], [0.0, 0.0]]))


def test_every_layer_of_rectangular_attention_has_the_same_keys(cross_capture):
    weights = cross_capture.attention
    blocks = oracles.block_matrices([("cross", w.mean(0)) for w in weights], 7, 5, 0.5)
    assert aw.flow(weights) == pytest.approx(oracles.flow_by_networkx(blocks)[7:, :7], abs=1e-12)


def test_torch_in_gives_torch_out(attention):
    values = aw.flow(torch.tensor(attention))
    assert isinstance(values, torch.Tensor)
    assert values.numpy() == pytest.approx(aw.flow(attention), abs=1e-15)


def test_any_number_of_threads_gives_the_same_numbers(attention):
    one = aw.flow(attention, threads=1)
    assert np.array_equal(aw.flow(attention, threads=3), one)


def test_no_more_threads_are_started_than_fit_the_memory_budget(monkeypatch, causal_attention):
    from attn_widget.attribution import flow
    from attn_widget.attribution.kernel.max_flow import bytes_needed

    started = []

    class Pool(flow.ThreadPoolExecutor):
        def __init__(self, workers):
            started.append(workers)
            super().__init__(workers)

    monkeypatch.setattr(flow, "ThreadPoolExecutor", Pool)
    whole = aw.flow(causal_attention, threads=8)
    shared, each = bytes_needed(4, 5)
    for fitting in (1, 2, 3):
        monkeypatch.setattr(flow, "MEMORY_BYTES", shared + fitting * each + each // 2)
        assert np.array_equal(aw.flow(causal_attention, threads=8), whole)
    assert started == [5, 1, 2, 3]  # five rows


def test_progress_ends_with_every_row_exact_and_starts_from_upper_bounds(attention):
    seen = []
    values = aw.flow(
        attention, progress=lambda p: seen.append((p.done, p.values.copy(), p.exact.copy()))
    )
    assert [done for done, *_ in seen] == list(range(6))
    for _, partial, exact in seen:
        assert np.array_equal(partial[exact], values[exact])
        assert (partial >= values - 1e-12).all()
    assert seen[-1][2].all()


def test_progress_may_cancel(attention):
    def stop(progress):
        if progress.done == 2:
            raise aw.Cancelled("Enough.")

    with pytest.raises(aw.Cancelled, match="Enough"):
        aw.flow(attention, progress=stop, threads=1)


def test_attention_is_left_as_it_was_given(attention):
    before = attention.copy()
    aw.flow(attention)
    aw.flow(attention[:, 0], query=1, normalise=True)
    assert np.array_equal(attention, before)
