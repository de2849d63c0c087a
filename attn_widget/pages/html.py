"""One self-contained page of HTML: a payload, the front end, and nothing that has to be fetched.

The payload is base64, so that no token, whatever it holds, ever stands in the markup.
"""

from __future__ import annotations

import html
import re
from collections.abc import Sequence

# Whatever a page is made to hold, the browser itself keeps it from fetching or sending anything.
_POLICY = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:"
_STYLE = (
    ":root{color-scheme:light dark;--paper:#fff;--ink:#1a1c1f}"
    ":root[data-theme=light]{color-scheme:light}:root[data-theme=dark]{color-scheme:dark;--paper:#111;--ink:#e8e9eb}"
    "@media(prefers-color-scheme:dark){:root:not([data-theme=light]){--paper:#111;--ink:#e8e9eb}}"
    "body{margin:16px auto;padding:0 16px;max-width:1100px;background:var(--paper);color:var(--ink);"
    "font:12px/18px system-ui,sans-serif}footer{margin-top:20px;opacity:.65}p{margin:0;max-width:80ch}"
)
_NO_SCRIPT = "This picture is drawn by the page's own script, which is not allowed to run here."
TYPE = "application/vnd.attn-widget"
_EXPORT = re.compile(r"export\s*\{\s*([\w$]+) as default\s*\};?\s*$")
_HIDDEN = "lm-Widget lm-mod-hidden hidden"  # JupyterLab's style sheet and Bootstrap's
_SANDBOX = "allow-scripts allow-downloads"


def page(payload: str, widget: str, host: str, title: str, notes: Sequence[str]) -> str:
    """Return a whole page: the payload in a tag that the host looks for, what a reader must know, the two scripts.

    ``widget`` is the bundle that notebooks load, ``host`` the one that shows it without a kernel.
    """
    said = "".join(f"<p>{html.escape(note)}</p>" for note in notes)
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        f"<title>{html.escape(' '.join(title.split()))}</title><style>{_STYLE}</style></head><body>"
        f'<script type="{TYPE}">{payload}</script><footer>{said}<noscript><p>{_NO_SCRIPT}</p></noscript></footer>'
        f'<script type="module">{_inside_script(_shared(widget))}</script>'
        f'<script type="module">{_inside_script(host)}</script></body></html>\n'
    )


def iframe(page: str, title: str, height_px: int) -> str:
    """Return the page as one line: an iframe that runs scripts and saves files, and can reach nothing else.

    One line, because some hosts join the lines of an output with commas. Where HTML is sanitised (nbconvert),
    tags that are not allowed become visible text and styles are dropped, classes not: then these hide all of it.
    """
    escaped = html.escape(page).replace("\n", "&#10;").replace("\r", "&#13;")
    label = html.escape(" ".join(title.split()))
    style = f"width:100%;height:{height_px}px;border:0;resize:vertical"
    frame = (
        f'<iframe title="{label}" sandbox="{_SANDBOX}" style="{style}" srcdoc="{escaped}"></iframe>'
    )
    return f'<div class="{_HIDDEN}" style="display:block!important">{frame}</div>'


def _shared(bundle: str) -> str:
    """Return a module whose default export the next script can reach: no script can import one that has no address."""
    code, found = _EXPORT.subn(r"globalThis.attn_widget=\1;", bundle)
    if found != 1:
        raise RuntimeError("widget.js must end in one default export. Build it again: make bundle.")
    return code


def _inside_script(code: str) -> str:
    """Return code that cannot end its own tag: these letters only ever stand inside strings there."""
    return code.replace("</script", "<\\/script").replace("<!--", "<\\!--")
