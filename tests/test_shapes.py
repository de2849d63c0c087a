"""The test run checks the array shapes in signatures."""

import sys

import numpy as np
import pytest

from attn_widget.pictures.frame import max_pool


@pytest.mark.skipif(
    sys.version_info < (3, 11), reason="shapes are checked from Python 3.11 on (tests/conftest.py)"
)
def test_an_array_of_another_rank_is_refused():
    with pytest.raises(Exception, match="Type-check error"):
        max_pool(np.zeros(3), 1, 1)
