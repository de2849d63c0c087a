"""The outputs of a displayed widget: its live view, and a still picture for where it is not live.

A host shows one form of each output, and takes the live view even where the notebook was saved
without the state that it needs. So the still picture is an output of its own, which the live view,
once it has drawn, finds and hides (``js/src/app/still.js``): by a mark in the bytes of the file,
or, where a host writes the file to another place, as the next image that has its size.
"""

from __future__ import annotations

import base64
import struct
import zlib
from collections.abc import Callable
from typing import Any
from uuid import uuid4

_HEADER_BYTES = 33  # of a PNG file: its signature and its first chunk
_KEYWORD = b"attn-widget\0"
_TYPE = b"tEXt"  # a chunk of text, which viewers ignore
KEY_LENGTH = 32
MOST_SHOWN = 10  # outputs of one widget that are kept in mind


def _chunk(key: str) -> bytes:
    """Return the chunk that marks a PNG file."""
    text = _KEYWORD + key.encode("ascii")
    body = _TYPE + text
    return struct.pack(">I", len(text)) + body + struct.pack(">I", zlib.crc32(body))


def mark_of(key: str) -> str:
    """Return what the base64 of a PNG file marked with ``key`` contains, and no other's does.

    Examples
    --------
    >>> still = marked(base64.b64encode(bytes(33) + b"rest").decode(), "0" * 32)
    >>> mark_of("0" * 32) in still, mark_of("1" * 32) in still
    (True, False)
    """
    # The chunk begins at a multiple of three bytes; only whole triples have letters of their own.
    whole = 4 + len(_TYPE) + len(_KEYWORD) + KEY_LENGTH
    return base64.b64encode(_chunk(key)[: whole // 3 * 3]).decode()


# What the base64 of every marked PNG file contains.
_ANY_MARK = mark_of("0" * KEY_LENGTH)[: (8 + len(_KEYWORD)) // 3 * 4]


def marked(png: str, key: str) -> str:
    """Return the base64 of a PNG file, given as base64, with the mark of ``key``."""
    data = base64.b64decode(png)
    data = data[:_HEADER_BYTES] + _chunk(key) + data[_HEADER_BYTES:]
    return base64.b64encode(data).decode()


def hiding(key: str) -> str:
    """Return a style sheet that hides the still picture marked with ``key``."""
    return f'img[src*="{mark_of(key)}"]{{display:none}}'


# JupyterLab and Notebook 7 write a line where a live view was: "model not found" if its state was
# not saved, "Loading widget..." if there is no kernel. This hides it beside a still picture. It is
# a script, because hosts that sanitise outputs drop scripts, but show the text of a style sheet.
_NO_ERROR = f"""{{
  const style = document.createElement("style");
  style.textContent =
    `.jp-OutputArea:has(img[src*="{_ANY_MARK}"]) > ` +
    ".jp-OutputArea-child:has(> .jp-OutputArea-output.lm-Panel)" +
    ":not(:has(> .jp-OutputArea-output > *)) {{ display: none }}";
  document.head.append(style);
}}"""


class Still:
    """The still picture of one widget in the outputs of cells.

    Parameters
    ----------
    on_change
        Called with what the live view must know of the pictures, whenever one is displayed.
    """

    def __init__(self, on_change: Callable[[dict[str, Any]], None]) -> None:
        self.key = uuid4().hex
        self._on_change = on_change
        self._shown: list[tuple[Any, tuple[int, int]]] = []  # displayed last: its output and size

    def display(self, live: tuple[dict[str, Any], dict[str, Any]]) -> None:
        """Display a live view, and beside it the ``image/png`` of the same bundle.

        Parameters
        ----------
        live
            The mime bundle of the view and its metadata.
        """
        from IPython.display import display

        data, metadata = live
        data = dict(data)
        png = data.pop("image/png", None)
        display(data, metadata=metadata, raw=True)
        if png is None:
            return
        size = _size_of(png)
        self._shown = self._shown[1 - MOST_SHOWN :]
        self._on_change({"mark": mark_of(self.key), "sizes": [*(s for _, s in self._shown), size]})
        handle = display({"image/png": marked(png, self.key)}, raw=True, display_id=True)
        self._shown.append((handle, size))
        display({"application/javascript": _NO_ERROR}, raw=True)

    def withdraw(self) -> None:
        """Empty the outputs with the picture: a host shows it where the live view cannot hide it.

        Such a host keeps the state of widgets itself.
        """
        shown, self._shown = self._shown, []
        for handle, _ in shown:
            handle.update({}, raw=True)


def _size_of(png: str) -> tuple[int, int]:
    """Return width and height of a PNG file, given as base64."""
    width, height = struct.unpack(">II", base64.b64decode(png[:44])[16:24])
    return width, height
