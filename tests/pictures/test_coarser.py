"""Coarser frames: no larger than asked, and still right where they say something."""

import dataclasses

import numpy as np
import pytest

import attn_widget as aw
from attn_widget.pictures import Pictures, Spec
from attn_widget.pictures.coarser import coarser, size_of
from attn_widget.pictures.protocol import decoded
from tests.models import minilm

N = 150


@pytest.fixture(scope="module")
def pictures():
    random = np.random.default_rng(0)
    scores = random.normal(size=(4, 6, N, N)) * 2
    weights = np.exp(scores) / np.exp(scores).sum(-1, keepdims=True)
    return Pictures(aw.from_arrays(weights))


def fewest(frame):
    """The smallest limit that a frame can be brought to, to 2 %."""
    low, high = 0, size_of(frame)
    while high - low > high / 50:
        middle = (low + high) // 2
        low, high = (low, middle) if coarser(frame, middle) else (middle, high)
    return high


@pytest.mark.parametrize("view", ["head", "matrix", "text", "model"])
def test_a_coarser_frame_is_as_large_as_it_may_be(pictures, view):
    frame = pictures.frame(Spec(view=view))
    whole, least = size_of(frame), fewest(frame)
    assert least < whole / 2
    assert coarser(frame, whole) is frame
    for limit in np.linspace(least, whole, 7)[1:-1].astype(int):
        got = coarser(frame, int(limit))
        assert limit * 0.4 < size_of(got) <= limit
        assert got.fields["view"] == view
    assert coarser(frame, least // 2) is None


def test_the_keys_that_are_kept_are_the_strongest(pictures):
    frame = pictures.frame(Spec(view="head", layer=2))
    weights = decoded(frame, "weights")
    got = coarser(frame, size_of(frame) // 2)
    keys = got.arrays["edges_key"][0].astype(int)
    assert 2 < keys.shape[2] < N
    kept = np.take_along_axis(weights, keys, axis=2)
    np.testing.assert_array_equal(decoded(got, "edges_weight"), kept)
    np.testing.assert_array_equal(kept, -np.sort(-weights, axis=2)[..., : keys.shape[2]])
    fewer = coarser(got, size_of(got) * 2 // 3)
    k = fewer.arrays["edges_key"][0].shape[2]
    assert 0 < k < keys.shape[2]
    np.testing.assert_array_equal(decoded(fewer, "edges_weight"), kept[..., :k])
    np.testing.assert_allclose(decoded(got, "row_sum"), 1, atol=1e-6)


def test_pooled_cells_hold_the_largest_of_their_block(pictures):
    frame = pictures.frame(Spec(view="matrix"))
    got = coarser(frame, size_of(frame) // 3)
    pool, weights, cells = got.fields["pool"], decoded(frame, "weights"), decoded(got, "weights")
    assert pool > 1
    assert cells.shape == (-(-N // pool),) * 2
    assert cells[1, 2] == weights[pool : 2 * pool, 2 * pool : 3 * pool].max()
    assert set(got.arrays) == {"weights", "row_sum", "hidden_mass"}

    frame = pictures.frame(Spec(view="model"))
    got = coarser(frame, size_of(frame) // 2)
    (a, b), tiles = frame.fields["pool"], decoded(frame, "tiles")
    c, d = got.fields["pool"]
    assert c > a
    assert d > b
    times = c // a
    assert decoded(got, "tiles")[3][0, 1] == tiles[3][:times, times : 2 * times].max()


def test_channels_are_rounded_to_a_byte():
    capture = aw.ModelRunner(*minilm()).run("word " * 100)
    frame = Pictures(capture).frame(Spec(view="neuron"), 3)
    k = frame.arrays["k"][0]
    got = coarser(frame, size_of(frame) * 2 // 3)
    error = np.abs(decoded(got, "k") - decoded(frame, "k")).max()
    assert 0 < error <= np.abs(k).max() / 127
    np.testing.assert_array_equal(decoded(got, "dot"), decoded(frame, "dot"))
    assert coarser(frame, size_of(frame) // 4) is None


def test_an_image_under_a_map_is_made_smaller_first():
    image = np.random.default_rng(2).integers(0, 255, (256, 200, 3)).astype(np.uint8)
    capture = aw.from_arrays(np.full((1, 1, 4, 4), 0.25))
    capture = dataclasses.replace(capture, image=image)
    frame = Pictures(capture).frame(Spec(view="text"))
    assert frame.arrays["image"][0].shape == image.shape
    got = coarser(frame, 50_000)
    assert got.arrays["image"][0].shape == (128, 100, 3)
    assert "weights" in got.arrays
