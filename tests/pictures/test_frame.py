import numpy as np
import pytest

from attn_widget.pictures import frame as frames
from attn_widget.pictures.axes import displayed
from attn_widget.pictures.frame import Numbers, cut, head_frame, matrix_frame, max_pool, row_frame
from attn_widget.pictures.protocol import Spec
from attn_widget.records import Tokens
from tests.conftest import softmax_rows
from tests.oracles import from_sqrt8


@pytest.fixture
def numbers(attention):
    return Numbers(values=attention[1], lanes=(0, 1), layer_label="layer 1")


def array(frame, name):
    values, encoding, scale = frame.arrays[name]
    return from_sqrt8(values, scale) if encoding == "sqrt8" else values


def test_a_head_frame_holds_every_head_of_the_layer(numbers, tokens, attention):
    axis = displayed(tokens)
    frame = head_frame(Spec(layer=1), numbers, axis, axis)
    np.testing.assert_allclose(array(frame, "weights"), attention[1], atol=0.004)
    assert [lane["head"] for lane in frame.fields["lanes"]] == [0, 1]
    np.testing.assert_allclose(array(frame, "row_sum"), 1, rtol=1e-6)
    assert not array(frame, "hidden_mass").any()


def test_the_frame_states_the_share_of_hidden_keys(numbers, tokens, attention):
    axis = displayed(tokens, hide_special=True)
    frame = head_frame(Spec(hide_special=True), numbers, axis, axis)
    hidden = attention[1][:, 1:4][:, :, [0, 4]].sum(-1)
    np.testing.assert_allclose(array(frame, "hidden_mass"), hidden, rtol=1e-5)
    np.testing.assert_allclose(array(frame, "row_sum"), 1, rtol=1e-6)


def test_a_head_frame_too_large_to_send_keeps_the_strongest_keys_of_each_row(
    numbers, tokens, attention, monkeypatch
):
    monkeypatch.setattr(frames, "MAX_MESSAGE_BYTES", 10)
    monkeypatch.setattr(frames, "TOP_K", 2)
    axis = displayed(tokens)
    frame = head_frame(Spec(), numbers, axis, axis)
    assert "weights" not in frame.arrays
    keys = array(frame, "edges_key")
    assert keys.shape == (2, 5, 2)
    np.testing.assert_array_equal(keys[..., 0], attention[1].argmax(-1))
    np.testing.assert_allclose(
        array(frame, "edges_weight")[..., 0], attention[1].max(-1), atol=0.004
    )


def test_a_matrix_frame_is_of_one_lane(numbers, tokens, attention):
    axis = displayed(tokens)
    frame = matrix_frame(Spec(view="matrix"), numbers, axis, axis)
    np.testing.assert_allclose(array(frame, "weights"), attention[1][0], atol=0.004)
    assert frame.fields["pool"] == 1


def test_a_matrix_too_large_to_send_is_pooled_by_its_largest_values(tokens, monkeypatch):
    monkeypatch.setattr(frames, "MAX_MESSAGE_BYTES", 9)
    values = np.zeros((1, 5, 5))
    values[0, 3, 4] = 0.8
    axis = displayed(tokens)
    frame = matrix_frame(Spec(view="matrix"), Numbers(values, (0,)), axis, axis)
    assert frame.fields["pool"] == 2
    pooled = array(frame, "weights")
    assert pooled.shape == (3, 3)
    assert pooled[1, 2] > 0.79


def test_pooling_keeps_a_single_strong_link_and_odd_edges():
    matrix = np.zeros((5, 7))
    matrix[4, 6] = 1
    pooled = max_pool(matrix, 3, 3)
    assert pooled.shape == (2, 3)
    assert pooled[1, 2] == 1
    assert pooled.sum() == 1
    assert max_pool(matrix, 1, 4).shape == (5, 2)


def test_a_row_reply_is_the_exact_row_of_every_head(numbers, tokens, attention):
    axis = displayed(tokens)
    frame = row_frame(Spec(), cut(numbers, "query", [3]), axis, axis, side="query", index=3)
    np.testing.assert_array_equal(array(frame, "values"), attention[1][:, 3].astype(np.float32))
    np.testing.assert_allclose(frame.fields["sum"], [1, 1])


