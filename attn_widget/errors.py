"""Every error this package raises on purpose.

::

    AttnWidgetError              base: a sentence with its remedy
    ├── InputError (ValueError)  an argument breaks its rule: wrong value, shape or range
    │   └── MethodError          this method cannot be applied to this capture
    ├── NoAttentionError         the model ran, and nothing in it took a softmax of q·kᵀ
    └── Cancelled                the caller asked for long work to stop

Messages read ``<argument> must <rule>, got <value>[ at <where>]. <What to do.>`` and are checked
before any work starts. ``code`` may hold one line of Python that solves it; the widget shows that
line ready to copy.
"""

from __future__ import annotations


class AttnWidgetError(Exception):
    """Base of all errors of this package: a sentence with its remedy, sometimes a line of code."""

    def __init__(self, message: str, *, code: str | None = None) -> None:
        super().__init__(message if code is None else f"{message}\n\n    {code}")
        self.message = message
        self.code = code

    def _render_traceback_(self) -> list[str]:
        """Return what IPython prints: the sentence alone, without the frames of this package."""
        return [f"{type(self).__name__}: {self}"]


class InputError(AttnWidgetError, ValueError):
    """An argument breaks its rule. Nothing was computed and nothing was changed."""


class NoAttentionError(AttnWidgetError):
    """The model ran and no softmax attention was found in it."""


class MethodError(InputError):
    """A method cannot be applied here; the message names what is missing and what would work."""


class Cancelled(AttnWidgetError):
    """Long work stopped because the caller cancelled it; the caller keeps finished rows."""
