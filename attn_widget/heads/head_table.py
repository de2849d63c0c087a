"""`HeadTable`: several numbers per layer and head, printed, drawn and handed on."""

from __future__ import annotations

import html
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from attn_widget.attribution.validation import installed
from attn_widget.errors import InputError
from attn_widget.records import HeadScores

SHOWN = 3  # heads named per metric when a table is printed


class HeadTable(Mapping[str, HeadScores]):
    """A mapping from a metric's name to its `HeadScores`; all of one attention.

    ``print`` names the strongest heads of each metric, ``to_pandas`` gives one row per head, ``plot`` draws heat maps
    of layers and heads. ``widget.metric = table["entropy"]`` sorts the model view.
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

    def top(self, name: str, n: int = SHOWN) -> list[tuple[int, int, float]]:
        """Return the n heads with the largest number of a metric, as (layer, head, number), largest first."""
        values = self[name].values
        flat = np.where(np.isnan(values), -np.inf, values).ravel()
        order = [i for i in np.argsort(-flat, kind="stable")[:n] if np.isfinite(flat[i])]
        return [(*map(int, np.unravel_index(i, values.shape)), float(flat[i])) for i in order]

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
        return installed("pandas", "to_pandas", "read table.rows()").DataFrame(list(self.rows()))

    def plot(self) -> Any:
        """Return a matplotlib figure: one heat map of layers and heads per metric, layer 0 at the top.

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
        pyplot.close(figure)  # a notebook would draw it twice
        for axes in panels.ravel()[n:]:
            axes.set_axis_off()
        for axes, scores in zip(panels.ravel(), self.values(), strict=False):
            known = scores.values[~np.isnan(scores.values)]
            low, high = (
                (min(0.0, known.min()), known.max()) if known.size else (0.0, 1.0)
            )  # colours begin at 0
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
        width = max(len("metric"), *(len(scores.name) for scores in self.values()))
        best = "".join(f"{heading:>16}" for heading in ("highest", "second", "third"))
        lines = [f"{'metric':<{width}}  {'unit':<8}{'median':>8}{best}   (layer.head)"]
        for name, scores in self.items():
            known = scores.values[~np.isnan(scores.values)]
            middle = f"{np.median(known):.3f}" if known.size else "none"
            cells = [f"{layer}.{head} {number:.3f}" for layer, head, number in self.top(name)]
            lines.append(
                f"{scores.name:<{width}}  {scores.unit:<8}{middle:>8}"
                + "".join(f"{cell:>16}" for cell in cells)
            )
        return "\n".join(lines)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        """Return heat maps as HTML tables; names are escaped, since callers may choose them."""
        return f'<div style="display:flex;flex-wrap:wrap;gap:16px">{"".join(map(_map, self.values()))}</div>'


def _map(scores: HeadScores) -> str:
    """Return one metric as a small table of shaded cells, each with its number as a title."""
    values = scores.values
    known = values[~np.isnan(values)]
    low, high = (float(known.min()), float(known.max())) if known.size else (0.0, 0.0)
    cell = 'style="width:14px;height:12px;padding:0;border:0;background:{}" title="{}"'
    rows = []
    for layer, row in enumerate(values):
        cells = []
        for head, value in enumerate(row):
            if np.isnan(value):
                cells.append(f"<td {cell.format('none', f'{layer}.{head}: none')}></td>")
                continue
            share = (value - low) / (high - low) if high > low else 0.0
            shade = f"rgba(31,98,166,{0.06 + 0.94 * share:.3f})"
            cells.append(f"<td {cell.format(shade, f'{layer}.{head}: {value:.4g}')}></td>")
        rows.append(f'<tr style="background:none">{"".join(cells)}</tr>')
    unit = f" {html.escape(scores.unit)}" if scores.unit else ""
    span = f"{low:.3g} to {high:.3g}{unit}" if known.size else "nothing measured"
    title = f"<b>{html.escape(scores.name)}</b> <small>{span}</small>"
    look = "border-spacing:1px;border-collapse:separate;margin:4px 0"
    return f'<div>{title}<table style="{look}">{"".join(rows)}</table></div>'
