"""AttentionWidget: a capture, live in a notebook cell, and what a user can make of it."""

from __future__ import annotations

import os
import pathlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import traitlets as t

from attn_widget.errors import AttnWidgetError, InputError
from attn_widget.pages.mime_bundle import mime_bundle
from attn_widget.pages.page import MAX_BYTES, display_page, write_page
from attn_widget.pictures import Spec
from attn_widget.records import Capture, Report, Runner
from attn_widget.widget import loader, trait_values
from attn_widget.widget.front_end import FrontEnd
from attn_widget.widget.head_ablation import ablation_reply
from attn_widget.widget.picture_traits import PictureTraits

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class AttentionWidget(PictureTraits):
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
        The heads that are on, in views of all heads.
    head : int
        The one head that the matrix view shows.
    query, key : list of int
        Pinned positions, set by a click. A single integer may be assigned.
    residual, reduce, normalise, baseline
        How joint matrices are made: weight of the residual stream (0 to 1); heads by ``mean``,
        ``max`` or ``min``; rows divided by their sum; values divided by those of the same method
        on uniform causal attention.
    text, pair : str
        The sentence, and the second one or ""; setting either runs the model.
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
        self.runner = runner
        self._ran = trait_values.texts(capture)  # the texts of the capture that is shown
        self._next_capture: Capture | None = None
        if stub := loader.stub():
            self._esm = stub
        super().__init__(capture, trait_values.info(capture, runner), **traits)
        own = (self._run, self._accept, self._show_error, self._ablate)
        self._front_end = FrontEnd(self.send, self.picture_state, *own)
        self.on_msg(self._front_end.on_message)

    # -- for the user ------------------------------------------------------------------------

    def matrix(self) -> np.ndarray:
        """Return the exact numbers on screen: ``(query, key)``, or ``(head, query, key)``.

        Only the heads that are on. Rows and columns are token positions: hiding tokens and merging
        them to words has no effect.
        """
        state = self.picture_state()
        numbers = state.pictures.numbers(state.spec)
        return numbers.values[self.heads] if len(numbers.lanes) > 1 else numbers.values[0]

    def to_figure(self, *, theme: str = "light") -> Figure:
        """Return what is on screen as a matplotlib figure with legend and caption.

        ``savefig`` writes SVG, PDF or PNG; text stays text. ``theme`` is ``light`` or ``dark``.
        """
        from attn_widget.figures.of_state import figure_of

        return figure_of(self.picture_state(), theme)

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
        >>> path.name, path.stat().st_size < 150_000
        ('cat.html', True)
        """
        return write_page(self.picture_state(), path, methods, max_bytes, progress)

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
        return data | mime_bundle(self.picture_state()), metadata

    def close(self) -> None:
        """Cancel all computations and close the connection to the page."""
        if hasattr(self, "_front_end"):
            self._front_end.close()
        super().close()

    # -- texts, which run the model ----------------------------------------------------------

    @t.validate("text", "pair")
    def _run_before_change(self, proposal: dict[str, Any]) -> str:
        """Run the model before the trait changes, so that a failed run changes nothing."""
        name, value = proposal["trait"].name, proposal["value"]
        if value != self._ran[("text", "pair").index(name)]:
            texts = (value, self.pair) if name == "text" else (self.text, value)
            try:
                self._next_capture = self._run(*texts)
            except AttnWidgetError as error:
                self._show_error(error)
                raise
            self._ran = texts
        return value

    @t.observe("text", "pair")
    def _show_run(self, _change: Any) -> None:
        capture, self._next_capture = self._next_capture, None
        if capture is not None:
            self._show(capture, trait_values.info(capture, self.runner))

    def set_state(self, sync_data: dict[str, Any]) -> None:
        """Apply the changes of a page; refused ones are sent back with the values that stand."""
        refused = self._refused(sync_data)
        texts = (sync_data.get("text", self.text), sync_data.get("pair", self.pair))
        left = {*refused, "text", "pair"}
        super().set_state({name: v for name, v in sync_data.items() if name not in left})
        if texts != self._ran:
            self._front_end.run_later(*texts)
        if refused:
            self.send_state(list(refused))
            self._show_error(next(iter(refused.values())))

    def _run(self, text: str, pair: str) -> Capture:
        if self.runner is None:
            raise InputError(
                "text must stay as it is on a widget without a runner, "
                f"got {text!r}. Make the widget from a model.",
                code="aw.explore(model, tokenizer, text)",
            )
        self.set_trait("running", "running the model")
        try:
            return self.runner.run(text, pair or None, truncate=self.truncate)
        finally:
            self.set_trait("running", "")

    def _accept(self, capture: Capture, text: str, pair: str) -> None:
        """Show the capture of texts that were typed in a page."""
        self._ran = (text, pair)
        with self.hold_sync():
            self._show(capture, trait_values.info(capture, self.runner))
            self.text, self.pair = text, pair

    def _ablate(self, spec: Spec, step: int, mode: str, progress: Report) -> dict[str, Any]:
        state, truncate = self.picture_state(), self.truncate
        return ablation_reply(
            self.runner, state, spec, step, mode, truncate=truncate, progress=progress
        )
