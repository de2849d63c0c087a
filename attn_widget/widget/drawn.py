"""The drawing data of what is on screen, kept in the widget's state.

A host that keeps the state of widgets (a saved notebook, nbconvert, an exported page) draws it
without a kernel.
"""

from __future__ import annotations

from typing import Any

from attn_widget import __version__
from attn_widget.pictures import Frame

FORMAT = 1  # of this record; pages draw no other
MAX_BYTES = 200_000  # a saved notebook holds one of these for each displayed widget


def drawn(frame: Frame, query: int | None = None) -> dict[str, Any]:
    """Return the record of a frame; {} where it is too large to be saved.

    Parameters
    ----------
    frame
        What is on screen.
    query
        The query whose numbers the frame holds, where it holds those of one.
    """
    header, buffers = frame.encode()
    if sum(map(len, buffers)) > MAX_BYTES:
        return {}
    return {
        "format": FORMAT,
        "version": __version__,
        "header": header,
        "query": query,
        "buffers": buffers,
    }
