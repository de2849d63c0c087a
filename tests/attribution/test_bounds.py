"""The cheap upper bounds on flow: exactly the smallest of the cuts that the docstring names."""

from __future__ import annotations

import numpy as np
import pytest

from attn_widget.attribution.bounds import at_bound, cut_bounds
from tests import oracles
from tests.attribution.families import FAMILIES, mixed

SIZES = [(1, 4), (2, 5), (3, 4), (5, 6)]  # layers, tokens


@pytest.mark.parametrize("family", FAMILIES)
def test_upper_is_the_smallest_of_all_four_kinds_of_cut(family):
    rng = np.random.default_rng(4)
    for layers, n in SIZES:
        matrices = mixed(FAMILIES[family](rng, layers, n), 0.3)
        one_end, both_ends = oracles.smallest_cuts(matrices)
        upper, saturating = cut_bounds(matrices)
        assert upper == pytest.approx(np.minimum(one_end, both_ends), abs=1e-12), (layers, n)
        assert saturating == pytest.approx(one_end, abs=1e-12), (layers, n)


def test_a_value_is_at_its_bound_to_rounding_and_zero_never_is():
    bound = np.array([[0.5, 0.5, 0.0, 0.5]])
    values = np.array([[0.5, 0.5 - 1e-13, 0.0, 0.5 - 1e-9]])
    assert at_bound(values, bound).tolist() == [[True, True, False, False]]
