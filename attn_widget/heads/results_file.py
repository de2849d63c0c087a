"""The results file of a search: one line per text is appended, so that a search can be resumed.

The first line says of which model and measure the results are, by name and by hash. Each text has
a hash too, and one of the texts that it shared forward passes with: these change the last digits.
"""

from __future__ import annotations

import base64
import dataclasses
import json
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from attn_widget import __version__
from attn_widget.errors import InputError
from attn_widget.heads.identity import identity
from attn_widget.heads.measures import Header, Measure, Measured

FORMAT = "attn-widget head search 2"
KIND = FORMAT.rstrip("0123456789")
UNREADABLE = (KeyError, TypeError, ValueError)  # of a line that was changed by hand
# What the first line names, and what a hash of it covers.
COVERED = {
    "model": "Its weights, buffers, adapters, options, tokenizer or code are others",
    "measure": "Its code, its constants or the values that it uses are others",
}

Texts = Sequence[tuple[int, Any]]  # with their numbers


@dataclass(frozen=True)
class Line:
    """Where a text's result stands in the file, and of which text it is."""

    offset: int
    text: str  # hash of the text
    batch: str  # hash of the texts that it was measured with


class ResultsFile:
    """JSON lines: the model and the measure, then each text's sums or the reason it was skipped.

    An incomplete last line, as a crash leaves it, is removed, and its text is run again.

    Parameters
    ----------
    path
        The file; it need not exist.
    model, model_hash
        Name of the model, and a hash of all that its captures depend on.
    measure
        What is measured.
    together
        Whether the texts of a batch share forward passes. A result is then taken from the file
        only where the whole batch is the same.

    Raises
    ------
    InputError
        If the file is none of a search, or of another model, measure or version.
    """

    def __init__(
        self, path: str | Path, model: str, model_hash: str, measure: Measure, together: bool
    ) -> None:
        self.path = Path(path)
        self._measure = measure
        self._together = together
        self._first = {
            "format": FORMAT,
            "version": __version__,
            "model": model,
            "model_hash": model_hash,
            "measure": measure.title,
            "measure_hash": measure.identity(),
            "attention": measure.attention,
        }
        self.header: Header | None = None
        self._known: dict[int, Line] = {}
        self._end = 0  # bytes up to the last complete line
        self._has_parts = False
        if self.path.exists() and self.path.stat().st_size:
            self._check()
            self._read()

    def results(self, texts: Texts, first: bool) -> list[Measured | str | None]:
        """Return the result of each text of a batch from the file; None where it is measured anew.

        Parameters
        ----------
        texts
            A batch.
        first
            Whether no result has counted yet: the interval of a single text needs the sums of each
            of its queries, which the file holds for one text only.

        Raises
        ------
        InputError
            If the file has another text of one of these numbers.
        """
        hashes, batch = self._hashes(texts)
        found: list[Measured | str | None] = []
        for (index, _), text in zip(texts, hashes, strict=True):
            known = self._known.get(index)
            if known is not None and known.text != text:
                raise InputError(
                    f"texts must be those of the search that began {self.path}, got another text "
                    f"{index}. Give the same texts in the same order, or another file."
                )
            same = known is not None and (known.batch == batch or not self._together)
            result = self._result(known) if known is not None and same else None
            if isinstance(result, Measured) and first and result.n_pairs > 0:
                first = False
                result = None if result.parts is None and result.n_pairs > 1 else result
            found.append(result)
        return found if not self._together or None not in found else [None] * len(found)

    def write(
        self,
        texts: Texts,
        results: Iterable[tuple[int, Measured | str]],
        header: Header | None,
    ) -> None:
        """Append the results of a batch, by number of the text; return when the disk holds them."""
        lines: list[Any] = [] if self._end else [self._first]
        if header is not None and self.header is None:
            self.header = header
            lines.append({"header": dataclasses.asdict(header)})
        hashes, batch = self._hashes(texts)
        by_number = dict(zip((index for index, _ in texts), hashes, strict=True))
        for index, result in results:
            packed: dict[str, Any]
            if isinstance(result, str):
                packed = {"skipped": result}
            else:
                keeps = not self._has_parts and result.parts is not None
                self._has_parts |= keeps
                packed = _packed(result, keeps)
            lines.append({"text": index, "hash": by_number[index], "batch": batch} | packed)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("r+b" if self.path.exists() else "w+b") as file:
            file.truncate(self._end)
            file.seek(self._end)
            for line in lines:
                file.write(json.dumps(line, ensure_ascii=False).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
            self._end = file.tell()

    def _hashes(self, texts: Texts) -> tuple[list[str], str]:
        """Return the hash of each text, and of all of them together."""
        hashes = [self._measure.text_identity(item, index) for index, item in texts]
        return hashes, identity(hashes, "texts")

    def _check(self) -> None:
        """Refuse a file of another search, naming both."""
        _, first = next(self._lines(), (0, None))
        self._end = 0
        if first is None:
            begun = json.dumps(self._first, ensure_ascii=False).encode()
            if begun.startswith(self.path.read_bytes()):  # a crash while the first line was written
                return
        written = first.get("format") if isinstance(first, dict) else None
        if not isinstance(first, dict) or not str(written).startswith(KIND):
            raise InputError(
                f"file must be a results file of search_heads, got {self.path}. Give another path."
            )
        for name, expected in self._first.items():
            if first.get(name) == expected:
                continue
            label = name.removesuffix("_hash")
            given, ours = repr(first.get(label)), repr(self._first[label])
            why = ""
            if name != label:
                given, ours = f"{given} ({first.get(name)})", f"{ours} ({expected})"
                why = f" {COVERED[label]}."
            raise InputError(
                f"file must be of the same {label}, got {self.path} of {given} for {ours}.{why} "
                "Give another path."
            )

    def _read(self) -> None:
        """Note which texts the file holds, the last line of each."""
        for offset, line in self._lines():
            try:
                if "header" in line:
                    header = {name: _frozen(value) for name, value in line["header"].items()}
                    self.header = Header(**header)
                elif "text" in line:
                    self._known[line["text"]] = Line(offset, line["hash"], line["batch"])
                    self._has_parts |= "parts" in line
            except UNREADABLE:
                raise self._unreadable(offset) from None

    def _result(self, known: Line) -> Measured | str:
        """Return the result that a line holds."""
        with self.path.open("rb") as file:
            file.seek(known.offset)
            try:
                line = json.loads(file.readline())
                return line["skipped"] if "skipped" in line else _unpacked(line)
            except UNREADABLE:
                raise self._unreadable(known.offset) from None

    def _lines(self) -> Iterator[tuple[int, Any]]:
        """Return every complete line with its offset, and note where the last one ends."""
        self._end = 0
        if not self.path.exists():
            return
        with self.path.open("rb") as file:
            for raw in file:
                if not raw.endswith(b"\n"):
                    return
                try:
                    line = json.loads(raw)
                except ValueError:
                    raise self._unreadable(self._end) from None
                offset = self._end
                self._end += len(raw)
                yield offset, line

    def _unreadable(self, offset: int) -> InputError:
        """Return the error for a line that no search has written."""
        with self.path.open("rb") as file:
            number = file.read(offset).count(b"\n") + 1
        return InputError(
            f"file must be a results file of search_heads, got {self.path}, "
            f"line {number} unreadable. Give another path."
        )


def _frozen(value: Any) -> Any:
    """Return a JSON list as a tuple."""
    return tuple(value) if isinstance(value, list) else value


def _packed(one: Measured, with_parts: bool) -> dict[str, Any]:
    """Return one text's sums as JSON; float64 in base64, so that nothing is rounded."""
    packed = {
        "values": _coded(np.stack([one.sums, one.counts])),
        "pairs": one.n_pairs,
        "hidden": one.hidden,
        "offsets": list(one.offsets.items()),
    }
    return packed | ({"parts": _coded(one.parts)} if with_parts else {})


def _coded(numbers: Any) -> list[Any]:
    """Return an array as its shape and its bytes in base64."""
    return [list(numbers.shape), base64.b64encode(numbers.astype("<f8").tobytes()).decode()]


def _decoded(coded: list[Any]) -> np.ndarray:
    """Return the array that `_coded` wrote."""
    shape, text = coded
    return np.frombuffer(base64.b64decode(text), "<f8").astype(np.float64).reshape(shape)


def _unpacked(line: dict[str, Any]) -> Measured:
    """Return one text's sums from JSON."""
    sums, counts = _decoded(line["values"])
    parts = _decoded(line["parts"]) if "parts" in line else None
    offsets = dict(line["offsets"])
    return Measured(sums, counts, line["pairs"], line["hidden"], offsets, parts)
