"""`HeadSearch`: the result of a search over texts: ranked heads, intervals, headless baseline."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np

from attn_widget.heads.head_table import HeadTable
from attn_widget.records.tables import data_frame, element, text_table

SHOWN = 5  # heads that are printed


@dataclass(frozen=True, eq=False)
class HeadSearch:
    """Means over texts of each measure per layer and head, with bootstrap intervals of 95 %.

    ``print`` ranks the heads, ``to_pandas`` gives one row per head, ``plot`` draws heat maps.
    ``widget.metric = found.scores["hits"]`` sorts the model view.

    Attributes
    ----------
    title
        Name of the metrics or of the relation.
    scores, low, high
        Means, and the lower and upper ends of their intervals, ``(layer, head)`` each.
    n_texts, n_matched
        How many texts were measured, and in how many of them there was something to measure.
    skipped, n_skipped
        Number of each text that could not be run, and why; at most 1000 are named, all are counted.
    n_pairs, hidden
        How many queries have a key in the relation (0 for metrics), and how many of them cannot
        attend to that key because of a causal mask.
    position
        The best fixed distance ``key − query``, in tokens, and the share of queries whose key
        stands there; None for metrics.

    Examples
    --------
    >>> import numpy as np
    >>> import attn_widget as aw
    >>> attention = np.stack([np.eye(4, k=-1) + np.diag([1, 0, 0, 0]), np.full((4, 4), 0.25)])
    >>> capture = aw.from_arrays(attention[None], ["she", "found", "her", "keys"])
    >>> found = aw.search_heads(None, capture, relation=[(1, 0), (3, 2)])
    >>> print(found)
    pairs: 2 queries in 1 of 1 text
    head    most attended         95 %  share on the partner         95 %
    0.0             1.000  1.000–1.000                 1.000  1.000–1.000
    0.1             0.500  0.000–1.000                 0.250  0.250–0.250
    median          0.750                              0.625
    without any head, always the key 1 before: 1.000
    """

    title: str
    scores: HeadTable
    low: HeadTable
    high: HeadTable
    n_texts: int
    n_matched: int
    skipped: tuple[tuple[int, str], ...] = ()
    n_skipped: int = 0
    n_pairs: int = 0
    hidden: int = 0
    position: tuple[int, float] | None = None

    @property
    def best(self) -> tuple[int, int]:
        """Return the layer and head that is ranked first."""
        first = next(self.rows())
        return first["layer"], first["head"]

    def median(self, by: str | None = None) -> float:
        """Return a measure of the median head; the first measure when none is named."""
        return float(np.nanmedian(self.scores[by or next(iter(self.scores))].values))

    def rows(self, by: str | None = None) -> Iterator[dict[str, Any]]:
        """Return one record per head, the highest first; NaN comes last.

        Parameters
        ----------
        by
            The measure that ranks the heads. Omit it to rank by all measures in their order.
        """
        others = [name for name in self.scores if name != by]
        names = others if by is None else [by, *others]
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
        """Return a pandas DataFrame, one row per head, the highest first.

        Raises
        ------
        MethodError
            If pandas is not installed.
        """
        return data_frame(self.rows(), "found")

    def plot(self) -> Any:
        """Return a matplotlib figure: one heat map of layers and heads per measure.

        Raises
        ------
        MethodError
            If matplotlib is not installed.
        """
        return self.scores.plot()

    def __str__(self) -> str:
        if self.position is None:
            return f"{self._summary()}\n{self.scores}"
        best = list(islice(self.rows(), SHOWN))
        lines = [["head"], *([f"{row['layer']}.{row['head']}"] for row in best), ["median"]]
        for name, scores in self.scores.items():
            lines[0] += [scores.name, "95 %"]
            for line, row in zip(lines[1:], best, strict=False):
                line += [f"{row[name]:.3f}", _span(row[f"{name}_low"], row[f"{name}_high"])]
            lines[-1] += [f"{self.median(name):.3f}", ""]
        distance, share = self.position
        side = "before" if distance < 0 else "after"
        place = f"{abs(distance)} {side}" if distance else "the query itself"
        baseline = f"without any head, always the key {place}: {share:.3f}"
        return f"{self._summary()}\n{text_table(lines)}\n{baseline}"

    __repr__ = __str__

    def _repr_html_(self) -> str:
        """Return the printed ranking and the heat maps."""
        return element("pre", str(self)) + self.scores._repr_html_()

    def _summary(self) -> str:
        """Return what was searched for, and what was left out."""
        texts = f"{self.n_texts} text{'s' if self.n_texts != 1 else ''}"
        if self.n_pairs:
            queries = f"{self.n_pairs} quer{'ies' if self.n_pairs != 1 else 'y'}"
            line = f"{self.title}: {queries} in {self.n_matched} of {texts}"
        else:
            line = f"{self.title}: mean over {texts}"
        if self.hidden:
            line += f"; {self.hidden} cannot attend to their key"
        if self.n_skipped:
            index, reason = self.skipped[0]
            line += f"; {self.n_skipped} skipped, first text {index}: {reason}"
        return line


def _span(low: float, high: float) -> str:
    """Return an interval, or a dash where it is not known."""
    return "–" if np.isnan(low) else f"{low:.3f}–{high:.3f}"
