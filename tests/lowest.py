"""A pytest plugin for `make test-lowest`: skip what the lowest allowed versions cannot do.

Old libraries lack features that the tests use, which is no fault of this package. Every other
failure with the lowest versions stays a failure.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

# Part of the error message: why the test is skipped.
ERRORS = {
    "module transformers has no attribute": "transformers 4.53 lacks this family of models",
    "has no attribute 'set_attn_implementation'": (
        "transformers 4.53 cannot change the attention of a loaded model"
    ),
    "upgrade torch to at least v2.6": "transformers 4.53 loads .bin weights with torch 2.6 only",
    "unsupported operand type(s) for +: 'NoneType' and 'tuple'": (
        "transformers 4.53 fails when BLIP's text model returns its attention"
    ),
}
# Regular expression for the test's id: why the test is skipped.
TESTS = {
    r"three_groups": "FSMT of transformers 4.53 passes only the last token to its decoder",
    r"one_pass_over_the_final_text\[(Gemma2|Mistral)-\w+-False": (
        "transformers 4.53 has no cache of a sliding window"
    ),
    r"finite_differences\[gemma2|the_models_own\[modernbert": (
        "float32 of torch 2.2 rounds by more than the tolerance"
    ),
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip the tests in `TESTS`."""
    for item in items:
        for pattern, reason in TESTS.items():
            if re.search(pattern, item.nodeid):
                item.add_marker(pytest.mark.skip(reason=reason))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup() -> Iterator[None]:
    """Skip a test whose fixture fails with one of `ERRORS`."""
    yield from skip_known_errors()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call() -> Iterator[None]:
    """Skip a test that fails with one of `ERRORS`."""
    yield from skip_known_errors()


def skip_known_errors() -> Iterator[None]:
    """Run the rest of a hook; turn one of `ERRORS` into a skipped test."""
    try:
        yield
    except (Exception, pytest.fail.Exception) as raised:
        error: BaseException | None = raised
        while error is not None:  # pytest.raises and pytest.warns hide the first error
            for part, reason in ERRORS.items():
                if part in str(error):
                    pytest.skip(reason)
            error = error.__context__
        raise
