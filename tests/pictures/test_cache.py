"""The cache: one limit in bytes for all widgets of a process."""

import gc

import numpy as np
import pytest

from attn_widget.pictures import cache
from attn_widget.pictures.cache import PictureCache, shared_cache
from attn_widget.pictures.frame import Numbers


@pytest.fixture(autouse=True)
def small(monkeypatch):
    monkeypatch.setattr(cache, "_entries", shared_cache(3 * 80))


def numbers(value):
    return Numbers(np.full((1, 2, 5), float(value)), (0,))  # 80 bytes


def test_the_least_recently_used_value_of_all_widgets_is_dropped_first():
    one, other = PictureCache(), PictureCache()
    for i in range(3):
        one.put((i,), numbers(i), 80)
    assert one.get((0,)) is not None  # used: now the newest
    other.put((0,), numbers(9), 80)
    assert [(i,) in one for i in range(3)] == [True, False, True]
    assert other.get((0,)).values[0, 0, 0] == 9
    assert one.get((1,)) is None


def test_the_two_newest_values_stay_even_if_they_are_too_large():
    one = PictureCache()
    one.put((0,), numbers(0), 80)
    one.put((1,), numbers(1), 3200)
    one.put(("frame",), numbers(1), 80)
    assert [(0,) in one, (1,) in one, ("frame",) in one] == [False, True, True]


def test_the_values_of_a_deleted_widget_are_dropped():
    one = PictureCache()
    one.put((0,), numbers(0), 80)
    del one
    gc.collect()
    assert not cache._entries


def test_slowly_computed_values_stay_when_no_page_shows_the_widget():
    one, other = PictureCache(), PictureCache()
    one.put(("cheap",), numbers(0), 80, 0.2)
    one.put(("slow",), numbers(1), 80, 20.0)
    other.put(("cheap",), numbers(2), 80, 0.2)
    one.drop_cheap()
    assert [("cheap",) in one, ("slow",) in one, ("cheap",) in other] == [False, True, True]
