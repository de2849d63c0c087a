"""AttentionWidget: a capture, live in a notebook cell, and what a user can make of it."""

from __future__ import annotations

import os
import pathlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from attn_widget import bundle
from attn_widget.errors import InputError
from attn_widget.pages.mime_bundle import mime_bundle, shown_frame, shown_query
from attn_widget.pages.myst import write_myst
from attn_widget.pages.page import MAX_BYTES, display_page, write_page
from attn_widget.pictures.rules import VIEW_RULES
from attn_widget.pictures.shown_heads import shown_heads
from attn_widget.records import Capture, Runner, most_heads
from attn_widget.widget import loader
from attn_widget.widget.options import known_options_only
from attn_widget.widget.running import RunningPicture

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class AttentionWidget(RunningPicture):
    """A live picture of a capture's attention in a notebook cell, synchronised with Python.

    Parameters
    ----------
    capture
        A `Capture`: from ``runner.run``, ``aw.capture`` or ``aw.from_arrays``.
    runner
        A `Runner`: setting ``text`` runs its model. Without one, setting ``text`` raises.
    **traits
        Any trait below, e.g. ``view="matrix"``, ``method="rollout"``, ``layer=3``.

    Attributes
    ----------
    view, method, attention : str
        The view; the attribution method; which of the capture's attentions.
    layer : int
        0 nearest the input (papers count from 1).
    heads : list of int
        The heads that are on; ``head`` stays if it is one of them, else the first becomes it.
    head : int
        The one of them that the matrix and neuron views show. Setting it chooses this head alone.
    part : int
        Which window, picture or frame of the layers that have several, from 0.
    query, key : list of int
        Pinned positions, set by a click. A single integer may be assigned.
    residual, reduce, normalise, baseline
        How joint matrices are made: weight of the residual stream (0 to 1); heads by ``mean``,
        ``max`` or ``min``; rows divided by their sum; values divided by those of the same method
        on uniform causal attention.
    text, pair : str
        The sentence, and the second one or ""; setting either makes the capture again, as it was
        made: ``generate`` writes again, and a ``target``, pictures and gradients are kept.
    threshold, hide_special, words, find, theme
        How it is drawn: shares below the threshold are left out; special tokens are hidden;
        tokens are merged to words; tokens that contain the string are marked; ``auto``,
        ``light`` or ``dark``.
    segments : str
        ``all``, or for a pair ``A-A``, ``A-B``, ``B-A``, ``B-B``: the sentence of the queries and
        the sentence of the keys.
    hide_sinks : bool
        Hide attention sinks: keys that take more than 30 % of all attention.
    metric : HeadScores, array (layer, head), or None
        Numbers by which the model view can sort, filter and colour its heads.
    step : int
        The generation step whose query is pinned; −1 for none. Captures of ``runner.generate``.
    truncate : bool
        Cut texts that are longer than the model allows, instead of refusing them.

    Raises
    ------
    InputError
        If a value breaks the rule of its trait; the trait keeps its value.

    Examples
    --------
    >>> import numpy as np
    >>> import attn_widget as aw
    >>> capture = aw.from_arrays(np.array([[[[0.75, 0.25], [0.5, 0.5]]]]), ["a", "b"])
    >>> w = aw.AttentionWidget(capture, view="matrix")
    >>> w.matrix()
    array([[0.75, 0.25],
           [0.5 , 0.5 ]])
    """

    def __init__(self, capture: Capture | Any, runner: Runner | None = None, **traits: Any) -> None:
        if not isinstance(capture, Capture):
            raise InputError(
                f"capture must be a Capture, got {type(capture).__name__}. Make one of attention.",
                code="aw.AttentionWidget(aw.from_arrays(attention, tokens))",
            )
        if stub := loader.stub():
            self._esm = stub
        super().__init__(capture, runner, **traits)
        loader.opened(self, has_stub=stub is not None)

    # -- for the user ------------------------------------------------------------------------

    def matrix(self) -> np.ndarray:
        """Return the exact numbers on screen: ``(query, key)``, or ``(head, query, key)``.

        Only the heads that are on and that this layer has. Rows and columns are token positions:
        hiding tokens and merging them to words has no effect.
        """
        state = self.picture_state()
        numbers = state.pictures.numbers(state.spec)
        several = most_heads(state.capture.group(state.spec.attention)) > 1
        if VIEW_RULES[self.view].one_head or numbers.lanes == (None,) or not several:
            return numbers.values[0]
        return numbers.values[shown_heads(self.heads, len(numbers.lanes))]

    @known_options_only
    def to_figure(self, *, theme: str = "light") -> Figure:
        """Return what is on screen as a matplotlib figure with legend and caption.

        ``savefig`` writes SVG, PDF or PNG; text stays text. ``theme`` is ``light`` or ``dark``.
        """
        from attn_widget.figures.of_state import figure_of

        return figure_of(self.picture_state(), theme)

    @known_options_only
    def to_html(
        self,
        path: str | os.PathLike[str],
        *,
        methods: Sequence[str] | None = None,
        max_bytes: int = MAX_BYTES,
        progress: bool = True,
    ) -> pathlib.Path:
        """Write a page that shows the widget without kernel, network or installation.

        It has all views, methods, layers and heads that fit. A weight ``w`` is stored as
        ``round(63·√w)`` in 6 bits, or in 5 or 4 if that fits and 6 bits do not. The page states
        its precision.

        Parameters
        ----------
        path
            The file to write; an existing file is replaced.
        methods
            Names of methods to store. None: all that apply; further methods that keep heads apart
            only if they fit in 6 bits; flow only if it is computed already or takes less than
            about a minute (``tokens³ · layers·(layers + 1) / 2`` of at most ``1.5·10⁹``).
        max_bytes
            Size limit of the file. If 4 bits are too large, the page leaves out, in this order,
            and says so: other attentions (cross …); heads of layers that are not on screen; all
            but the layer and head on screen.
        progress
            Draw a bar for work that takes more than a second.

        Returns
        -------
        pathlib.Path
            The file. Its own policy forbids it to fetch anything.

        Raises
        ------
        InputError
            If a method does not exist, or ``max_bytes`` has no room for the script (100 kB) and
            one head.

        Notes
        -----
        Only numbers are stored, no model: text, residual and the other settings of joint methods
        stay as they are. The neuron view is that of ``w.layer`` and ``w.head``.

        Examples
        --------
        >>> import pathlib, tempfile
        >>> import numpy as np
        >>> import attn_widget as aw
        >>> capture = aw.from_arrays(np.array([[[[0.75, 0.25], [0.5, 0.5]]]]), ["big", "cat"])
        >>> folder = pathlib.Path(tempfile.mkdtemp())
        >>> path = aw.AttentionWidget(capture).to_html(folder / "cat.html")
        >>> path.name, path.stat().st_size < 180_000
        ('cat.html', True)
        """
        return write_page(self.picture_state(), path, methods, max_bytes, progress)

    @known_options_only
    def to_myst(self, path: str | os.PathLike[str]) -> pathlib.Path:
        """Write the picture on screen as a file for MyST Markdown: ``{include}`` it in a page.

        The file is an ``anywidget`` directive with the data of this picture; the module that draws
        it, ``attn-widget.mjs``, is written beside it. Other views, layers and methods need a
        kernel: `to_html` writes a page that has them.

        Parameters
        ----------
        path
            The file to write; an existing file is replaced.

        Returns
        -------
        pathlib.Path
            The file.

        Raises
        ------
        MethodError
            If the method does not apply to what is on screen.

        Examples
        --------
        >>> import pathlib, tempfile
        >>> import numpy as np
        >>> import attn_widget as aw
        >>> capture = aw.from_arrays(np.array([[[[0.75, 0.25], [0.5, 0.5]]]]), ["big", "cat"])
        >>> folder = pathlib.Path(tempfile.mkdtemp())
        >>> path = aw.AttentionWidget(capture).to_myst(folder / "cat.md")
        >>> path.read_text().splitlines()[0]
        '::::{anywidget} ./attn-widget.mjs'
        """
        return write_myst(self.picture_state(), path)

    @known_options_only
    def show_static(
        self, *, methods: Sequence[str] | None = None, max_bytes: int = MAX_BYTES
    ) -> None:
        """Display a PNG and an interactive page in this cell; a saved notebook keeps both.

        The page is one line of HTML: a sandboxed iframe that runs its own script and fetches
        nothing. Viewers that run no scripts (GitHub) show the PNG; others (nbviewer, nbconvert,
        JupyterLab without a kernel, Colab) show both.

        Parameters
        ----------
        methods, max_bytes
            As in `to_html`.

        Raises
        ------
        InputError
            If no notebook runs this, or as in `to_html`.

        Examples
        --------
        >>> import numpy as np
        >>> import attn_widget as aw
        >>> capture = aw.from_arrays(np.array([[[[0.75, 0.25], [0.5, 0.5]]]]), ["big", "cat"])
        >>> aw.AttentionWidget(capture).show_static()  # doctest: +SKIP
        """
        display_page(self.picture_state(), methods, max_bytes)

    def _repr_mimebundle_(self, **options: Any) -> tuple[dict, dict] | None:
        """Return the live view, and a still picture for viewers that run no scripts."""
        live = super()._repr_mimebundle_(**options)
        if live is None:
            return None
        data, metadata = live
        state = self.picture_state()
        if not self.drawn:
            frame = shown_frame(state)
            if frame is not None:
                self._keep_drawn(frame, shown_query(state))
        return data | mime_bundle(state), metadata

    def _ipython_display_(self) -> None:
        """Display the live view, and the still picture in an output of its own."""
        live = self._repr_mimebundle_()
        if live is not None:
            self.display_with_still(live)

    def _get_embed_state(self, drop_defaults: bool = False) -> Any:
        """Return the state for a page of its own, with the whole module instead of its stub.

        Defaults are kept: those of anywidget's model in the page are not those of this class.
        """
        state = super()._get_embed_state(drop_defaults=False)
        state["state"]["_esm"] = bundle.text("widget.js")
        return state

    def close(self) -> None:
        """Cancel all computations and close the connection to the page."""
        if hasattr(self, "_front_end"):
            self._front_end.close()
        super().close()
        loader.let_go(self)
