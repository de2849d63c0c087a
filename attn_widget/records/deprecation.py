"""Old names of arguments: taken for one version, with a warning."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

from attn_widget.errors import InputError

P = ParamSpec("P")
R = TypeVar("R")


def renamed_arguments(**new_names: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Return a decorator that takes arguments under their old names too: ``old="new"``.

    Examples
    --------
    >>> @renamed_arguments(how="mode")
    ... def ablate(*, mode="zero"):
    ...     return mode
    >>> ablate(mode="mean")
    'mean'
    """

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        @functools.wraps(function)
        def call(*args: P.args, **kwargs: P.kwargs) -> R:
            given: dict[str, Any] = kwargs
            for old in new_names.keys() & given.keys():
                new = new_names[old]
                if new in given:
                    raise InputError(
                        f"{new} must be given once, got {old} too. {old} is its former name."
                    )
                warnings.warn(f"{old}= is now called {new}=", DeprecationWarning, stacklevel=2)
                given[new] = given.pop(old)
            return function(*args, **kwargs)

        return call

    return decorate
