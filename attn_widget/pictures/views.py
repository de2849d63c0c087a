"""The entry point of this folder: a capture and a Spec in, the Frame of its view out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

from attn_widget.attribution.methods import METHODS
from attn_widget.errors import InputError
from attn_widget.pictures.axes import displayed
from attn_widget.pictures.frame import Numbers, cut, head_frame, matrix_frame, row_frame
from attn_widget.pictures.model import Tile, factors, model_frame, thumbnail
from attn_widget.pictures.neuron import neuron_frame
from attn_widget.pictures.notes import notes
from attn_widget.pictures.numbers import CaptureNumbers, OnPartial, PartialNumbers
from attn_widget.pictures.protocol import Frame, Spec
from attn_widget.pictures.region import Region, members, region_frame
from attn_widget.pictures.rules import VIEW_RULES, frame_key
from attn_widget.pictures.score_stages import stages_of
from attn_widget.pictures.text import image_of, text_frame
from attn_widget.records import Progress, check_index

VIEWS = tuple(VIEW_RULES)  # in menu order
MakeFrame = Callable[[], Frame]
# Called with the progress of long work, and a function that makes a frame of the results so far.
FrameReport = Callable[[Progress, MakeFrame | None], None]


class Pictures(CaptureNumbers):
    """All pictures of one capture: their frames, numbers and axes, cached between requests.

    Safe to use from several threads.

    Parameters
    ----------
    capture
        The recorded attention.

    Examples
    --------
    >>> import numpy as np
    >>> import attn_widget as aw
    >>> capture = aw.from_arrays(np.array([[[[0.75, 0.25], [0.5, 0.5]]]]), ["big", "cat"])
    >>> pictures = Pictures(capture)
    >>> frame = pictures.frame(Spec(view="matrix"))
    >>> frame.fields["queries"]["text"], sorted(frame.arrays)
    (['big', 'cat'], ['hidden_mass', 'row_sum', 'weights'])
    >>> pictures.row(Spec(view="matrix"), "query", 0).arrays["values"][0]
    array([[0.75, 0.25]], dtype=float32)
    """

    def frame(
        self, spec: Spec, query: int | None = None, report: FrameReport | None = None
    ) -> Frame:
        """Return the frame of a spec.

        Parameters
        ----------
        spec
            What the picture shows.
        query
            The token position that the neuron view shows; the last one if None. Other views
            ignore it.
        report
            Called during long work; may raise `Cancelled` to stop it.

        Raises
        ------
        InputError
            If there is no such query, or a number is infinite or negative.
        MethodError
            If the method, or the neuron view, does not apply to this layer.
        """
        if spec.view == "neuron":
            return self._noted(spec, self._neuron_frame(spec, query))
        if spec.view == "model":
            return self._model_frame(spec, report)
        return self._pair_frame(spec, report)

    def row(self, spec: Spec, side: str, index: int) -> Frame:
        """Return one displayed row (``side="query"``) or column (``"key"``) as exact float32.

        Raises
        ------
        InputError
            If ``side`` is neither, or ``index`` is not a displayed row of that side.
        """
        if side not in ("query", "key"):
            raise InputError(f"side must be query or key, got {side!r}. Choose one of these.")
        queries, keys = self.axes(spec)
        axis = queries if side == "query" else keys
        remedy = "Choose a displayed row."
        index = check_index("index", index, len(axis), remedy, negative=False)
        numbers = self.numbers_at(spec, side, axis.positions[index])
        return row_frame(spec, numbers, queries, keys, side=side, index=index)

    def region(self, spec: Spec, region: Region) -> Frame:
        """Return a part of the matrix of a spec; computes only its rows if nothing is cached.

        Raises
        ------
        InputError
            If the region is not within the matrix, or too large for one message.
        """
        queries, keys = self.axes(spec)
        region.check(len(queries), len(keys))
        numbers = self.numbers_at(spec, "query", members(queries, region.rows))
        numbers = cut(numbers, "key", members(keys, region.columns))
        return region_frame(spec, numbers, queries, keys, region)

    def tiles(
        self,
        spec: Spec,
        places: Iterable[tuple[int, int]],
        pool: tuple[int, int],
        on_partial: OnPartial | None = None,
        *,
        keep: bool = False,
    ) -> Iterator[Tile]:
        """Yield the thumbnail of each place (layer, head), computed one at a time.

        ``pool`` is the number of displayed queries and keys that one cell covers.
        """
        queries, keys = self.axes(spec)
        for layer, head in places:
            one = replace(spec, layer=layer, head=head, view="matrix")
            numbers = self.numbers(one, on_partial, keep=keep)
            cells, hidden = thumbnail(numbers.values[0], queries, keys, pool)
            yield Tile(
                layer=layer,
                head=numbers.lanes[0],
                cells=cells,
                hidden=hidden,
                unit=numbers.unit,
                causal=numbers.causal,
                saturation=numbers.saturation,
                divided_by=numbers.divided_by,
            )

    def _noted(self, spec: Spec, frame: Frame) -> Frame:
        """Return a frame with what its caption says of the capture."""
        return replace(frame, fields=frame.fields | {"notes": notes(self.at(spec), spec)})

    # -- one method per kind of view ---------------------------------------------------------

    def _pair_frame(self, spec: Spec, report: FrameReport | None) -> Frame:
        """Return the frame of a view of query-key pairs: head, matrix or text.

        Cached, because the still picture in the cell and the page's first request share it.
        """
        cached = self._cache.get(frame_key(spec))
        if cached is not None:
            return cached
        queries, keys = self.axes(spec)

        def make(numbers: Numbers) -> Frame:
            if spec.view == "head":
                return self._noted(spec, head_frame(spec, numbers, queries, keys))
            if spec.view == "matrix":
                return self._noted(spec, matrix_frame(spec, numbers, queries, keys))
            capture = self.at(spec)
            tokens, image = capture.axes(spec.attention)[1], image_of(capture, spec.attention)
            return self._noted(spec, text_frame(spec, numbers, queries, keys, tokens, image))

        def on_partial(partial: PartialNumbers) -> None:
            numbers = partial.numbers
            if report is not None:
                report(partial.progress, None if numbers is None else lambda: make(numbers))

        frame = make(self.numbers(spec, None if report is None else on_partial))
        nbytes = sum(array.nbytes for array, _, _ in frame.arrays.values())
        self._cache.put(frame_key(spec), frame, nbytes)
        return frame

    def _model_frame(self, spec: Spec, report: FrameReport | None) -> Frame:
        """Return the frame of the model view; reports it after each thumbnail."""
        queries, keys = self.axes(spec)
        places = self.at(spec).places(spec.attention)
        n_layers = len({layer for layer, _ in places})
        per_head = METHODS[spec.method].per_head
        if not per_head:
            places = [(layer, 0) for layer in dict.fromkeys(layer for layer, _ in places)]
        pool = factors(queries, keys, len(places))
        tiles: list[Tile] = []

        def make() -> Frame:
            return self._noted(spec, model_frame(spec, tiles, queries, keys, pool, n_layers))

        def on_partial(partial: PartialNumbers) -> None:
            step, total = partial.progress, max(partial.progress.total, 1)
            done = len(tiles) * total + step.done
            step = replace(step, done=done, total=len(places) * total)
            if report is not None:
                report(step, make if tiles else None)

        watched = None if report is None else on_partial
        for tile in self.tiles(spec, places, pool, watched, keep=not per_head):
            tiles.append(tile)
            if report is not None:
                report(Progress("drawing", len(tiles), len(places)), make)
        return make()

    def _neuron_frame(self, spec: Spec, query: int | None) -> Frame:
        capture = self.at(spec)
        layer = capture.group(spec.attention)[spec.layer]
        if query is None:
            query = layer.n_queries - 1
        remedy = "Choose a position of the text."
        query = check_index("query", query, layer.n_queries, remedy, negative=False)
        queries, keys = (displayed(tokens) for tokens in capture.axes(spec.attention))
        return neuron_frame(spec, stages_of(layer, spec.head, query), queries, keys, query)
