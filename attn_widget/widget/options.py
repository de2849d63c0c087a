"""Methods of the widget refuse an unknown option with the nearest right name."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any, TypeVar

from attn_widget.records.names import check_names

F = TypeVar("F", bound=Callable[..., Any])


def known_options_only(method: F) -> F:
    """Return a method that raises `InputError` for an option that it does not have.

    Examples
    --------
    >>> @known_options_only
    ... def save(self, *, theme="light"):
    ...     return theme
    >>> save(None, thme="dark")
    Traceback (most recent call last):
        ...
    attn_widget.errors.InputError: options must be among theme, got 'thme'. Use 'theme'.
    """
    known = list(inspect.signature(method).parameters)[1:]

    @functools.wraps(method)
    def checked(self: Any, *args: Any, **options: Any) -> Any:
        check_names("options", options, known)
        return method(self, *args, **options)

    return checked  # type: ignore[return-value]
