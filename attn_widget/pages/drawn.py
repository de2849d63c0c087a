"""The drawing data of what is on screen, kept in the widget's state.

A host that keeps the state of widgets (a saved notebook, nbconvert, an exported page) draws it
without a kernel.
"""

from __future__ import annotations

from typing import Any

from attn_widget import __version__
from attn_widget.pictures import Frame
from attn_widget.pictures.coarser import coarser

FORMAT = 1  # of this record; pages draw no other
MAX_BYTES = 200_000  # a saved notebook holds one of these for each displayed widget, as base64


def drawn(frame: Frame, query: int | None = None) -> dict[str, Any]:
    """Return the record of a frame, coarser if it is too large to be saved.

    If even the coarsest frame is too large, the record has no header.

    Parameters
    ----------
    frame
        What is on screen.
    query
        The query whose numbers the frame holds, where it holds those of one.
    """
    record = {"format": FORMAT, "version": __version__, "query": query}
    fields = dict(frame.fields)
    if fields["queries"] == fields["keys"]:  # of one text: kept once
        del fields["keys"]
    fitting = coarser(Frame(fields, frame.arrays), MAX_BYTES * 3 // 4)  # base64 is 4/3 as long
    if fitting is None:
        return record
    header, buffers = fitting.encode()
    return record | {"header": header, "buffers": buffers}
