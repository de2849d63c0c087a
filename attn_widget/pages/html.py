"""One self-contained HTML document: a payload and the front end; it fetches nothing.

The payload is base64, so that no token, whatever its characters, becomes markup.
"""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from dataclasses import dataclass

# The browser refuses every request of the page, whatever the page contains.
_POLICY = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:"
_STYLE = (
    ":root{color-scheme:light dark;--paper:#fff;--ink:#1a1c1f}"
    ":root[data-theme=light]{color-scheme:light}"
    ":root[data-theme=dark]{color-scheme:dark;--paper:#111;--ink:#e8e9eb}"
    "@media(prefers-color-scheme:dark)"
    "{:root:not([data-theme=light]){--paper:#111;--ink:#e8e9eb}}"
    "body{margin:16px auto;padding:0 16px;max-width:1100px;background:var(--paper);"
    "color:var(--ink);font:12px/18px system-ui,sans-serif}"
    "h1{font-size:13px;margin:0 0 12px;font-weight:600}"
    "footer{margin-top:20px;opacity:.65}p{margin:0;max-width:80ch}"
    "figure{margin:0}figure img{max-width:100%;height:auto}"
    # Only where no script replaces the picture.
    "figcaption{animation:shown 1ms 3s both}@keyframes shown{from{visibility:hidden}}"
)
_NO_SCRIPT = "A still picture: the page's own script, which draws the rest, may not run here."
TYPE = "application/vnd.attn-widget"
_EXPORT = re.compile(r"export\s*\{\s*([\w$]+) as default\s*\};?\s*$")
_HIDDEN = "lm-Widget lm-mod-hidden hidden"  # JupyterLab's style sheet and Bootstrap's
_SANDBOX = "allow-scripts allow-downloads"


@dataclass(frozen=True)
class StillPicture:
    """What a page shows where its script may not run: a PNG file in base64, and its words."""

    png: str
    words: str


def page(
    payload: str,
    widget: str,
    static: str,
    title: str,
    notes: Sequence[str],
    still: StillPicture | None = None,
) -> str:
    """Return a whole document: the payload, the notes for the reader, and the scripts.

    ``widget`` is the bundle of notebooks; ``static`` shows it without a kernel, and removes the
    still picture.
    """
    footer = "".join(f"<p>{html.escape(note)}</p>" for note in notes)
    heading = html.escape(" ".join(title.split()))
    figure = ""
    if still is not None:
        # Not in <noscript>: where a policy blocks scripts, the browser does not show that.
        figure = (
            f'<figure class="attn-still"><img src="data:image/png;base64,{still.png}" '
            f'alt="{html.escape(still.words)}"><figcaption>{_NO_SCRIPT}</figcaption></figure>'
        )
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        f"<title>{heading}</title><style>{_STYLE}</style></head><body><main><h1>{heading}</h1>"
        f'<script type="{TYPE}">{payload}</script>{figure}</main><footer>{footer}</footer>'
        f'<script type="module">{_inside_script(_shared(widget))}</script>'
        f'<script type="module">{_inside_script(static)}</script></body></html>\n'
    )


def iframe(page: str, title: str, height_px: int, sheet: str = "") -> str:
    """Return the page as one line: an iframe that runs scripts, saves files and fetches nothing.

    One line, because some hosts join the lines of an output with commas. Hosts that sanitise HTML
    (nbconvert) show forbidden tags as text and drop styles, but keep classes: these then hide it.
    ``sheet`` is a style sheet for what stands around it.
    """
    escaped = html.escape(page).replace("\n", "&#10;").replace("\r", "&#13;")
    label = html.escape(" ".join(title.split()))
    style = f"width:100%;height:{height_px}px;border:0;resize:vertical"
    frame = (
        f'<iframe title="{label}" sandbox="{_SANDBOX}" style="{style}" srcdoc="{escaped}"></iframe>'
    )
    head = f"<style>{sheet}</style>" if sheet else ""
    return f'<div class="{_HIDDEN}" style="display:block!important">{head}{frame}</div>'


def _shared(bundle: str) -> str:
    """Return the module with its default export assigned to a global for the next script.

    An inline module has no address, so no other script can import it.
    """
    code, found = _EXPORT.subn(r"globalThis.attn_widget=\1;", bundle)
    if found != 1:
        raise RuntimeError("widget.js must end in one default export. Build it again: make bundle.")
    return code


def _inside_script(code: str) -> str:
    """Return code that cannot end its own tag; these letters occur only inside strings."""
    return code.replace("</script", "<\\/script").replace("<!--", "<\\!--")