def test_a_column_reply_is_the_exact_column_of_every_head(numbers, tokens, attention):
    axis = displayed(tokens)
    frame = row_frame(Spec(), cut(numbers, "key", [2]), axis, axis, side="key", index=2)
    np.testing.assert_array_equal(array(frame, "values"), attention[1][:, :, 2].astype(np.float32))
    np.testing.assert_allclose(frame.fields["sum"], attention[1][:, :, 2].sum(-1))


def test_a_word_row_is_the_mean_of_its_tokens_with_hidden_keys_in_the_sum(
    numbers, tokens, attention
):
    axis = displayed(tokens, hide_special=True, words=True)
    assert axis.text == ("keys", "turn")
    frame = row_frame(
        Spec(words=True), cut(numbers, "query", [1, 2]), axis, axis, side="query", index=0
    )
    mean = attention[1][:, 1:3].mean(1)
    np.testing.assert_allclose(
        array(frame, "values"), np.stack([mean[:, 1] + mean[:, 2], mean[:, 3]], 1), rtol=1e-6
    )
    np.testing.assert_allclose(frame.fields["sum"], [1, 1])


def test_bounds_travel_with_a_joint_row(tokens, attention):
    joint = attention[1][:1]
    upper, saturated = np.minimum(joint[0] * 1.5, 1), np.eye(5, dtype=bool)
    numbers = Numbers(
        joint, (None,), unit="flow", upper=upper, lower=joint[0] / 2, saturated=saturated
    )
    axis = displayed(tokens)
    frame = row_frame(
        Spec(method="flow"), cut(numbers, "query", [2]), axis, axis, side="query", index=2
    )
    np.testing.assert_allclose(array(frame, "upper"), upper[2], rtol=1e-6)
    np.testing.assert_allclose(array(frame, "lower"), joint[0, 2] / 2, rtol=1e-6)
    np.testing.assert_array_equal(array(frame, "saturated"), [0, 0, 1, 0, 0])
    assert frame.fields["lanes"] == [{"head": None, "name": "flow"}]


def test_rows_that_are_not_exact_yet_are_marked_and_a_word_needs_all_of_its_tokens(
    tokens, attention
):
    exact = np.array([True, True, False, True, False])
    numbers = Numbers(attention[0][:1], (None,), unit="flow", exact=exact)
    plain_axis, word_axis = displayed(tokens), displayed(tokens, words=True)
    spec = Spec(method="flow", view="matrix")
    np.testing.assert_array_equal(
        array(matrix_frame(spec, numbers, plain_axis, plain_axis), "exact"), [1, 1, 0, 1, 0]
    )
    np.testing.assert_array_equal(
        array(matrix_frame(spec, numbers, word_axis, word_axis), "exact"), [1, 0, 1, 0]
    )


def test_rectangular_attention_keeps_its_two_axes_apart():
    values = softmax_rows(np.random.default_rng(2), 2, 5, 7)
    queries, keys = displayed(Tokens(tuple("abcde"))), displayed(Tokens(tuple("ABCDEFG")))
    frame = head_frame(Spec(), Numbers(values, (0, 1)), queries, keys)
    assert frame.arrays["weights"][0].shape == (2, 5, 7)
    assert (len(frame.fields["queries"]["text"]), len(frame.fields["keys"]["text"])) == (5, 7)


def test_rounding_never_makes_hidden_mass_negative():
    # A row summed word by word may exceed the row summed token by token by a rounding error.
    values = softmax_rows(np.random.default_rng(0), 2, 400, 400)
    tokens = Tokens(("x",) * 400, words=tuple(i // 3 for i in range(400)))
    axis = displayed(tokens, words=True)
    hidden = array(head_frame(Spec(), Numbers(values, (0, 1)), axis, axis), "hidden_mass")
    assert (hidden >= 0).all()
    assert hidden.max() < 1e-6
