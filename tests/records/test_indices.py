import numpy as np
import pytest

from attn_widget import InputError
from attn_widget.records import check_index, check_indices


def test_an_index_counts_from_the_end_when_negative():
    assert check_index("layer", -3, 3) == 0
    assert check_index("layer", np.int64(2), 3) == 2
    assert check_indices("heads", np.array([1, -1]), 5) == [1, 4]


@pytest.mark.parametrize("wrong", [3, -4])
def test_an_index_out_of_range_is_refused_with_its_place_and_remedy(wrong):
    with pytest.raises(
        InputError, match=rf"layer must be 0 to 2, got {wrong} at decoder\. Try 1\."
    ):
        check_index("layer", wrong, 3, "Try 1.", where="decoder")


def test_negative_indices_are_refused_where_they_mean_nothing():
    with pytest.raises(InputError, match="item must be 0 to 2, got -1"):
        check_index("item", -1, 3, negative=False)


@pytest.mark.parametrize("wrong", [1.0, "1", None, np.float32(1)])
def test_what_is_no_whole_number_is_refused(wrong):
    with pytest.raises(InputError, match=r"layer must be a whole number, got .* 0 to 2"):
        check_index("layer", wrong, 3)
