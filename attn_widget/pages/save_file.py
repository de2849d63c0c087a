"""The picture on screen as a file, for the save button: a page or a figure."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any

from attn_widget.errors import InputError
from attn_widget.figures.of_state import figure_of
from attn_widget.pages.page import static_page
from attn_widget.pictures import PictureState
from attn_widget.pictures.protocol import MAX_MESSAGE_BYTES
from attn_widget.records import Progress, Report

MIMES = {"png": "image/png", "svg": "image/svg+xml", "html": "text/html"}
DOTS_PER_INCH = 200  # of a PNG


@dataclass(frozen=True, eq=False)
class SavedFile:
    """A file that is sent to the page, which saves it."""

    mime: str
    data: bytes

    def encode(self) -> tuple[dict[str, Any], list[bytes]]:
        """Return the JSON and the buffer of the reply."""
        return {"mime": self.mime}, [self.data]


def file_of(state: PictureState, kind: str, theme: str, report: Report) -> SavedFile:
    """Return the picture on screen as a file.

    Parameters
    ----------
    state
        What is on screen.
    kind
        ``html``, ``svg`` or ``png``.
    theme
        ``dark``, or anything else for light; a page follows its reader's theme.
    report
        Called during the work; may raise `Cancelled` to stop it.

    Raises
    ------
    InputError
        If there is no such kind, or the file is too large for one message.
    """
    if kind not in MIMES:
        raise InputError(
            f"format must be one of {', '.join(MIMES)}, got {kind!r}. Choose one of these."
        )
    if kind == "html":
        data = static_page(state, progress=report).encode()
    else:
        data = _figure(state, kind, "dark" if theme == "dark" else "light", report)
    if len(data) > MAX_MESSAGE_BYTES:
        raise InputError(
            f"file must have at most {MAX_MESSAGE_BYTES / 2**20:.0f} MiB to be sent to the page, "
            f"got {len(data) / 2**20:.1f}. Write it from a cell.",
            code=f'w.to_figure().savefig("attention.{kind}")',
        )
    return SavedFile(MIMES[kind], data)


def _figure(state: PictureState, kind: str, theme: str, report: Report) -> bytes:
    report(Progress("drawing", 0, 2))
    figure = figure_of(state, theme)
    report(Progress("drawing", 1, 2))
    out = io.BytesIO()
    figure.savefig(out, format=kind, dpi=DOTS_PER_INCH)
    return out.getvalue()
