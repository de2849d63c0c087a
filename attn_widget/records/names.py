"""The rule for names that a caller gives: one that exists, or an error with the nearest one."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Iterable
from typing import Any

from attn_widget.errors import InputError


def nearest_name(given: str, known: Iterable[str]) -> str | None:
    """Return the known name that is spelt most like the given one, or None where none is.

    Examples
    --------
    >>> nearest_name("veiw", ["layer", "view"])
    'view'
    """
    found = difflib.get_close_matches(str(given), list(known), n=1, cutoff=0.6)
    return found[0] if found else None


def check_names(argument: str, given: Iterable[str], known: Iterable[str]) -> None:
    """Refuse the first name that is not known, with the nearest one that is.

    Parameters
    ----------
    argument
        What the names are called; the error begins with it.
    given, known
        Names.

    Raises
    ------
    InputError
        If a name is not known.

    Examples
    --------
    >>> check_names("traits", ["veiw"], ["layer", "view"])
    Traceback (most recent call last):
        ...
    attn_widget.errors.InputError: traits must be among layer, view, got 'veiw'. Use 'view'.
    """
    names = list(dict.fromkeys(known))
    for name in given:
        if name not in names:
            near = nearest_name(name, names)
            remedy = "Check the spelling." if near is None else f"Use {near!r}."
            raise InputError(f"{argument} must be among {', '.join(names)}, got {name!r}. {remedy}")


def arguments_of(
    function: Callable[..., Any], *, without: Iterable[str] = ("self", "runner")
) -> tuple[str, ...]:
    """Return the names of a function's arguments, without those that take any number.

    Examples
    --------
    >>> arguments_of(check_names)
    ('argument', 'given', 'known')
    """
    variable = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    left = set(without)
    return tuple(
        name
        for name, parameter in inspect.signature(function).parameters.items()
        if parameter.kind not in variable and name not in left
    )
