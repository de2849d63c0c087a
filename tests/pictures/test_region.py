"""A part of a pooled matrix: the same numbers as the whole, in the requested resolution."""

import numpy as np
import pytest

from attn_widget.errors import InputError
from attn_widget.pictures.axes import displayed, merge
from attn_widget.pictures.frame import Numbers, cut, max_pool
from attn_widget.pictures.protocol import Spec
from attn_widget.pictures.region import Region, members, region_frame
from tests.pictures.test_frame import array


def part(attention, tokens, region, **options):
    axis = displayed(tokens, **options)
    numbers = cut(Numbers(attention[1][1:], (1,)), "query", members(axis, region.rows))
    return region_frame(
        Spec(view="matrix"), cut(numbers, "key", members(axis, region.columns)), axis, axis, region
    ), merge(attention[1][1:], axis, axis)[0]


@pytest.mark.parametrize("options", [{}, {"hide_special": True}, {"words": True}])
def test_a_region_is_cut_from_what_is_displayed(attention, tokens, options):
    frame, whole = part(attention, tokens, Region((1, 3), (0, 3), 1), **options)
    np.testing.assert_allclose(array(frame, "weights"), whole[1:3, 0:3], atol=0.004)
    assert (frame.fields["rows"], frame.fields["columns"]) == ([1, 3], [0, 3])


def test_a_coarser_region_holds_the_largest_of_each_block(attention, tokens):
    frame, whole = part(attention, tokens, Region((0, 5), (2, 5), 2))
    np.testing.assert_allclose(array(frame, "weights"), max_pool(whole[:, 2:5], 2, 2), atol=0.004)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"pool": 0}, "pool must be an integer of at least 1, got 0"),
        ({"pool": 1.5}, "pool must be an integer of at least 1, got 1.5"),
        ({"rows": [3, 3]}, r"rows must be \[start, stop\] within 0 to 5, got \[3, 3\]"),
        ({"columns": [0, 8]}, r"columns must be \[start, stop\] within 0 to 7, got \[0, 8\]"),
        ({"rows": "all"}, "rows must be .* got 'all'"),
    ],
)
def test_a_region_that_does_not_exist_is_refused(change, words):
    with pytest.raises(InputError, match=words):
        Region.parse({"pool": 1, "rows": [0, 5], "columns": [0, 7]} | change).check(5, 7)


def test_a_region_too_large_for_one_message_is_refused():
    with pytest.raises(
        InputError, match="pool must leave at most 4194304 cells, got 16777216 at pool 2"
    ):
        Region.parse({"pool": 2, "rows": [0, 8192], "columns": [0, 8192]}).check(8192, 8192)
