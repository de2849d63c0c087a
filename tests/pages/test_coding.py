"""Numbers coded in few bits: the decoded numbers are within the precision that the page states."""

from __future__ import annotations

import zlib

import numpy as np
import pytest

from attn_widget.errors import InputError
from attn_widget.pages.coding import END, code, deflated, error_of, sums
from tests.conftest import softmax_rows
from tests.oracles import decode_page


@pytest.mark.parametrize("bits", [7, 6, 5, 4, 1])
def test_shares_come_back_within_the_stated_precision(bits):
    values = softmax_rows(np.random.default_rng(0), 5, 7)
    data, scale = code(values, bits)
    assert (len(data), scale, max(data) < 2**bits) == (35, 1.0, True)
    shown = decode_page(data, (5, 7), bits, scale)
    half = 0.5 / (2**bits - 1)
    bound = 2 * half * np.sqrt(values) + half**2
    assert (np.abs(shown - values) <= bound + 1e-12).all()
    assert (
        np.abs(shown - values).max() > bound.max() / 50
    )  # rounding there is: the bound is not of another order


def test_the_stated_precision_is_that_of_half_a_step_at_the_square_root():
    assert error_of(1.0, 6) == pytest.approx(1 - (1 - 0.5 / 63) ** 2, rel=0.01)
    assert error_of(0.0, 4) == pytest.approx((0.5 / 15) ** 2)


def test_one_weight_stays_at_its_query_and_its_key():
    values = np.zeros((5, 7))
    values[1, 4] = 1.0
    data, scale = code(values, 6)
    assert [i for i, c in enumerate(data) if c] == [4 * 5 + 1]  # key by key
    np.testing.assert_array_equal(decode_page(data, (5, 7), 6, scale), values)


def test_of_a_causal_matrix_only_the_triangle_is_kept():
    values = softmax_rows(np.random.default_rng(1), 6, 6, causal=True)
    data, scale = code(values, 6, causal=True)
    assert len(data) == 21
    shown = decode_page(data, (6, 6), 6, scale, causal=True)
    np.testing.assert_array_equal(shown, decode_page(code(values, 6)[0], (6, 6), 6, scale))


def test_values_above_one_set_the_scale_and_missing_ones_stay_missing():
    values = np.array([[0.0, 4.0, 1.0], [np.nan, 0.25, 2.0]])
    data, scale = code(values, 6)
    assert scale == 4.0
    shown = decode_page(data, (2, 3), 6, scale)
    assert np.isnan(shown[1, 0])
    assert np.isnan(shown).sum() == 1
    np.testing.assert_allclose(
        np.nan_to_num(shown), np.nan_to_num(values), atol=4 * error_of(0.5, 6)
    )


@pytest.mark.parametrize("bad", [np.inf, -0.1])
def test_what_cannot_be_drawn_is_refused(bad):
    with pytest.raises(
        InputError, match="values must be finite and at least 0, got infinity or a negative"
    ):
        code(np.array([[0.5, bad]]), 6)


def test_sums_of_rows_are_right_to_one_part_in_four_thousand_and_equal_ones_look_alike():
    values = np.random.default_rng(2).random((5, 700))
    back = np.frombuffer(sums(values), "<f4")
    np.testing.assert_allclose(back, values.sum(1), rtol=1 / 4096)
    ones = softmax_rows(np.random.default_rng(3), 200, 300).astype(np.float32)
    assert len(set(np.frombuffer(sums(ones), "<f4").tolist())) == 1


def test_pieces_join_to_one_stream_in_any_order():
    pieces = [b"when mara came back" * 9, b"", bytes(range(256)) * 3]
    for order in ([0, 1, 2], [2, 0, 1]):
        joined = b"".join(deflated(pieces[i]) for i in order) + END
        unpacker = zlib.decompressobj(-15)
        assert unpacker.decompress(joined) == b"".join(pieces[i] for i in order)
        assert unpacker.eof
