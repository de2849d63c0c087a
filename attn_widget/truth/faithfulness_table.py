"""`Faithfulness`: a table of rank correlations, printed, drawn, or as a data frame."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from attn_widget.records.tables import data_frame, installed, text_table


@dataclass(frozen=True, eq=False)
class Faithfulness:
    """Spearman rank correlations of attribution methods with references, per method and layer.

    ``print`` shows one table per reference, ``to_pandas`` gives one row per number, ``plot`` draws
    them.

    Attributes
    ----------
    methods, references
        Names along the axes of ``mean`` and ``deviation``.
    mean, deviation
        Mean and standard deviation over texts, ``(reference, method, layer)``, from −1 to 1; NaN
        where a ranking is constant.
    n_texts
        How many texts the mean is taken over.
    position
        Which row of the map was compared.

    Examples
    --------
    >>> import numpy as np
    >>> mean = np.array([[[0.5, np.nan]]])
    >>> print(Faithfulness(("raw",), ("blank_out",), mean, np.zeros((1, 1, 2)), 1, "row 0"))
    rank correlation with blank out, row 0, 1 text
              layer 0   layer 1
    raw  +0.50 ± 0.00  constant
    """

    methods: tuple[str, ...]
    references: tuple[str, ...]
    mean: Float[np.ndarray, "reference method layer"]
    deviation: Float[np.ndarray, "reference method layer"]
    n_texts: int
    position: str

    def rows(self) -> Iterator[dict[str, Any]]:
        """Return one record per reference, method and layer."""
        for (r, m, layer), value in np.ndenumerate(self.mean):
            yield {
                "reference": self.references[r],
                "method": self.methods[m],
                "layer": layer,
                "correlation": float(value),
                "deviation": float(self.deviation[r, m, layer]),
            }

    def to_pandas(self) -> Any:
        """Return a pandas DataFrame, one row per reference, method and layer.

        Raises
        ------
        MethodError
            If pandas is not installed.
        """
        return data_frame(self.rows())

    def plot(self) -> Any:
        """Return a matplotlib figure: one panel per reference, one line per method.

        A band shows one standard deviation over texts.

        Raises
        ------
        MethodError
            If matplotlib is not installed.
        """
        pyplot = installed("matplotlib.pyplot", "plot", "print the table")
        n = len(self.references)
        figure, panels = pyplot.subplots(
            1, n, figsize=(4 * n, 3), squeeze=False, sharex=True, sharey=True, layout="constrained"
        )
        pyplot.close(figure)  # else a notebook draws it twice
        layers = np.arange(self.mean.shape[-1])
        for r, (axes, reference) in enumerate(zip(panels[0], self.references, strict=True)):
            for method, mean, deviation in zip(
                self.methods, self.mean[r], self.deviation[r], strict=True
            ):
                (line,) = axes.plot(layers, mean, marker="o", label=method)
                if self.n_texts > 1:
                    axes.fill_between(
                        layers,
                        mean - deviation,
                        mean + deviation,
                        color=line.get_color(),
                        alpha=0.12,
                        linewidth=0,
                    )
            axes.axhline(0, color="0.7", linewidth=0.8)
            axes.set(title=reference.replace("_", " "), xlabel="layer", ylim=(-1, 1), xticks=layers)
        panels[0, 0].set_ylabel("rank correlation")
        panels[0, 0].legend(frameon=False)
        return figure

    def __str__(self) -> str:
        texts = f"{self.n_texts} text{'s' if self.n_texts != 1 else ''}"
        headings = ["", *(f"layer {i}" for i in range(self.mean.shape[-1]))]
        tables = []
        for r, reference in enumerate(self.references):
            title = f"rank correlation with {reference.replace('_', ' ')}, {self.position}, {texts}"
            rows = [
                [method, *map(_cell, self.mean[r, m], self.deviation[r, m])]
                for m, method in enumerate(self.methods)
            ]
            tables.append(f"{title}\n{text_table([headings, *rows])}")
        return "\n\n".join(tables)

    __repr__ = __str__


def _cell(mean: float, deviation: float) -> str:
    """Return one number of a table."""
    return "constant" if np.isnan(mean) else f"{mean:+.2f} ± {deviation:.2f}"
