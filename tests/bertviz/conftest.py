"""A widget must not need a front end in these tests."""

from tests.widget.conftest import wire  # noqa: F401
