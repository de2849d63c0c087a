"""Attention, rollout and flow of any transformer, live in a notebook.

>>> import attn_widget as aw
>>> import numpy as np
>>> aw.rollout(np.array([[[[0.75, 0.25], [0.5, 0.5]]]]))
array([[0.875, 0.125],
       [0.25 , 0.75 ]])

Names load on first use: importing the package imports neither torch nor anywidget.
"""

from __future__ import annotations

from typing import Any

import lazy_loader

__version__ = "0.1.0"

# The public names and their modules are in __init__.pyi, which type checkers read too.
_load, _list_names, __all__ = lazy_loader.attach_stub(__name__, __file__)


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(
            f"module 'attn_widget' has no attribute {name!r}. Public names: {', '.join(__all__)}."
        )
    return _load(name)


def __dir__() -> list[str]:
    return [*_list_names(), "__version__"]
