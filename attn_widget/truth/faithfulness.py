"""Faithfulness of attribution maps: rank correlation with the effect of each token on the output."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from attn_widget.attribution.compute import needs_gradient
from attn_widget.attribution.methods import METHODS, applicable, attribute
from attn_widget.errors import InputError, MethodError
from attn_widget.records import Progress, Report, check_index, renamed_arguments, to_numpy
from attn_widget.records.protocols import BlanksOut, Runs, TakesGradients, TakesInputGradients
from attn_widget.records.runners import check_runner
from attn_widget.records.tables import data_frame, installed, text_table

# Reference -> what a runner needs to measure it, and how errors call it.
ABILITIES = {
    "blank_out": (BlanksOut, "blank out tokens"),
    "input_gradients": (TakesInputGradients, "take gradients of its input"),
}
REFERENCES = tuple(ABILITIES)


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


@dataclass(frozen=True)
class _Comparison:
    """What is compared for each text."""

    methods: tuple[str, ...]
    references: tuple[str, ...]
    output: Any
    query: int | None
    baseline: bool
    exclude_self: bool


@renamed_arguments(of="output")
def faithfulness(
    runner: Any,
    text: str | Sequence[str],
    *,
    methods: Sequence[str] = ("raw", "rollout", "flow"),
    references: Sequence[str] = REFERENCES,
    output: Any = None,
    query: int | None = None,
    baseline: bool = False,
    exclude_self: bool = False,
    progress: Report | None = None,
) -> Faithfulness:
    """Return how well each method and layer ranks tokens by their effect on the model's output.

    Spearman's rank correlation between ``attribution[query]`` and the reference, for each layer.

    Parameters
    ----------
    runner
        A `ModelRunner`, or another object with ``run``, the methods that the references name and,
        for methods that need gradients, ``gradients``.
    text
        A text, or several for means and standard deviations.
    methods
        Names of `METHODS`.
    references
        ``blank_out``: change of the output when each token is replaced in turn.
        ``input_gradients``: length of the output's gradient by each token's embedding.
    output
        Which output. None: the predicted class or next token. An id, a token, or a function of the
        model's output.
    query
        The row that is compared. Omit it for the last token of a causal model, the first of others.
    baseline
        Divide by the same method on uniform causal attention, where that exists.
    exclude_self
        Leave the query's own position out: the residual share makes it large in every joint matrix.
    progress
        Called between texts with a `Progress`; may raise `Cancelled`.

    Returns
    -------
    Faithfulness
        ``mean`` and ``deviation``, ``(reference, method, layer)``, each from −1 to 1; NaN where a
        ranking is constant.

    Raises
    ------
    InputError
        If the runner lacks a method, an attribution method or reference is unknown, or there is no
        text.
    MethodError
        If a method cannot be applied to this model's captures.

    Notes
    -----
    Blank-out costs one forward pass per token. Whether a method ranks tokens well depends on the
    model, the output and the row: no method is best everywhere, and in deep causal models rollout
    and flow can correlate negatively.

    References
    ----------
    Abnar and Zuidema 2020, "Quantifying Attention Flow in Transformers", section 4, tables 1 to 3.
    https://aclanthology.org/2020.acl-main.385

    Examples
    --------
    >>> import attn_widget as aw
    >>> runner = aw.ModelRunner("sentence-transformers/all-MiniLM-L6-v2")
    >>> table = aw.faithfulness(
    ...     runner, "The key is old.", methods=["raw", "rollout"], references=["blank_out"],
    ...     output=lambda output: output.last_hidden_state[0, 0].norm(),
    ... )
    >>> table.mean.shape
    (1, 2, 6)
    """
    for name, known, given in (
        ("methods", METHODS, methods),
        ("references", REFERENCES, references),
    ):
        for one in given:
            if one not in known:
                raise InputError(
                    f"{name} must be among {', '.join(known)}, got {one!r}. Choose from these."
                )
    check_runner(runner, Runs, "run texts")
    for reference in references:
        check_runner(runner, *ABILITIES[reference])
    if _need_gradients(methods):
        check_runner(runner, TakesGradients, "take gradients by attention")
    texts = [text] if isinstance(text, str) else list(text)
    if not texts:
        raise InputError("text must hold at least one text, got none. Give a sentence.")
    comparison = _Comparison(
        tuple(methods), tuple(references), output, query, baseline, exclude_self
    )
    scores, position = [], ""
    for done, one in enumerate(texts):
        if progress is not None:
            progress(Progress("faithfulness", done, len(texts)))
        table, position = _of_text(runner, one, comparison)
        scores.append(table)
    stacked = np.stack(scores)
    return Faithfulness(
        comparison.methods,
        comparison.references,
        stacked.mean(0),
        stacked.std(0),
        len(texts),
        position,
    )


def _need_gradients(methods: Sequence[str]) -> bool:
    """Return whether a method needs the gradient by attention."""
    return any(METHODS[method].needs is needs_gradient for method in methods)


def _of_text(
    runner: Any, text: str, comparison: _Comparison
) -> tuple[Float[np.ndarray, "reference method layer"], str]:
    """Return the correlations of one text, and which row was compared."""
    methods, references, output = comparison.methods, comparison.references, comparison.output
    gradients = _need_gradients(methods)
    capture = runner.gradients(text, output=output) if gradients else runner.run(text)
    group = capture.group()
    reasons = applicable(capture)
    for method in methods:
        if reasons[method]:
            raise MethodError(reasons[method])
    n, causal = group[0].n_queries, group[0].causal
    if comparison.query is None:
        row, position = (
            (n - 1, "row of the last token") if causal else (0, "row of the first token")
        )
    else:
        row = check_index("query", comparison.query, n)
        position = f"row {row}"
    truth = {name: np.asarray(getattr(runner, name)(text, output=output)) for name in references}
    kept = np.ones(group[0].n_keys, bool)
    kept[row] = not comparison.exclude_self
    table = np.zeros((len(references), len(methods), len(group)))
    for m, method in enumerate(methods):
        for layer in range(len(group)):
            found = attribute(capture, method, layer=layer, query=row, baseline=comparison.baseline)
            values = to_numpy(found.values)[0]
            for r, name in enumerate(references):
                table[r, m, layer] = spearman(values[kept], truth[name][kept])
    return table, position


def spearman(a: Float[np.ndarray, " token"], b: Float[np.ndarray, " token"]) -> float:
    """Return Spearman's rank correlation of two rows; NaN where one is constant."""
    from scipy.stats import spearmanr

    # Rounding must not decide a rank: saturated flow values differ in their last bits.
    rows = [np.round(row / max(np.abs(row).max(), 1e-300), 12) for row in (a, b)]
    if any((row == row[0]).all() for row in rows):
        return float("nan")
    return float(spearmanr(*rows)[0])


def _cell(mean: float, deviation: float) -> str:
    """Return one number of a table."""
    return "constant" if np.isnan(mean) else f"{mean:+.2f} ± {deviation:.2f}"
