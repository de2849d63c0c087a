import numpy as np
import pytest
import torch

from attn_widget import InputError
from attn_widget.records.weights import ROW_TOLERANCE, check_weights, row_tolerance


@pytest.mark.parametrize("library", [np.asarray, torch.as_tensor])
@pytest.mark.parametrize(
    ("value", "message"),
    [
        (np.nan, "weights must be finite, got nan at layer 4, head 1, query 2, key 0."),
        (np.inf, "weights must be finite, got inf at layer 4, head 1, query 2, key 0."),
        (-0.25, "weights must be 0 or more, got -0.25 at layer 4, head 1, query 2, key 0."),
        (1.5, "weights must have rows that sum to at most 1, got 2 at layer 4, head 1, query 2."),
    ],
)
def test_the_first_wrong_weight_is_named_with_its_place(library, value, message):
    weights = np.full((2, 3, 5), 0.125)
    weights[1, 2, 0] = value
    with pytest.raises(InputError) as error:
        check_weights(library(weights), "layer 4", argument="weights")
    assert message in str(error.value)


def test_nan_passes_only_where_it_is_allowed_and_hides_no_other_fault():
    weights = np.full((2, 3, 5), 0.125)
    weights[0, 0, 0] = np.nan
    check_weights(weights, "layer 0", allow_nan=True)
    weights[1, 1, 1] = 2
    with pytest.raises(InputError, match=r"sum to at most 1, got 2\.5 at layer 0, head 1, query 1"):
        check_weights(weights, "layer 0", allow_nan=True)


def test_rows_of_half_precision_are_summed_in_32_bits():
    weights = torch.full((1, 1, 4096), 1 / 4096, dtype=torch.float16)
    check_weights(weights, "layer 0", tolerance=1e-6)
    assert row_tolerance(weights) == ROW_TOLERANCE["float16"] > row_tolerance(np.eye(2))
