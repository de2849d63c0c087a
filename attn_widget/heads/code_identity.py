"""The parts of a function or a class that decide what it computes, for `identity`.

Code of the user is followed into the globals that it uses. Of installed packages the functions
themselves count, and what of the user's was put into them; their globals would be whole libraries.
"""

from __future__ import annotations

import builtins
import dis
import inspect
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any

# Folders of Python, of installed packages, and of this one.
INSTALLED = (
    *{sysconfig.get_path(name) for name in ("purelib", "platlib", "stdlib", "platstdlib")},
    str(Path(__file__).parents[1]),
    "<frozen",
)
PACKAGE = __name__.split(".")[0]
NO_CODE = ("builtins", "torch.nn.modules.module", "typing", "abc", "collections.abc")


def named(thing: Any) -> str:
    """Return the dotted name of a class or a function."""
    name = getattr(thing, "__qualname__", getattr(thing, "__name__", type(thing).__name__))
    return f"{getattr(thing, '__module__', '')}.{name}"


def function_parts(function: FunctionType) -> list[Any]:
    """Return code, defaults, closure and globals of a function; its name does not count."""
    cells = []
    for cell in function.__closure__ or ():
        try:
            cells.append(cell.cell_contents)
        except ValueError:  # not set yet
            cells.append(None)
    return [
        _code_parts(function.__code__),
        function.__defaults__,
        function.__kwdefaults__,
        cells,
        vars(function),
        list(_globals_of(function)),
    ]


def class_parts(cls: type) -> list[Any]:
    """Return the name of a class, and the code and constants of it and of its bases."""
    parts: list[Any] = [named(cls)]
    for base in cls.__mro__:
        if base.__module__ in NO_CODE:
            continue
        parts.append(named(base))
        if base.__module__.split(".")[0] == PACKAGE:  # a file names the version of this package
            continue
        for name, member in sorted(vars(base).items()):
            member = getattr(member, "__func__", getattr(member, "fget", member))
            if isinstance(member, FunctionType):
                own = is_installed(member)
                parts += [name, _library_code(member) if own else member]
            elif isinstance(member, bool | int | float | str | tuple) and name[:2] != "__":
                parts += [name, member]
    return parts


def written_by_forward(cls: type) -> set[str]:
    """Return the attributes that a module's forward writes, itself or by methods that it calls.

    They say what was run last, such as kept attention maps; the next run writes them anew.
    """
    found: set[str] = set()
    todo, seen = ["forward"], set[str]()
    while todo:
        name = todo.pop()
        method = inspect.unwrap(getattr(cls, name, None) or _nothing)
        if name in seen or not isinstance(method, FunctionType):
            continue
        seen.add(name)
        steps = list(dis.get_instructions(method.__code__))
        found |= {str(step.argval) for step in steps if step.opname == "STORE_ATTR"}
        for other in method.__code__.co_names:
            called = getattr(cls, other, None)
            if isinstance(called, FunctionType) and called.__module__ not in NO_CODE:
                todo.append(other)
    return found


def _nothing() -> None:
    """Stand in for a method that is not there."""


def is_installed(thing: Any) -> bool:
    """Return whether a function, class or module is Python's, this package's or an installed one's.

    What was typed into a notebook or lies in a user's folder is not.
    """
    if isinstance(thing, FunctionType):
        return thing.__code__.co_filename.startswith(INSTALLED)
    module = thing if isinstance(thing, ModuleType) else sys.modules.get(thing.__module__)
    file = getattr(module, "__file__", None)
    if file is None:  # a notebook's module has no file, and neither have built-in ones
        return getattr(module, "__name__", "__main__") != "__main__"
    return str(file).startswith(INSTALLED)


def _code_parts(code: CodeType) -> list[Any]:
    """Return what a code object does: its instructions, names and constants, without places."""
    constants = [_code_parts(c) if isinstance(c, CodeType) else c for c in code.co_consts]
    names = [code.co_names, code.co_varnames, code.co_freevars, code.co_argcount]
    return [code.co_code, *names, code.co_flags, constants]


def _library_code(function: FunctionType) -> list[Any]:
    """Return the code of a function of a library, of what it decorates, and what was patched in."""
    inner = getattr(function, "__wrapped__", None)
    wrapped = _library_code(inner) if isinstance(inner, FunctionType) else None
    return [_code_parts(function.__code__), wrapped, list(_globals_of(function))]


def _all_names(code: CodeType) -> Iterator[str]:
    """Return the names that a function and those inside it look up."""
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _all_names(constant)


def _globals_of(function: FunctionType) -> Iterator[Any]:
    """Return the globals that a function uses, each after its name."""
    of_library = is_installed(function)
    names = sorted(set(_all_names(function.__code__)))
    for name in names:
        if name not in function.__globals__:
            continue
        value = function.__globals__[name]
        defined = isinstance(value, FunctionType | type | ModuleType)
        if of_library:
            # Nothing of the library's own; a function of the user may have taken its place.
            if isinstance(value, FunctionType | type) and not is_installed(value):
                yield from (name, value)
        elif defined and is_installed(value):
            yield from (name, named(value))
        else:
            yield from (name, value)
            if isinstance(value, ModuleType):
                held = vars(value)
                yield from (part for n in names if n in held for part in (n, held[n]))
        if not of_library and isinstance(value, ModuleType) and value is not builtins:
            yield str(getattr(value, "__version__", ""))
