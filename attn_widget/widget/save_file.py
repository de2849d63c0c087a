"""A widget as a file, for the button in its bar: a page, or a figure."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from attn_widget.errors import InputError
from attn_widget.pages.contents import Report
from attn_widget.pictures.protocol import MAX_MESSAGE_BYTES
from attn_widget.records import Progress
from attn_widget.widget.page import static_page

if TYPE_CHECKING:
    from attn_widget.widget.widget import AttentionWidget

MIMES = {"html": "text/html", "svg": "image/svg+xml", "png": "image/png"}
DOTS_PER_INCH = 200  # of a PNG


@dataclass(frozen=True, eq=False)
class File:
    """A whole file on its way to the page, which saves it."""

    mime: str
    data: bytes

    def encode(self) -> tuple[dict[str, Any], list[bytes]]:
        """Return what crosses the wire."""
        return {"mime": self.mime}, [self.data]


def file_of(widget: AttentionWidget, kind: Any, theme: Any, report: Report) -> File:
    """Return what a widget shows as a file of this kind: ``html``, ``svg`` or ``png``.

    Raises
    ------
    InputError
        If there is no such kind, matplotlib is not installed, or the file is too large to cross to the page.
    """
    if kind not in MIMES:
        raise InputError(
            f"format must be one of {', '.join(MIMES)}, got {kind!r}. Choose one of these."
        )
    if kind == "html":
        data = static_page(widget, progress=report).encode()
    else:
        data = _figure(widget, kind, "dark" if theme == "dark" else "light", report)
    if len(data) > MAX_MESSAGE_BYTES:
        raise InputError(
            f"the file must have at most {MAX_MESSAGE_BYTES / 2**20:.0f} MiB to cross to the page, got "
            f"{len(data) / 2**20:.1f}. Write it from a cell.",
            code=f'w.to_figure().savefig("attention.{kind}")',
        )
    return File(MIMES[kind], data)


def _figure(widget: AttentionWidget, kind: str, theme: str, report: Report) -> bytes:
    report(Progress("drawing", 0, 2))
    figure = widget.to_figure(theme=theme)
    report(Progress("drawing", 1, 2))
    out = io.BytesIO()
    figure.savefig(out, format=kind, dpi=DOTS_PER_INCH)
    return out.getvalue()
