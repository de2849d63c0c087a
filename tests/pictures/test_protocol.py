import numpy as np
import pytest

from attn_widget.errors import InputError
from attn_widget.pictures.protocol import Frame, Spec, plain, sqrt8
from tests.oracles import from_sqrt8


def test_one_byte_per_value_keeps_drawing_precision():
    values = np.linspace(0, 1, 1001).reshape(7, 143)
    encoded, encoding, scale = sqrt8(values)
    assert (encoding, scale, encoded.dtype) == ("sqrt8", 1.0, np.uint8)
    assert np.abs(from_sqrt8(encoded) - values).max() < 0.004
    assert from_sqrt8(sqrt8(np.array([4e-6]))[0])[0] > 0


def test_values_above_one_carry_their_scale():
    values = np.array([[0.5, 3.0]])
    encoded, _, scale = sqrt8(values)
    assert scale == 3.0
    np.testing.assert_allclose(from_sqrt8(encoded, scale), values, atol=0.02)


@pytest.mark.parametrize("bad", [[np.inf], [-0.5], [np.nan, -0.5], [np.nan, np.inf]])
def test_numbers_that_cannot_be_drawn_are_refused(bad):
    with pytest.raises(
        InputError, match="values must be finite and at least 0, got infinity or a negative"
    ):
        sqrt8(np.array([0.1, *bad]))


def test_what_is_not_a_number_is_sent_as_such_and_counted():
    header, (buffer,) = Frame({}, {"weights": sqrt8(np.array([0.1, np.nan, 2.5, np.nan]))}).encode()
    assert header["missing"] == 2
    assert header["arrays"][0] | {"name": "weights"} == {
        "name": "weights", "dtype": "float32", "shape": [4], "encoding": "missing", "scale": 2.5
    }  # fmt: skip
    np.testing.assert_array_equal(
        np.frombuffer(buffer, "<f4"), np.float32([0.1, np.nan, 2.5, np.nan])
    )


def test_a_header_names_its_buffers_in_order():
    frame = Frame(
        {"view": "head"},
        {"a": plain(np.arange(6, dtype=np.uint16).reshape(2, 3)), "b": sqrt8(np.ones(4))},
    )
    header, buffers = frame.encode()
    assert [(a["name"], a["dtype"], a["shape"], a["encoding"]) for a in header["arrays"]] == [
        ("a", "uint16", [2, 3], "plain"),
        ("b", "uint8", [4], "sqrt8"),
    ]
    assert buffers[0] == b"\0\0\1\0\2\0\3\0\4\0\5\0"
    assert buffers[1] == b"\xff" * 4


def test_a_spec_takes_what_it_knows_and_refuses_wrong_types():
    assert Spec.parse({"layer": 3, "residual": 1, "unknown": "x"}) == Spec(layer=3, residual=1.0)
    with pytest.raises(InputError, match="layer must be of type int, got '3'"):
        Spec.parse({"layer": "3"})
    with pytest.raises(InputError, match="layer must be of type int, got True"):
        Spec.parse({"layer": True})
