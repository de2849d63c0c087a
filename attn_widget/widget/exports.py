"""What a widget can be written to that needs no kernel: a file, an output of a cell."""

from __future__ import annotations

import os
import pathlib
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from attn_widget.errors import InputError
from attn_widget.pages.contents import Report
from attn_widget.records import Progress
from attn_widget.widget import mime_bundle as snapshot
from attn_widget.widget.page import MAX_BYTES, bar, static_html, static_page

PROGRESS_EVERY_S = 0.5

if TYPE_CHECKING:
    from attn_widget.widget.widget import AttentionWidget


class Exports:
    """The methods of `AttentionWidget` that make pages."""

    def to_html(
        self: AttentionWidget,
        path: str | os.PathLike[str],
        *,
        methods: Sequence[str] | None = None,
        max_bytes: int = MAX_BYTES,
        progress: bool = True,
    ) -> pathlib.Path:
        """Return the path of a page, just written, that shows the widget without kernel, network or installation.

        All views, methods, layers and heads that fit are there and can be used as here: a weight ``w`` is
        stored as ``round(63·√w)``, 6 bits; 5 or 4 where that fits and 6 do not. The page says how exact it is.

        Parameters
        ----------
        path
            The file to write; an existing one is replaced.
        methods
            Names of methods to store. Left out: all that apply, other methods that keep heads apart only
            where they fit in 6 bits, and flow only where it is known already or takes under about a minute
            (``tokens³ · layers·(layers + 1) / 2`` of at most ``1.5·10⁹``).
        max_bytes
            What the whole file may have. Where all of it is too much even in 4 bits, these are left out in
            turn, and the page says so: other attentions (cross …), heads of layers that are not shown, all
            but the layer and head that are shown.
        progress
            Draw a bar for work that takes more than a second.

        Returns
        -------
        pathlib.Path
            The file. It fetches nothing, and its own policy forbids it to.

        Raises
        ------
        InputError
            If a method does not exist, or ``max_bytes`` has no room for the script (100 kB) and one head.

        Notes
        -----
        Only numbers are stored, no model: text, residual and the other settings of joint methods are as they
        are now. Queries and keys are those of ``w.layer`` and ``w.head``, for the neuron view.

        Examples
        --------
        >>> import pathlib, tempfile
        >>> import numpy as np
        >>> import attn_widget as aw
        >>> capture = aw.from_arrays(np.array([[[[0.75, 0.25], [0.5, 0.5]]]]), ["big", "cat"])
        >>> path = aw.AttentionWidget(capture).to_html(pathlib.Path(tempfile.mkdtemp()) / "cat.html")
        >>> path.name, path.stat().st_size < 150_000
        ('cat.html', True)
        """
        with bar(progress) as report:
            page = static_page(self, methods=methods, max_bytes=max_bytes, progress=report)
        path = pathlib.Path(path).expanduser()
        path.write_bytes(page.encode())  # as it is: no other line ends on other systems
        return path

    def show_static(
        self: AttentionWidget, *, methods: Sequence[str] | None = None, max_bytes: int = MAX_BYTES
    ) -> None:
        """Show the picture in this cell so that the saved notebook has it: as PNG, then as a page that can be used.

        The page is one line of HTML, a sandboxed frame that runs its own script and can reach nothing else.
        Viewers that run no scripts (GitHub) keep the PNG; others (nbviewer, nbconvert, JupyterLab
        without a kernel, Colab) show both.

        Parameters
        ----------
        methods, max_bytes
            As in `to_html`.

        Raises
        ------
        InputError
            If this is no notebook, or as in `to_html`.

        Examples
        --------
        >>> import numpy as np
        >>> import attn_widget as aw
        >>> capture = aw.from_arrays(np.array([[[[0.75, 0.25], [0.5, 0.5]]]]), ["big", "cat"])
        >>> aw.AttentionWidget(capture).show_static()  # doctest: +SKIP
        """
        from IPython import get_ipython
        from IPython.display import display

        if get_ipython() is None:
            raise InputError(
                "show_static must run in a notebook, got none. Write a file: w.to_html(path)."
            )
        still = snapshot.bundle(self)
        display(still, raw=True)
        # Progress is written where the page will stand: a bar would stay in the saved notebook.
        place = display({"text/plain": "making the page …"}, raw=True, display_id=True)
        page = static_html(self, methods=methods, max_bytes=max_bytes, progress=_written(place))
        place.update({"text/html": page, "text/plain": still["text/plain"]}, raw=True)


def _written(place: Any) -> Report:
    """Return a callback that says in an output how far the work has come, now and then."""
    last = time.monotonic()

    def report(step: Progress) -> None:
        nonlocal last
        if time.monotonic() - last > PROGRESS_EVERY_S:
            last = time.monotonic()
            said = f"making the page: {step.what}, {step.done / max(step.total, 1):.0%}"
            place.update({"text/plain": said}, raw=True)

    return report
