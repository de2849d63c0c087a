"""bertviz's `html_action`: display a view, or return it as a page or as the widget."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attn_widget.errors import InputError
from attn_widget.records import Capture, Runner

if TYPE_CHECKING:
    from IPython.display import HTML

    from attn_widget.widget.widget import AttentionWidget

ACTIONS = ("view", "return", "widget")
MODES = ("light", "dark")


def present(
    capture: Capture, action: str, runner: Runner | None = None, **traits: Any
) -> HTML | AttentionWidget | None:
    """Display a widget and return None (``view``), or return a page (``return``) or the widget."""
    from attn_widget.widget.widget import AttentionWidget

    widget = AttentionWidget(capture, runner, **traits)
    if action == "widget":
        return widget
    if action == "view":
        from IPython.display import display

        # A returned widget would be displayed again if the call is the last line of a cell.
        display(widget)
        return None
    from IPython.display import HTML

    from attn_widget.pages.page import static_html

    return HTML(static_html(widget.picture_state()))


def check_action(html_action: Any) -> None:
    """Raise InputError if html_action is unknown, before any work."""
    if html_action not in ACTIONS:
        raise InputError(
            f"html_action must be one of {', '.join(ACTIONS)}, got {html_action!r}. "
            "Choose one of these."
        )


def check_mode(display_mode: Any) -> None:
    """Raise InputError if display_mode is unknown, before any work."""
    if display_mode not in MODES:
        raise InputError(
            f"display_mode must be one of {', '.join(MODES)}, got {display_mode!r}. "
            "Choose one of these."
        )
