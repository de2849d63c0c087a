import numpy as np

from attn_widget.pictures import attention_sinks as module
from attn_widget.pictures.attention_sinks import sinks
from tests.conftest import capture_of, softmax_rows


def layers_of(weights):
    """Return layers that hold these weights."""
    from attn_widget.records import Tokens

    n_queries, n_keys = weights.shape[-2:]
    return capture_of(
        weights, Tokens(("q",) * n_queries), Tokens(("k",) * n_keys), kind="cross"
    ).layers


def test_a_key_that_takes_most_in_most_layers_is_a_sink():
    weights = softmax_rows(np.random.default_rng(0), 3, 2, 9, 9) * 0.5
    weights[:, :, :, 4] += 0.5
    assert sinks(layers_of(weights), same_text=True) == (4,)


def test_attention_of_a_token_to_itself_does_not_count():
    weights = np.full((2, 2, 10, 10), 0.75 / 9)
    weights[..., 4] = 0.25
    weights[..., 4, :] = 0.955 * np.eye(10)[4] + 0.0045
    assert sinks(layers_of(weights), same_text=True) == ()
    assert sinks(layers_of(weights), same_text=False) == (4,)


def test_even_causal_attention_has_no_sink_however_short_the_text():
    for n in (2, 3, 5, 9):
        even = np.tri(n) / np.tri(n).sum(1, keepdims=True)
        assert sinks(layers_of(np.broadcast_to(even, (2, 2, n, n))), same_text=True) == (), n


def test_one_token_is_no_sink():
    assert sinks(layers_of(np.ones((2, 2, 1, 1))), same_text=True) == ()


def test_a_causal_model_that_leaves_its_attention_at_the_first_token_has_a_sink():
    n = 200  # more queries than are looked at
    weights = softmax_rows(np.random.default_rng(1), 2, 2, n, n, causal=True) * 0.3
    weights[..., 0] += 0.7
    assert n > module.ROWS
    assert sinks(layers_of(weights), same_text=True) == (0,)


def test_a_layer_alone_does_not_make_a_sink():
    weights = np.full((2, 2, 9, 9), 1 / 9)
    weights[0] = 0.6 / 8
    weights[0, :, :, 3] = 0.4
    weights[1, :, :, 3] = 0
    assert sinks(layers_of(weights), same_text=True) == ()
    assert sinks(layers_of(weights[:1]), same_text=True) == (3,)


def test_rectangular_attention_and_missing_numbers_are_measured_too():
    weights = softmax_rows(np.random.default_rng(4), 2, 2, 5, 7) * 0.5
    weights[..., 6] += 0.5
    weights[0, 0, 0] = np.nan
    assert sinks(layers_of(weights), same_text=False) == (6,)
