"""`HeadTable`: several metrics per layer and head, printed, drawn, or as a data frame."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from attn_widget.errors import InputError
from attn_widget.records import HeadScores
from attn_widget.records.tables import Html, data_frame, element, installed, text_table

RANKS = ("highest", "second", "third")  # heads that are named per metric in a printed table


class HeadTable(Mapping[str, HeadScores]):
    """A mapping from a metric's name to its `HeadScores`; all of one attention.

    ``print`` names the strongest heads of each metric, ``to_pandas`` gives one row per head,
    ``plot`` draws heat maps. ``widget.metric = table["entropy"]`` sorts the model view.

    Examples
    --------
    >>> import numpy as np
    >>> import attn_widget as aw
    >>> capture = aw.from_arrays(np.stack([np.eye(4), np.full((4, 4), 0.25)])[None], list("abcd"))
    >>> table = aw.head_metrics(capture, ["entropy", "same"])
    >>> table["entropy"].values
    array([[0., 2.]])
    >>> table.top("same", 1)
    [(0, 0, 1.0)]
    """

    def __init__(self, scores: Mapping[str, HeadScores]) -> None:
        self._scores = dict(scores)

    def __getitem__(self, name: str) -> HeadScores:
        if name not in self._scores:
            raise InputError(
                f"name must be one of {', '.join(self._scores)}, got {name!r}. Choose one of these."
            )
        return self._scores[name]

    def __contains__(self, name: object) -> bool:
        return name in self._scores

    def __iter__(self) -> Iterator[str]:
        return iter(self._scores)

    def __len__(self) -> int:
        return len(self._scores)

    @property
    def shape(self) -> tuple[int, int]:
        """Return how many layers and heads."""
        return next(iter(self._scores.values())).values.shape

    def top(self, name: str, n: int = len(RANKS)) -> list[tuple[int, int, float]]:
        """Return the n heads with the largest number of a metric, largest first.

        Each as (layer, head, number).
        """
        values = self[name].values
        flat = np.where(np.isnan(values), -np.inf, values).ravel()
        best = [int(i) for i in np.argsort(-flat, kind="stable")[:n] if np.isfinite(flat[i])]
        n_heads = values.shape[1]
        return [(i // n_heads, i % n_heads, float(flat[i])) for i in best]

    def rows(self) -> Iterator[dict[str, Any]]:
        """Return one record per layer and head, with every metric."""
        for layer, head in np.ndindex(*self.shape):
            numbers = {name: float(scores.values[layer, head]) for name, scores in self.items()}
            yield {"layer": layer, "head": head, **numbers}

    def to_pandas(self) -> Any:
        """Return a pandas DataFrame, one row per layer and head, one column per metric.

        Raises
        ------
        MethodError
            If pandas is not installed.
        """
        return data_frame(self.rows())

    def plot(self) -> Any:
        """Return a matplotlib figure: one heat map per metric, layer 0 at the top.

        Raises
        ------
        MethodError
            If matplotlib is not installed.
        """
        pyplot = installed("matplotlib.pyplot", "plot", "print the table")
        n, (layers, heads) = len(self), self.shape
        columns = min(n, 4)
        size = (3.1 * columns, (0.9 + 2.2 * min(2.5, max(0.45, layers / heads))) * -(-n // columns))
        figure, panels = pyplot.subplots(
            -(-n // columns),
            columns,
            figsize=size,
            squeeze=False,
            sharex=True,
            sharey=True,
            layout="constrained",
        )
        pyplot.close(figure)  # else a notebook draws it twice
        for axes in panels.ravel()[n:]:
            axes.set_axis_off()
        for axes, scores in zip(panels.ravel(), self.values(), strict=False):
            known = scores.values[~np.isnan(scores.values)]
            # The colour scale includes 0.
            low, high = (min(0.0, known.min()), known.max()) if known.size else (0.0, 1.0)
            image = axes.imshow(
                scores.values,
                aspect="auto",
                cmap="viridis",
                interpolation="nearest",
                vmin=low,
                vmax=high or 1.0,
            )
            axes.set_title(scores.name, fontsize=9, loc="left")
            axes.xaxis.get_major_locator().set_params(integer=True)
            axes.yaxis.get_major_locator().set_params(integer=True)
            figure.colorbar(image, ax=axes, label=scores.unit, pad=0.02)
        for axes in panels.ravel()[max(0, n - columns) : n]:  # the lowest of each column
            axes.set_xlabel("head")
            axes.tick_params(labelbottom=True)
        for axes in panels[:, 0]:
            axes.set_ylabel("layer")
        return figure

    def __str__(self) -> str:
        lines = [["metric", "unit", "median", *RANKS, "(layer.head)"]]
        for name, scores in self.items():
            known = scores.values[~np.isnan(scores.values)]
            median = f"{np.median(known):.3f}" if known.size else "none"
            best = [f"{layer}.{head} {number:.3f}" for layer, head, number in self.top(name)]
            best += [""] * (len(RANKS) - len(best))
            lines.append([scores.name, scores.unit, median, *best, ""])
        return text_table(lines, left=2)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        """Return one table of shaded cells per metric."""
        maps = map(_heat_map, self.values())
        return element("div", *maps, style="display:flex;flex-wrap:wrap;gap:16px")


def _heat_map(scores: HeadScores) -> Html:
    """Return one metric as a table of shaded cells; pointing at a cell shows its number."""
    values = scores.values
    known = values[~np.isnan(values)]
    low, high = (float(known.min()), float(known.max())) if known.size else (0.0, 0.0)
    cell = "width:14px;height:12px;padding:0;border:0;background:"
    rows = []
    for layer, row in enumerate(values):
        cells = []
        for head, value in enumerate(row):
            shade, number = "none", "none"
            if not np.isnan(value):
                share = (value - low) / (high - low) if high > low else 0.0
                shade, number = f"rgba(31,98,166,{0.06 + 0.94 * share:.3f})", f"{value:.4g}"
            cells.append(element("td", style=cell + shade, title=f"{layer}.{head}: {number}"))
        rows.append(element("tr", *cells, style="background:none"))
    span = f"{low:.3g} to {high:.3g} {scores.unit}".rstrip() if known.size else "nothing measured"
    look = "border-spacing:1px;border-collapse:separate;margin:4px 0"
    title = element("b", scores.name)
    return element("div", title, " ", element("small", span), element("table", *rows, style=look))
