"""Choose the matrices that a page stores: as many and as precise as fit its size."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from attn_widget.attribution.methods import METHODS, applicable
from attn_widget.errors import AttnWidgetError, Cancelled, InputError, MethodError
from attn_widget.pages.coding import code, deflated, sums
from attn_widget.pictures import Pictures, Spec
from attn_widget.pictures.frame import Numbers
from attn_widget.pictures.numbers import PartialNumbers
from attn_widget.records import Progress, Report

BITS = (6, 5, 4)
FEWEST_BITS = (3, 2, 1)  # for the head on screen, if it does not fit otherwise
JOINT_BITS = 1  # added for methods that join heads: their matrices are few and smooth
# Queries × keys × tokens × layers of flow that is computed without being named in `methods`:
# less than a minute on two threads.
FLOW_STEPS = 15 * 10**8


@dataclass(frozen=True)
class MatrixId:
    """One matrix that a page may store; ``head`` is None for methods that join heads."""

    attention: str
    method: str
    layer: int
    head: int | None

    def spec(self, spec: Spec) -> Spec:
        """Return a spec of this matrix with the other settings of ``spec``."""
        return replace(
            spec,
            view="matrix",
            attention=self.attention,
            method=self.method,
            layer=self.layer,
            head=self.head or 0,
        )


@dataclass(frozen=True, eq=False)
class StoredMatrix:
    """A matrix as the page stores it."""

    header: dict[str, Any]
    data: bytes  # deflated
    size: int  # bytes before deflating


@dataclass(frozen=True, eq=False)
class Contents:
    """The matrices of a page, and what was left out so that they fit."""

    matrices: tuple[StoredMatrix, ...]
    bits: int
    left_out: tuple[str, ...]  # sentences


# Matrices, bits per number, and sentences about what is left out.
Plan = tuple[tuple[MatrixId, ...], int, tuple[str, ...]]


@dataclass(eq=False)
class ContentsChooser:
    """Chooses the contents of a page; computes and encodes each matrix once, when first needed.

    Attributes
    ----------
    pictures, spec
        The capture, and what is on screen: all matrices share its residual, reduce, normalise
        and baseline.
    methods
        The methods to store. None: all that apply, flow only if it is quick.
    report
        Called during the work; may raise `Cancelled` to stop it.
    refused
        Why a method is not stored, by method.
    """

    pictures: Pictures
    spec: Spec
    methods: Sequence[str] | None
    report: Report
    refused: dict[str, str] = field(default_factory=dict)
    _encoded: dict[tuple[MatrixId, int], StoredMatrix | None] = field(default_factory=dict)

    def choose(self, fits: Callable[[Contents], bool], budget: int) -> Contents:
        """Return the first contents of `plans` that fit ``budget`` bytes and pass ``fits``.

        Raises
        ------
        InputError
            If not even the head on screen fits, in one bit.
        """
        for ids, bits, left_out in plans(self.candidates(), self.spec):
            matrices = self._matrices(ids, bits, budget)
            if matrices is not None:
                contents = Contents(tuple(matrices), bits, left_out)
                if fits(contents):
                    return contents
        raise InputError(
            f"max_bytes must leave room for one head, got {budget} bytes for it. Allow more."
        )

    def candidates(self) -> list[MatrixId]:
        """Return all matrices that could be stored, methods of single heads first.

        Raises
        ------
        MethodError
            If a method was named that applies to none of them.
        """
        capture, found = self.pictures.at(self.spec), []
        for name, layers in capture.groups.items():
            reasons = applicable(capture, name)
            for method in sorted(METHODS, key=lambda m: not METHODS[m].per_head):
                if reasons[method] or method not in (self.methods or METHODS):
                    continue
                found += [
                    MatrixId(name, method, i, head)
                    for i, layer in enumerate(layers)
                    for head in (range(layer.n_heads) if METHODS[method].per_head else [None])
                ]
        shown = applicable(capture, self.spec.attention)
        for method in self.methods or ():
            if not any(one.method == method for one in found):
                raise MethodError(shown[method])
        return found if self.methods is not None else self._without_long_flow(found)

    def _matrices(
        self, ids: tuple[MatrixId, ...], bits: int, budget: int
    ) -> list[StoredMatrix] | None:
        """Return these matrices; None as soon as they are larger than the budget."""
        matrices, size = [], 0
        for done, one in enumerate(ids):
            self.report(Progress("storing", done, len(ids)))
            key = (one, bits)
            if key not in self._encoded:
                self._encoded[key] = self._encode(one, bits, done, len(ids))
            matrix = self._encoded[key]
            if matrix is not None:
                matrices.append(matrix)
                size += len(matrix.data)
            if size > budget:
                return None
        return matrices

    def _encode(self, one: MatrixId, bits: int, done: int, total: int) -> StoredMatrix | None:
        """Return a matrix as it is stored; None if its method turns out not to apply."""

        def on_partial(partial: PartialNumbers) -> None:
            step = partial.progress
            rows = max(step.total, 1)
            self.report(Progress(step.what, done * rows + step.done, total * rows))

        try:
            spec = one.spec(self.spec)
            numbers = self.pictures.numbers(spec, on_partial, keep=one.head is None)
            return encoded(one, numbers, bits)
        except Cancelled:
            raise
        except AttnWidgetError as error:
            self.refused[one.method] = str(error)
            return None

    def _without_long_flow(self, ids: list[MatrixId]) -> list[MatrixId]:
        """Leave out flow that is not cached and would take long."""
        missing = [
            one
            for one in ids
            if one.method == "flow" and not self.pictures.is_cached(one.spec(self.spec))
        ]
        if sum(map(self._steps, missing)) <= FLOW_STEPS:
            return ids
        self.refused["flow"] = (
            "flow of this text takes long: look at it first, or name it in methods"
        )
        dropped = set(missing)
        return [one for one in ids if one not in dropped]

    def _steps(self, one: MatrixId) -> int:
        layer = self.pictures.at(self.spec).group(one.attention)[one.layer]
        n_queries, n_keys = layer.n_queries, layer.n_keys
        return n_queries * n_keys * max(n_queries, n_keys) * (one.layer + 1)


def plans(candidates: Sequence[MatrixId], spec: Spec) -> Iterator[Plan]:
    """Yield plans from the largest to the smallest: all in 6 bits first, at last one head in one.

    Fewer bits come before fewer matrices, except that further methods are stored only in 6 bits.
    """
    shown = f"layer {spec.layer}"

    def is_usual(one: MatrixId) -> bool:
        return not METHODS[one.method].per_head or one.method in ("raw", spec.method)

    cuts: list[tuple[str, Callable[[MatrixId], bool]]] = [
        ("further methods that keep heads apart", is_usual),
        ("other attentions", lambda one: one.attention == spec.attention),
        (
            f"heads of layers other than {shown}",
            lambda one: one.head is None or one.layer == spec.layer,
        ),
        (
            f"all but {shown}, head {spec.head}",
            lambda one: one.layer == spec.layer and one.head in (None, spec.head),
        ),
    ]
    ids = tuple(candidates)
    left_out: tuple[str, ...] = ()
    usual_only = all(map(is_usual, ids))
    for bits in BITS if usual_only else BITS[:1]:
        yield ids, bits, left_out
    for sentence, keeps in cuts:
        kept = tuple(one for one in ids if keeps(one)) if ids else ()
        if kept != ids:
            ids, left_out = kept, (*left_out, sentence)
            for bits in BITS:
                yield ids, bits, left_out
    for bits in FEWEST_BITS:
        yield ids, bits, left_out


def encoded(one: MatrixId, numbers: Numbers, bits: int) -> StoredMatrix:
    """Return a matrix with ``bits`` per number, one more if its method joins heads."""
    values = numbers.values[0]
    bits += JOINT_BITS if one.head is None else 0
    codes, scale = code(values, bits, causal=numbers.causal)
    saturated = b"" if numbers.saturated is None else numbers.saturated.astype("u1").tobytes()
    data = codes + sums(values) + saturated
    header = {
        "attention": one.attention,
        "method": one.method,
        "layer": one.layer,
        "head": one.head,
        "bits": bits,
        "scale": scale,
        "causal": numbers.causal,
        "unit": numbers.unit,
        "layer_label": numbers.layer_label,
        "saturation": numbers.saturation,
        "divided_by": numbers.divided_by,
        "saturated": numbers.saturated is not None,
    }
    return StoredMatrix(header, deflated(data), len(data))
