"""The results file of a search: one line per text is appended, so that a search can be resumed."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from attn_widget.errors import InputError
from attn_widget.heads.measures import Header, Measured

FORMAT = "attn-widget head search 1"


class ResultsFile:
    """JSON lines: the model and the measure, then each text's sums or the reason it was skipped.

    An incomplete last line, as a crash leaves it, is removed, and its text is run again.
    """

    def __init__(self, path: str | Path, model: str, measure: str, attention: str | None) -> None:
        self.path = Path(path)
        self._first = {"format": FORMAT, "model": model, "measure": measure, "attention": attention}
        self.header: Header | None = None
        self._done: dict[int, str] = {}
        self._end = 0  # bytes up to the last complete line
        if self.path.exists() and self.path.stat().st_size:
            self._check()

    def read(self) -> Iterator[tuple[int, Measured | str]]:
        """Return the result of each text in the file, and note which texts those are."""
        for line in self._lines():
            if "header" in line:
                self.header = Header(**{name: _frozen(v) for name, v in line["header"].items()})
            elif "text" in line and line["text"] not in self._done:
                self._done[line["text"]] = line["hash"]
                yield line["text"], line["skipped"] if "skipped" in line else _unpacked(line)

    def has(self, index: int, item: Any) -> bool:
        """Return whether a text was measured before.

        Raises
        ------
        InputError
            If the file has another text of this number.
        """
        if index not in self._done:
            return False
        if self._done[index] != fingerprint(item):
            raise InputError(
                f"texts must be those of the search that began {self.path}, got another text "
                f"{index}. Give the same texts in the same order, or another file."
            )
        return True

    def write(
        self, results: Iterable[tuple[int, Any, Measured | str]], header: Header | None
    ) -> None:
        """Append the results of some texts, and return when the disk holds them."""
        lines: list[Any] = [] if self._end else [self._first]
        if header is not None and self.header is None:
            self.header = header
            lines.append({"header": dataclasses.asdict(header)})
        for index, item, result in results:
            packed = {"skipped": result} if isinstance(result, str) else _packed(result)
            lines.append({"text": index, "hash": fingerprint(item)} | packed)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("r+b" if self.path.exists() else "w+b") as file:
            file.truncate(self._end)
            file.seek(self._end)
            for line in lines:
                file.write(json.dumps(line, ensure_ascii=False).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
            self._end = file.tell()

    def _check(self) -> None:
        """Refuse a file of another search, naming both."""
        first = next(self._lines(), None)
        self._end = 0
        if first is None:
            begun = json.dumps(self._first, ensure_ascii=False).encode()
            if begun.startswith(self.path.read_bytes()):  # a crash while the first line was written
                return
        if not isinstance(first, dict) or first.get("format") != FORMAT:
            raise InputError(
                f"file must be a results file of search_heads, got {self.path}. Give another path."
            )
        for name, expected in self._first.items():
            if first.get(name) != expected:
                raise InputError(
                    f"file must be of the same {name}, got {self.path} of {first.get(name)!r} for "
                    f"{expected!r}. Give another path."
                )

    def _lines(self) -> Iterator[Any]:
        """Return every complete line, and note where the last one ends."""
        self._end = 0
        if not self.path.exists():
            return
        with self.path.open("rb") as file:
            for number, raw in enumerate(file):
                if not raw.endswith(b"\n"):
                    return
                try:
                    line = json.loads(raw)
                except ValueError:
                    raise InputError(
                        f"file must be a results file of search_heads, got {self.path}, "
                        f"line {number + 1} unreadable. Give another path."
                    ) from None
                self._end += len(raw)
                yield line


def fingerprint(item: Any) -> str:
    """Return a hash of a text; empty for what has no text of its own (tensors, captures)."""
    if not isinstance(item, str | list | tuple):
        return ""
    return hashlib.sha256(repr(item).encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _frozen(value: Any) -> Any:
    """Return a JSON list as a tuple."""
    return tuple(value) if isinstance(value, list) else value


def _packed(one: Measured) -> dict[str, Any]:
    """Return one text's sums as JSON; float64 in base64, so that nothing is rounded."""
    arrays = np.stack([one.sums, one.counts]).astype("<f8")
    return {
        "shape": list(arrays.shape),
        "values": base64.b64encode(arrays.tobytes()).decode(),
        "pairs": one.n_pairs,
        "hidden": one.hidden,
        "offsets": sorted(one.offsets.items()),
    }


def _unpacked(line: dict[str, Any]) -> Measured:
    """Return one text's sums from JSON."""
    values = np.frombuffer(base64.b64decode(line["values"]), "<f8").astype(np.float64)
    sums, counts = values.reshape(line["shape"])
    return Measured(sums, counts, line["pairs"], line["hidden"], dict(line["offsets"]))
