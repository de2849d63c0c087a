"""Progress of the work on a page: a bar, or a line in the output of a cell."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from attn_widget.records import Progress, Report

OUTPUT_EVERY_S = 0.5  # seconds between two updates of an output
BAR_AFTER_S = 1.0  # seconds before a bar appears


def ignore(step: Progress) -> None:
    """Report nothing."""


@contextmanager
def progress_bar(shown: bool) -> Iterator[Report]:
    """Give a callback that draws a bar in the terminal or the cell after `BAR_AFTER_S`."""
    from tqdm import tqdm

    with tqdm(disable=not shown, delay=BAR_AFTER_S, leave=False, unit="") as line:

        def report(step: Progress) -> None:
            line.total = step.total
            line.set_description(step.what, refresh=False)
            line.update(step.done - line.n)

        yield report


def progress_in_output(output: Any) -> Report:
    """Return a callback that writes the progress into an output, an IPython ``DisplayHandle``.

    A bar would stay in a saved notebook; this output is replaced by the page.
    """
    last = time.monotonic()

    def report(step: Progress) -> None:
        nonlocal last
        if time.monotonic() - last > OUTPUT_EVERY_S:
            last = time.monotonic()
            line = f"making the page: {step.what}, {step.done / max(step.total, 1):.0%}"
            output.update({"text/plain": line}, raw=True)

    return report
