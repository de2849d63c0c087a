"""NumPy out of whatever holds the numbers."""

from __future__ import annotations

from typing import Any

import numpy as np


def to_numpy(array: Any) -> np.ndarray:
    """Return any array as NumPy on the CPU, bfloat16 widened to float32; NumPy passes unchanged."""
    if isinstance(array, np.ndarray):
        return array
    if hasattr(array, "detach"):  # torch, without importing it
        array = array.detach().cpu()
        if "bfloat16" in str(array.dtype):
            array = array.float()
        return array.numpy()
    return np.asarray(array)
