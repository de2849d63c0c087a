"""What a page holds: the most that fits, by steps that can each be said in one sentence."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from attn_widget.attribution.methods import METHODS, PER_HEAD, applicable
from attn_widget.errors import AttnWidgetError, Cancelled, InputError
from attn_widget.pages.coding import code, deflated, sums
from attn_widget.pictures.frame import Numbers
from attn_widget.pictures.numbers import NumbersOf, Partial
from attn_widget.pictures.protocol import Spec
from attn_widget.records import Progress

BITS = (6, 5, 4)
FEWEST_BITS = (3, 2, 1)  # where even the one head that is shown does not fit otherwise
JOINT_BITS = (
    1  # more for methods that join heads: there are few of these, and their maps are smooth
)
# Pairs × tokens × layers of flow that are computed without being asked for: under a minute on two threads.
FLOW_STEPS = 15 * 10**8

Report = Callable[[Progress], None]


@dataclass(frozen=True)
class Place:
    """One matrix that a page may hold; ``head`` is None for methods that join heads."""

    attention: str
    method: str
    layer: int
    head: int | None


@dataclass(frozen=True, eq=False)
class Piece:
    """A matrix as it stands in the page."""

    header: dict[str, Any]
    data: bytes  # deflated
    size: int  # before


@dataclass(frozen=True, eq=False)
class Contents:
    """What was chosen, and what had to be left out for it."""

    pieces: tuple[Piece, ...]
    bits: int
    left_out: tuple[str, ...]  # sentences


@dataclass(eq=False)
class Stock:
    """Everything that could be stored of a capture, made when it is asked for, once."""

    numbers: NumbersOf
    spec: Spec  # what is shown now: all places share its residual, reduce, normalise and baseline
    methods: Sequence[str] | None  # None: all that apply, and flow where that is quick
    report: Report
    refused: dict[str, str] = field(default_factory=dict)  # method -> why it is not stored
    _made: dict[tuple[Place, int], Piece | None] = field(default_factory=dict)
    _done: int = 0

    def places(self) -> list[Place]:
        """Return all that could be stored: methods of single heads first, they decide what fits."""
        places = []
        for name, layers in self.numbers.capture.groups.items():
            reasons = applicable(self.numbers.capture, name)
            for method in sorted(METHODS, key=lambda m: m not in PER_HEAD):
                if reasons[method] or method not in (self.methods or METHODS):
                    continue
                heads = range(layers[0].n_heads) if method in PER_HEAD else [None]
                places += [
                    Place(name, method, layer, head)
                    for layer in range(len(layers))
                    for head in heads
                ]
        return self._without_long_work(places)

    def fitting(
        self, places: list[Place], fits: Callable[[Contents], bool], budget: int
    ) -> Contents:
        """Return the first step of the ladder whose contents fit ``budget`` bytes, deflated, and ``fits`` agrees.

        Raises
        ------
        InputError
            If not even the head that is shown fits, in one bit.
        """
        for kept, bits, left_out in self._ladder(places):
            pieces = self._pieces(kept, bits, budget)
            if pieces is not None:
                contents = Contents(tuple(pieces), bits, left_out)
                if fits(contents):
                    return contents
        raise InputError(
            f"max_bytes must leave room for one head, got {budget} bytes for it. Allow more."
        )

    def _ladder(self, places: list[Place]) -> Iterator[tuple[list[Place], int, tuple[str, ...]]]:
        """Yield places, bits, and what was left out: everything in 6 bits first, at last one head in one."""
        spec, left_out = self.spec, []
        shown = f"layer {spec.layer}"
        levels: list[tuple[str, Callable[[Place], bool]]] = [
            ("", lambda p: True),
            (
                "further methods that keep heads apart",
                lambda p: p.method not in PER_HEAD or p.method in ("raw", spec.method),
            ),
            ("other attentions", lambda p: p.attention == spec.attention),
            (
                f"heads of layers other than {shown}",
                lambda p: p.head is None or p.layer == spec.layer,
            ),
            (
                f"all but {shown}, head {spec.head}",
                lambda p: p.layer == spec.layer and p.head in (None, spec.head),
            ),
        ]
        previous: list[Place] = []
        for i, (sentence, keeps) in enumerate(levels):
            kept = [p for p in (previous or places) if keeps(p)]
            if kept != previous:
                left_out = [*left_out, sentence] if sentence else []
                extras_are_there = i == 0 and kept != [p for p in kept if levels[1][1](p)]
                # Further methods are welcome, but not at the price of coarser numbers.
                for bits in BITS[:1] if extras_are_there else BITS:
                    yield kept, bits, tuple(left_out)
            previous = kept
        for bits in FEWEST_BITS:
            yield previous, bits, tuple(left_out)

    def _pieces(self, places: list[Place], bits: int, budget: int) -> list[Piece] | None:
        """Return the pieces of these places; None as soon as they pass the budget."""
        pieces, size = [], 0
        for done, place in enumerate(places):
            self._done = done
            self.report(Progress("storing", done, len(places)))
            piece = self._piece(place, bits, len(places))
            if piece is not None:
                pieces.append(piece)
                size += len(piece.data)
            if size > budget:
                return None
        return pieces

    def _piece(self, place: Place, bits: int, total: int) -> Piece | None:
        """Return one matrix, made once; None where its method turns out not to apply."""
        key = (place, bits)
        if key not in self._made:
            try:
                self._made[key] = _piece(place, self._numbers(place, total), bits)
            except Cancelled:
                raise
            except AttnWidgetError as error:
                self.refused[place.method] = str(error)
                self._made[key] = None
        return self._made[key]

    def _numbers(self, place: Place, total: int) -> Numbers:
        def on_progress(partial: Partial) -> None:
            step = partial.progress
            rows = max(step.total, 1)
            self.report(Progress(step.what, self._done * rows + step.done, total * rows))

        return self.numbers.whole(
            _spec_of(self.spec, place), on_progress, remember=place.head is None
        )

    def _without_long_work(self, places: list[Place]) -> list[Place]:
        """Leave out flow that is not there yet and would take long, unless it was asked for by name."""
        if self.methods is not None:
            return places
        open_ = [
            p
            for p in places
            if p.method == "flow" and not self.numbers.knows(_spec_of(self.spec, p))
        ]
        if sum(map(self._steps, open_)) <= FLOW_STEPS:
            return places
        self.refused["flow"] = (
            "flow of this text takes long: look at it first, or name it in methods"
        )
        return [p for p in places if p not in set(open_)]

    def _steps(self, place: Place) -> int:
        layer = self.numbers.capture.group(place.attention)[place.layer]
        return (
            layer.n_queries * layer.n_keys * max(layer.n_queries, layer.n_keys) * (place.layer + 1)
        )


def _spec_of(spec: Spec, place: Place) -> Spec:
    """Return the spec whose numbers are the one matrix of a place."""
    return replace(
        spec,
        view="matrix",
        attention=place.attention,
        method=place.method,
        layer=place.layer,
        head=place.head or 0,
    )


def _piece(place: Place, numbers: Numbers, bits: int) -> Piece:
    values = numbers.values[0]
    bits += JOINT_BITS if place.head is None else 0
    codes, scale = code(values, bits, causal=numbers.causal)
    saturated = b"" if numbers.saturated is None else numbers.saturated.astype("u1").tobytes()
    data = codes + sums(values) + saturated
    header = {
        "attention": place.attention,
        "method": place.method,
        "layer": place.layer,
        "head": place.head,
        "bits": bits,
        "scale": scale,
        "causal": numbers.causal,
        "unit": numbers.unit,
        "layer_label": numbers.layer_label,
        "saturation": numbers.saturation,
        "divided_by": numbers.divided_by,
        "saturated": numbers.saturated is not None,
    }
    return Piece(header, deflated(data), len(data))
