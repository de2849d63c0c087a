"""Pages are made of widgets, too: the messages of a widget are recorded as in tests/widget."""

from tests.widget.conftest import wire as wire
