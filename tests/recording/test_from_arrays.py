"""`from_arrays`: what it takes, and the words with which it refuses."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from attn_widget.errors import InputError
from attn_widget.recording.from_arrays import from_arrays
from attn_widget.records import Tokens

LAYERS, HEADS, QUERIES, KEYS = 3, 2, 5, 7


def shares(*shape):
    weights = np.random.default_rng(0).random(shape) + 0.1
    return weights / weights.sum(-1, keepdims=True)


@pytest.mark.parametrize(
    "kind", ["numpy", "torch", "lists", "per layer", "per layer with batch", "tuple of torch"]
)
def test_lists_numpy_and_torch_all_give_the_same_capture(kind):
    square = shares(LAYERS, HEADS, QUERIES, QUERIES)
    given = {
        "numpy": square,
        "torch": torch.tensor(square),
        "lists": square.tolist(),
        "per layer": list(square),
        "per layer with batch": [layer[None] for layer in square],
        "tuple of torch": tuple(torch.tensor(layer)[None] for layer in square),
    }[kind]
    seen = from_arrays(given, list("abcde"))
    assert np.allclose(seen.attention, square)
    assert seen.tokens.text == tuple("abcde")
    assert [layer.kind for layer in seen.layers] == ["self"] * LAYERS
    assert [layer.layer for layer in seen.layers] == [0, 1, 2]


def test_rectangular_attention_has_two_axes_of_tokens():
    seen = from_arrays(
        shares(LAYERS, HEADS, QUERIES, KEYS), list("abcde"), key_tokens=Tokens(tuple("ABCDEFG"))
    )
    queries, keys = seen.axes()
    assert (queries.text, keys.text) == (tuple("abcde"), tuple("ABCDEFG"))
    assert seen.layers[0].kind == "cross"
    assert seen.layers[0].weights_for([1], [4]).shape == (1, 1, KEYS)


def test_tokens_left_out_are_numbered():
    queries, keys = from_arrays(shares(LAYERS, HEADS, QUERIES, KEYS)).axes()
    assert queries.text == ("0", "1", "2", "3", "4")
    assert len(keys) == KEYS


def test_rows_that_sum_to_less_than_one_are_legal_sinks():
    weights = shares(LAYERS, HEADS, QUERIES, QUERIES)
    weights[1, 1, 2] = 0
    assert from_arrays(weights * 0.5).attention[1, 1, 2].sum() == 0


def broken(change):
    weights = shares(LAYERS, HEADS, QUERIES, KEYS)
    return change(weights)


def put(value):
    def change(weights):
        weights[2, 1, 3, 4] = value
        return weights

    return change


def double(weights):
    weights[1, 0, 4] *= 2
    return weights


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (put(np.nan), "attention must be finite, got nan at layer 2, head 1, query 3, key 4."),
        (put(np.inf), "attention must be finite, got inf at layer 2, head 1, query 3, key 4."),
        (put(-0.5), "attention must be 0 or more, got -0.5 at layer 2, head 1, query 3, key 4."),
        (
            double,
            "attention must have rows that sum to at most 1, got 2 at layer 1, head 0, query 4.",
        ),
        (
            lambda w: w[0],
            "attention must have axes that can be told apart, got shape (2, 5, 7) at layer 0, "
            "which could be (head, query, key) or (batch, head, key).",
        ),
        (
            lambda w: w[None],
            "attention must be of one item, got shape (1, 3, 2, 5, 7): of (layer, ",
        ),
        (lambda w: w[0, 0, 0], "attention must have 2 to 5 axes, got shape (7,)."),
        (
            lambda w: [w[0], w[1, 0]],
            "attention must be (layer, head, query, key), or one (head, query, key) per layer, "
            "got shape (5, 7) at layer 1.",
        ),
        (
            lambda w: [w[0, 0], w[1, 0]],
            "attention must be (head, query, key) in every layer, got 2 matrices, which could be "
            "layers or heads.",
        ),
        (lambda w: [w, w], "attention must be of one item, got a batch of 3 at layer 0."),
        (
            lambda w: [w[0], w[1, :, :4]],
            "attention must have the same queries and keys in every layer, "
            "got (4, 7) at layer 1 after (5, 7).",
        ),
        (
            lambda w: (),
            "attention must hold at least one layer, got none. With transformers' default",
        ),
        (lambda w: w[:0], "attention must hold at least one layer, got shape (0, 2, 5, 7)."),
        (lambda w: [w[0], None], "attention must hold an array per layer, got None at layer 1."),
        (lambda w: "words", "attention must be an array or a sequence of arrays, got str."),
        (
            lambda w: [[[[0.5, 0.5], [1.0]]]],
            "attention must be numbers in rows of equal length, got something else",
        ),
        (
            lambda w: (w > 0.5).astype(int),
            "attention must be floating point, got int64 at layer 0.",
        ),
    ],
)
def test_what_no_softmax_can_have_made_is_refused_with_its_place(change, words):
    with pytest.raises(InputError) as error:
        from_arrays(broken(change))
    assert str(error.value).startswith(words)


@pytest.mark.parametrize(
    ("dtype", "excess", "legal"),
    [
        ("float32", 9e-5, True),
        ("float32", 3e-4, False),
        ("bfloat16", 1e-2, True),
        ("bfloat16", 4e-2, False),
        ("float16", 1e-2, True),
        ("float16", 4e-2, False),
    ],
)
def test_a_row_may_exceed_one_by_the_rounding_of_its_dtype_only(dtype, excess, legal):
    weights = torch.full((1, 1, 4, 4), 0.25)
    weights[0, 0, 2, 0] += excess
    weights = weights.to(getattr(torch, dtype))
    if legal:
        assert from_arrays(weights).dtype == dtype
    else:
        with pytest.raises(
            InputError, match=r"sum to at most 1, got 1\.\d+ at layer 0, head 0, query 2"
        ):
            from_arrays(weights)


def test_tokens_of_the_wrong_number_are_refused():
    weights = shares(LAYERS, HEADS, QUERIES, KEYS)
    with pytest.raises(
        InputError, match=r"tokens must be as many as the queries, got 4 for 5\. Give 5 labels"
    ):
        from_arrays(weights, list("abcd"))
    with pytest.raises(InputError, match=r"key_tokens must be as many as the keys, got 2 for 7\."):
        from_arrays(weights, list("abcde"), key_tokens=["x", "y"])
    with pytest.raises(
        InputError, match=r"tokens must be one label per position, got the text 'abcde'\."
    ):
        from_arrays(weights, "abcde")
