"""Rollout against the sum over paths, for every option that changes the graph."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import attn_widget as aw
from attn_widget.records import to_numpy
from tests import oracles


def test_rollout_is_the_sum_over_all_paths(attention):
    assert aw.rollout(attention) == pytest.approx(
        oracles.rollout_by_paths(oracles.joint(attention)), abs=1e-14
    )


def test_rollout_of_a_causal_model_is_the_sum_over_all_paths(causal_attention):
    values = aw.rollout(causal_attention)
    assert values == pytest.approx(
        oracles.rollout_by_paths(oracles.joint(causal_attention)), abs=1e-14
    )
    assert not np.triu(values, 1).any()


@pytest.mark.parametrize("residual", [0.0, 0.3, 0.5, 1.0])
def test_the_residual_share_is_mixed_in_at_every_layer(attention, residual):
    expected = oracles.rollout_by_paths(oracles.joint(attention, residual))
    assert aw.rollout(attention, residual=residual) == pytest.approx(expected, abs=1e-14)
    assert aw.rollout(attention, residual=residual, query=[3, 1]) == pytest.approx(
        expected[[3, 1]], abs=1e-14
    )


def test_one_row_is_that_row_of_all_rows(attention):
    whole = aw.rollout(attention)
    for row in range(5):
        assert aw.rollout(attention, query=row) == pytest.approx(whole[row : row + 1], abs=1e-15)
    assert aw.rollout(attention, query=-1) == pytest.approx(whole[4:], abs=1e-15)


def test_rows_of_rollout_sum_to_one(attention):
    assert aw.rollout(attention).sum(-1) == pytest.approx(np.ones(5))


def test_a_target_layer_and_a_start_layer_bound_the_layers_that_take_part(attention):
    matrices = oracles.joint(attention)
    assert aw.rollout(attention, layer=1) == pytest.approx(oracles.rollout_by_paths(matrices[:2]))
    assert aw.rollout(attention, start_layer=1) == pytest.approx(
        oracles.rollout_by_paths(matrices[1:])
    )
    assert aw.rollout(attention, layer=1, start_layer=1) == pytest.approx(matrices[1])


def test_one_head_at_the_top_has_means_below(attention):
    matrices = oracles.joint(attention)
    matrices[2] = oracles.joint(attention[:, 1:])[2]
    assert aw.rollout(attention, head=1) == pytest.approx(oracles.rollout_by_paths(matrices))


def test_an_isolated_head_is_the_same_head_in_every_layer(attention):
    expected = oracles.rollout_by_paths(oracles.joint(attention[:, 1:]))
    assert aw.rollout(attention, head=1, reduce="isolated") == pytest.approx(expected)


@pytest.mark.parametrize(("reduce", "pick"), [("max", np.max), ("min", np.min)])
def test_max_and_min_over_heads_keep_rows_that_sum_to_one(attention, reduce, pick):
    fused = pick(attention, axis=1, keepdims=True)
    fused = fused / fused.sum(-1, keepdims=True)
    assert aw.rollout(attention, reduce=reduce) == pytest.approx(
        oracles.rollout_by_paths(oracles.joint(fused))
    )


def test_heads_without_a_common_key_leave_a_zero_row_and_no_nan():
    apart = np.zeros((1, 2, 2, 2))
    apart[0, 0, :, 0] = apart[0, 1, :, 1] = 1
    assert aw.rollout(apart, reduce="min", residual=0.0) == pytest.approx(np.zeros((2, 2)))


def test_zero_rows_stay_zero_when_rows_are_divided_by_their_sum():
    values = aw.rollout(np.zeros((2, 1, 3, 3)), residual=0.0, normalise=True)
    assert not np.isnan(values).any()
    assert not values.any()


def test_sinks_take_their_share_of_a_row_until_it_is_divided_by_its_sum(attention):
    assert aw.rollout(0.5 * attention).sum(-1) == pytest.approx(np.full(5, 0.75**3))
    assert aw.rollout(0.5 * attention, normalise=True).sum(-1) == pytest.approx(np.ones(5))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_torch_in_gives_torch_out(attention, dtype):
    given = torch.tensor(attention, dtype=dtype)
    values = aw.rollout(given)
    assert isinstance(values, torch.Tensor)
    assert values.dtype == (torch.float32 if dtype == torch.bfloat16 else dtype)
    tolerance = {torch.float64: 1e-14, torch.float32: 1e-6, torch.bfloat16: 1e-2}[dtype]
    assert values.numpy() == pytest.approx(aw.rollout(attention), abs=tolerance)
    assert to_numpy(aw.rollout(given, query=2))[0] == pytest.approx(values[2].numpy(), abs=1e-6)


def test_gradients_pass_through_rollout(attention):
    given = torch.tensor(attention, requires_grad=True)
    aw.rollout(given)[0, 1].backward()
    assert given.grad is not None
    assert bool(
        (given.grad[0, :, :, 1] > 0).all()
    )  # key 1 is reached through every first-layer row


def test_arrays_without_heads_and_lists_of_layers_mean_the_same(attention):
    expected = aw.rollout(attention)
    assert aw.rollout(attention.mean(1)) == pytest.approx(expected)
    assert aw.rollout(list(attention)) == pytest.approx(expected)
    assert aw.rollout(attention.tolist()) == pytest.approx(expected)


def test_every_layer_of_rectangular_attention_has_the_same_keys(cross_capture):
    weights = cross_capture.attention  # 3 layers, 2 heads, 5 queries, 7 keys
    blocks = oracles.block_matrices([("cross", w.mean(0)) for w in weights], 7, 5, 0.5)
    expected = np.linalg.multi_dot(blocks[::-1])[7:, :7]
    values = aw.rollout(weights)
    assert values == pytest.approx(expected)
    assert values.sum(-1) == pytest.approx(np.full(5, 1 - 0.5**3))
    assert aw.rollout(weights, query=[4]) == pytest.approx(expected[4:])


def test_attention_is_left_as_it_was_given(attention):
    before = attention.copy()
    aw.rollout(attention)
    aw.rollout(attention[:, 0], query=1, normalise=True)
    assert np.array_equal(attention, before)


def test_gradients_pass_through_one_row_of_rollout(attention):
    one, whole = (torch.tensor(attention, requires_grad=True) for _ in range(2))
    aw.rollout(one, query=2)[0, 1].backward()
    aw.rollout(whole)[2, 1].backward()
    assert one.grad.numpy() == pytest.approx(whole.grad.numpy(), abs=1e-14)
