"""One self-contained page of HTML: a payload, the front end, and nothing that has to be fetched.

The payload is base64, so that no token, whatever it holds, ever stands in the markup.
"""

from __future__ import annotations

import html

# Whatever a page is made to hold, the browser itself keeps it from fetching or sending anything.
_POLICY = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:"
_STYLE = (
    ":root{color-scheme:light dark}"
    "body{margin:16px auto;padding:0 16px;max-width:1100px;font:13px/20px system-ui,sans-serif}"
)
_SANDBOX = "allow-scripts allow-downloads"


def page(payload: str, script: str, title: str) -> str:
    """Return a whole page: the payload in a tag that the script looks for, then the script itself."""
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        f"<title>{html.escape(' '.join(title.split()))}</title><style>{_STYLE}</style></head><body>"
        f'<script type="application/vnd.attn-widget+json">{payload}</script>'
        f'<script type="module">{_inside_script(script)}</script></body></html>\n'
    )


def iframe(page: str, title: str, height_px: int) -> str:
    """Return the page as one line: an iframe that runs scripts and saves files, and can reach nothing else.

    One line, because some hosts join the lines of an output with commas.
    """
    escaped = html.escape(page).replace("\n", "&#10;").replace("\r", "&#13;")
    label = html.escape(" ".join(title.split()))
    style = f"width:100%;height:{height_px}px;border:0;resize:vertical"
    return f'<iframe title="{label}" sandbox="{_SANDBOX}" style="{style}" srcdoc="{escaped}"></iframe>'


def _inside_script(code: str) -> str:
    """Return code that cannot end its own tag: these letters only ever stand inside strings there."""
    return code.replace("</script", "<\\/script").replace("<!--", "<\\!--")
