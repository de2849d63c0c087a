"""The results file of a search: one line per text, only ever added to, so that an interrupted search goes on."""

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


class Ledger:
    """JSON lines: what is measured on which model, then every text's sums or why it was skipped.

    A line that a crash cut short is dropped, and its text run again.
    """

    def __init__(self, path: str | Path, model: str, measure: str, attention: str | None) -> None:
        self.path = Path(path)
        self._head = {"format": FORMAT, "model": model, "measure": measure, "attention": attention}
        self.header: Header | None = None
        self._done: dict[int, str] = {}
        self._whole = 0  # bytes up to the last whole line
        if self.path.exists() and self.path.stat().st_size:
            self._check()

    def read(self) -> Iterator[tuple[int, Measured | str]]:
        """Return what the file holds of each text, and remember which texts those are."""
        for line in self._lines():
            if "header" in line:
                self.header = Header(
                    **{k: tuple(v) if isinstance(v, list) else v for k, v in line["header"].items()}
                )
            elif "text" in line and line["text"] not in self._done:
                self._done[line["text"]] = line["hash"]
                yield line["text"], line["skipped"] if "skipped" in line else _unpacked(line)

    def has(self, index: int, item: Any) -> bool:
        """Return whether a text was measured before, refusing another text in its place."""
        if index not in self._done:
            return False
        if self._done[index] != fingerprint(item):
            raise InputError(
                f"texts must be those that {self.path} was begun with, got another text {index}. "
                "Give the same texts in the same order, or another file."
            )
        return True

    def write(
        self, results: Iterable[tuple[int, Any, Measured | str]], header: Header | None
    ) -> None:
        """Add the results of some texts, and wait until the disk has them."""
        lines: list[Any] = [] if self._whole else [self._head]
        if header is not None and self.header is None:
            self.header = header
            lines.append({"header": dataclasses.asdict(header)})
        for index, item, result in results:
            line = {"text": index, "hash": fingerprint(item)}
            lines.append(
                line | ({"skipped": result} if isinstance(result, str) else _packed(result))
            )
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("r+b" if self.path.exists() else "w+b") as file:
            file.truncate(self._whole)
            file.seek(self._whole)
            for line in lines:
                file.write(json.dumps(line, ensure_ascii=False).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
            self._whole = file.tell()

    def _check(self) -> None:
        """Refuse a file of another search, naming both."""
        head = next(self._lines(), None)
        self._whole = 0
        begun = json.dumps(self._head, ensure_ascii=False).encode()
        cut_short = head is None and begun.startswith(self.path.read_bytes())
        if not cut_short and (not isinstance(head, dict) or head.get("format") != FORMAT):
            raise InputError(
                f"file must be a results file of search_heads, got {self.path}. Give another path."
            )
        if cut_short:
            return
        for name, mine in self._head.items():
            if head.get(name) != mine:
                raise InputError(
                    f"file must be of the same {name}, got {self.path} of {head.get(name)!r} for {mine!r}. "
                    "Give another path."
                )

    def _lines(self) -> Iterator[Any]:
        """Return every whole line, and note where the last one ends."""
        self._whole = 0
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
                        f"file must be a results file of search_heads, got {self.path}, line {number + 1} unreadable. "
                        "Give another path."
                    ) from None
                self._whole += len(raw)
                yield line


def fingerprint(item: Any) -> str:
    """Return a short name of a text; empty for what has no text of its own (tensors, captures)."""
    if not isinstance(item, str | list | tuple):
        return ""
    return hashlib.sha256(repr(item).encode("utf-8", "surrogatepass")).hexdigest()[:16]


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
    arrays = (
        np.frombuffer(base64.b64decode(line["values"]), "<f8")
        .reshape(line["shape"])
        .astype(np.float64)
    )
    return Measured(arrays[0], arrays[1], line["pairs"], line["hidden"], dict(line["offsets"]))
