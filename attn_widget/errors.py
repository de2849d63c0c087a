"""Every error this package raises on purpose.

::

    AttnWidgetError              something we refuse, with the line that mends it
    ├── InputError (ValueError)  an argument breaks its rule: wrong value, shape or range
    ├── NoAttentionError         the model ran, and nothing in it took a softmax of q·kᵀ
    ├── MethodError              this method cannot be applied to this capture
    └── Cancelled                the caller asked for long work to stop

Messages read ``<argument> must <rule>, got <value>[ at <where>]. <What to do.>`` and are checked
before any work starts. ``code`` may hold one line of Python that mends it; the widget shows that
line ready to copy.
"""

from __future__ import annotations


class AttnWidgetError(Exception):
    """Base of all our errors: a sentence with its remedy, and perhaps one line of code to copy."""

    def __init__(self, message: str, *, code: str | None = None) -> None:
        super().__init__(message if code is None else f"{message}\n\n    {code}")
        self.message = message
        self.code = code

    def _render_traceback_(self) -> list[str]:
        """Show IPython the sentence alone: the caller can act on it, and our frames would only bury it."""
        return [f"{type(self).__name__}: {self}"]


class InputError(AttnWidgetError, ValueError):
    """An argument breaks its rule. Nothing was computed and nothing was changed."""


class NoAttentionError(AttnWidgetError):
    """The model ran and no softmax attention was found in it."""


class MethodError(AttnWidgetError):
    """A method cannot be applied here; the message names what is missing and what would work."""


class Cancelled(AttnWidgetError):
    """Raised inside long work after the caller cancelled it. Finished rows are kept by the caller."""
