"""The cache of a capture: what it keeps, what it removes, and when it ends."""

from __future__ import annotations

import gc
import weakref

import numpy as np
import pytest

from attn_widget.attribution import cache
from tests.conftest import capture_of


@pytest.fixture
def of_three_rows(monkeypatch, capture):
    """A cache with room for three arrays of ten float64; returns what was made, in order."""
    monkeypatch.setattr(cache, "BYTES_PER_CAPTURE", 3 * 80)
    made = []

    def get(name, size=10):
        def make():
            made.append(name)
            return np.zeros(size)

        return cache.cached(capture, name, make)

    get.made = made
    return get


def test_a_value_is_made_once(of_three_rows):
    assert of_three_rows("a") is of_three_rows("a")
    assert of_three_rows.made == ["a"]


def test_the_least_recently_used_value_is_removed_and_the_newest_kept(of_three_rows):
    for name in "abcad":  # a is used again before d, so b is the oldest
        of_three_rows(name)
    of_three_rows.made.clear()
    for name in "dac":
        of_three_rows(name)
    assert of_three_rows.made == []
    of_three_rows("b")
    assert of_three_rows.made == ["b"]


def test_as_many_values_are_removed_as_the_bytes_of_a_new_one_need(of_three_rows):
    for name in "abc":
        of_three_rows(name)
    of_three_rows("wide", 20)
    of_three_rows.made.clear()
    of_three_rows("wide")
    of_three_rows("c")
    assert of_three_rows.made == []


def test_a_value_larger_than_the_cache_is_returned_and_removes_nothing(of_three_rows):
    of_three_rows("a")
    assert len(of_three_rows("huge", 100)) == 100
    of_three_rows("a")
    of_three_rows("huge", 100)
    assert of_three_rows.made == ["a", "huge", "huge"]


def test_a_value_that_is_expected_not_to_fit_is_not_made(capture):
    too_much = cache.BYTES_PER_CAPTURE + 1
    assert cache.cached(capture, "a", lambda: 1 / 0, bytes_ahead=too_much) is None


def test_bytes_of_a_tuple_are_those_of_its_arrays():
    assert cache._size((np.zeros(3), [np.zeros(2, np.float32)], "text")) == 32


def test_what_is_cached_is_freed_with_its_capture(attention, tokens):
    capture = capture_of(attention, tokens)
    value = weakref.ref(cache.cached(capture, "a", lambda: np.zeros(3)))
    assert value() is not None
    del capture
    gc.collect()
    assert value() is None
