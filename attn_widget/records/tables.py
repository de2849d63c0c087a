"""Results as text tables, HTML elements and pandas data frames."""

from __future__ import annotations

import html
import importlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from attn_widget.errors import MethodError


class Html(str):
    """A piece of HTML in which everything is escaped already."""


def text_table(rows: Sequence[Sequence[str]], left: int = 1) -> str:
    """Return rows of cells as text in columns, as wide as their widest cell.

    Parameters
    ----------
    rows
        Rows of as many cells each, headings first.
    left
        How many columns, from the first, are aligned to the left; the others to the right.

    Examples
    --------
    >>> print(text_table([["method", "layer 0"], ["raw", "+0.50"]]))
    method  layer 0
    raw       +0.50
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        cells = [
            cell.ljust(width) if i < left else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def element(tag: str, *children: str, **attributes: str) -> Html:
    """Return one HTML element; children that are not `Html`, and all attributes, are escaped.

    Examples
    --------
    >>> element("b", "a < b", title='"x"')
    '<b title="&quot;x&quot;">a &lt; b</b>'
    """
    opened = "".join(f' {name}="{html.escape(value)}"' for name, value in attributes.items())
    inside = "".join(child if isinstance(child, Html) else html.escape(child) for child in children)
    return Html(f"<{tag}{opened}>{inside}</{tag}>")


def data_frame(rows: Iterable[Mapping[str, Any]], name: str = "table") -> Any:
    """Return records as a pandas DataFrame; ``name`` is how the error calls their owner.

    Raises
    ------
    MethodError
        If pandas is not installed.
    """
    return installed("pandas", "to_pandas", f"read {name}.rows()").DataFrame(list(rows))


def installed(module: str, what: str, instead: str) -> Any:
    """Return an optional module, or refuse with the line that installs it.

    Raises
    ------
    MethodError
        If it is not installed.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        name = module.split(".")[0]
        raise MethodError(
            f"{name} must be installed for {what}, got none. Install it, or {instead}.",
            code=f"pip install {name}",
        ) from error
