"""`HeadSearch`: what a search over texts found, ranked, with intervals and with what no head is needed for."""

from __future__ import annotations

import html
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from attn_widget.attribution.validation import installed
from attn_widget.heads.head_table import HeadTable

SHOWN = 5


@dataclass(frozen=True, eq=False)
class HeadSearch:
    """Means over texts of each measure per layer and head, with bootstrap intervals of 95 %.

    ``print`` ranks the heads, ``to_pandas`` gives one row per head, ``plot`` draws heat maps.
    ``widget.metric = found.scores["hits"]`` sorts the model view.
    """

    title: str  # of the metrics or the relation
    scores: HeadTable
    low: HeadTable  # lower ends of the intervals
    high: HeadTable
    n_texts: int  # measured
    n_matched: int  # of them, with something to measure
    skipped: tuple[tuple[int, str], ...] = ()  # number of the text and why it could not be run
    n_skipped: int = 0  # at least as many as are named
    n_pairs: int = 0  # queries with a partner; 0 for metrics
    hidden: int = 0  # of them, those that may not see their key
    position: tuple[int, float] | None = (
        None  # the best fixed distance key − query, and the share it answers
    )

    @property
    def best(self) -> tuple[int, int]:
        """Return the layer and head that is ranked first."""
        first = next(self.rows())
        return first["layer"], first["head"]

    def median(self, by: str | None = None) -> float:
        """Return a measure of the median head; the first measure when none is named."""
        return float(np.nanmedian(self.scores[by or next(iter(self.scores))].values))

    def rows(self, by: str | None = None) -> Iterator[dict[str, Any]]:
        """Return one record per head, best first: by one measure, else by all in their order; NaN comes last."""
        names = (
            list(self.scores) if by is None else [by, *(name for name in self.scores if name != by)]
        )
        keys = [np.nan_to_num(-self.scores[name].values.ravel(), nan=np.inf) for name in names]
        for flat in np.lexsort(keys[::-1]):
            layer, head = (int(i) for i in np.unravel_index(flat, self.scores.shape))
            row: dict[str, Any] = {"layer": layer, "head": head}
            for name in self.scores:
                row[name] = float(self.scores[name].values[layer, head])
                row[f"{name}_low"] = float(self.low[name].values[layer, head])
                row[f"{name}_high"] = float(self.high[name].values[layer, head])
            yield row

    def to_pandas(self) -> Any:
        """Return a pandas DataFrame, one row per head, best first.

        Raises
        ------
        MethodError
            If pandas is not installed.
        """
        return installed("pandas", "to_pandas", "read found.rows()").DataFrame(list(self.rows()))

    def plot(self) -> Any:
        """Return a matplotlib figure: one heat map of layers and heads per measure.

        Raises
        ------
        MethodError
            If matplotlib is not installed.
        """
        return self.scores.plot()

    def __str__(self) -> str:
        lines = [self._summary()]
        if not self.n_pairs:
            return "\n".join([*lines, str(self.scores)])
        titles = [scores.name for scores in self.scores.values()]
        lines.append("head    " + "".join(f"{title:>22}{'95 %':>16}" for title in titles))
        for row, _ in zip(self.rows(), range(SHOWN), strict=False):
            cells = "".join(
                f"{row[n]:>22.3f}{_span(row[f'{n}_low'], row[f'{n}_high']):>16}"
                for n in self.scores
            )
            lines.append(f"{row['layer']}.{row['head']:<6}" + cells)
        lines.append(
            "median  " + "".join(f"{self.median(name):>22.3f}{'':>16}" for name in self.scores)
        )
        offset, answered = self.position
        place = (
            f"{abs(offset)} {'before' if offset < 0 else 'after'}" if offset else "the query itself"
        )
        lines.append(f"without any head, always the key {place}: {answered:.3f}")
        return "\n".join(line.rstrip() for line in lines)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        """Return the printed ranking and the heat maps; texts and patterns are escaped."""
        return f"<pre>{html.escape(str(self))}</pre>{self.scores._repr_html_()}"

    def _summary(self) -> str:
        """Return what was searched, and what was left out."""
        texts = f"{self.n_texts} text{'s' if self.n_texts != 1 else ''}"
        if self.n_pairs:
            line = f"{self.title}: {self.n_pairs} quer{'ies' if self.n_pairs != 1 else 'y'} in {self.n_matched} of {texts}"
        else:
            line = f"{self.title}: mean over {texts}"
        if self.hidden:
            line += f"; {self.hidden} may not see their key"
        if self.n_skipped:
            index, reason = self.skipped[0]
            line += f"; {self.n_skipped} skipped, first text {index}: {reason}"
        return line


def _span(low: float, high: float) -> str:
    """Return an interval, or a dash where it is not known."""
    return "–" if np.isnan(low) else f"{low:.3f}–{high:.3f}"
