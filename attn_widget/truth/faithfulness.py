"""Does a map say anything true? Its rank correlation with what happens when tokens are taken away."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from attn_widget.attribution.methods import METHODS, applicable, attribute
from attn_widget.attribution.validation import check_index, installed
from attn_widget.errors import InputError, MethodError
from attn_widget.records import Progress, renamed_arguments, to_numpy

REFERENCES = ("blank_out", "input_gradients")


@dataclass(frozen=True, eq=False)
class Faithfulness:
    """Spearman rank correlations, ``(method, layer)``, mean and standard deviation over texts, one table a reference.

    ``print`` shows the tables, ``to_pandas`` gives one row per number, ``plot`` draws them.
    """

    methods: tuple[str, ...]
    references: tuple[str, ...]
    mean: Float[np.ndarray, "reference method layer"]
    deviation: Float[np.ndarray, "reference method layer"]
    n_texts: int
    position: str  # which row was compared

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
        pandas = installed("pandas", "to_pandas", "read table.rows()")
        return pandas.DataFrame(list(self.rows()))

    def plot(self) -> Any:
        """Return a matplotlib figure: one panel per reference, one line per method, a band of one deviation.

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
        pyplot.close(figure)  # a notebook would draw it twice
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
        width = max(map(len, self.methods))
        lines = []
        for r, reference in enumerate(self.references):
            n_layers = self.mean.shape[-1]
            texts = f"{self.n_texts} text{'s' if self.n_texts != 1 else ''}"
            lines.append(
                f"rank correlation with {reference.replace('_', ' ')}, {self.position}, {texts}"
            )
            lines.append(" " * width + "".join(f"{'layer ' + str(i):>14}" for i in range(n_layers)))
            for m, method in enumerate(self.methods):
                cells = zip(self.mean[r, m], self.deviation[r, m], strict=True)
                lines.append(
                    f"{method:<{width}}" + "".join(f"{_cell(*cell):>14}" for cell in cells)
                )
            lines.append("")
        return "\n".join(lines[:-1])

    __repr__ = __str__


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
    progress: Callable[[Progress], None] | None = None,
) -> Faithfulness:
    """Return how well the rows of each method and layer rank tokens as the model's own behaviour does.

    Spearman's rank correlation between ``attribution[query]`` and the reference, for each layer.

    Parameters
    ----------
    runner
        A `ModelRunner`: it must give ``run``, ``blank_out``, ``input_gradients`` and, for gradient methods,
        ``gradients``.
    text
        A text, or several: then means and standard deviations over texts are returned.
    methods
        Names of `METHODS`.
    references
        ``blank_out``: change of the answer when each token is replaced in turn. ``input_gradients``: size of
        the answer's gradient by each token's embedding.
    output
        Which answer: None the predicted class or next token, an id, a token, or a function of the output.
    query
        The row that is compared. Left out: the last token of a causal model, the first of others.
    baseline
        Divide by the same method on uniform causal attention, where that exists.
    exclude_self
        Leave the query's own position out: the residual share makes it large in every joint matrix.
    progress
        Called between texts with a `Progress`; may raise `Cancelled`.

    Returns
    -------
    Faithfulness
        ``mean`` and ``deviation``, ``(reference, method, layer)``, each from −1 to 1; NaN where a ranking is constant.

    Raises
    ------
    InputError
        If a method or reference is unknown, or there is no text.
    MethodError
        If a method cannot be applied to this model's captures.

    Notes
    -----
    Blank-out costs one forward pass per token. Whether a method ranks tokens well depends on the model, the
    answer asked for and the row: no method is best everywhere, and in deep causal models rollout and flow
    can correlate negatively.

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
    ...     output=lambda returned: returned.last_hidden_state[0, 0].norm(),
    ... )
    >>> table.mean.shape
    (1, 2, 6)
    """
    texts = [text] if isinstance(text, str) else list(text)
    if not texts:
        raise InputError("text must hold at least one text, got none. Give a sentence.")
    for name, known, given in (
        ("methods", METHODS, methods),
        ("references", REFERENCES, references),
    ):
        for one in given:
            if one not in known:
                raise InputError(
                    f"{name} must be among {', '.join(known)}, got {one!r}. Choose from these."
                )
    scores, position = [], ""
    for done, one in enumerate(texts):
        if progress is not None:
            progress(Progress("faithfulness", done, len(texts)))
        table, position = _of_text(
            runner, one, methods, references, output, query, baseline, exclude_self
        )
        scores.append(table)
    stacked = np.stack(scores)
    return Faithfulness(
        tuple(methods), tuple(references), stacked.mean(0), stacked.std(0), len(texts), position
    )


def _of_text(
    runner: Any,
    text: str,
    methods: Sequence[str],
    references: Sequence[str],
    output: Any,
    query: int | None,
    baseline: bool,
    exclude_self: bool,
) -> tuple[Float[np.ndarray, "reference method layer"], str]:
    """Return the correlations of one text, and which row was compared."""
    needs_gradients = {"relevance", "gradient_attention"} & set(methods)
    capture = runner.gradients(text, output=output) if needs_gradients else runner.run(text)
    group = capture.group()
    reasons = applicable(capture)
    for method in methods:
        if reasons[method]:
            raise MethodError(reasons[method])
    causal = group[0].causal
    default = group[0].n_queries - 1 if causal else 0
    row = check_index("query", query, group[0].n_queries, default)
    truth = {name: np.asarray(getattr(runner, name)(text, output=output)) for name in references}
    kept = np.arange(group[0].n_keys) != row if exclude_self else np.ones(group[0].n_keys, bool)
    out = np.zeros((len(references), len(methods), len(group)))
    for m, method in enumerate(methods):
        for layer in range(len(group)):
            answer = attribute(capture, method, layer=layer, query=row, baseline=baseline)
            values = to_numpy(answer.values)[0]
            for r, name in enumerate(references):
                out[r, m, layer] = spearman(values[kept], truth[name][kept])
    return (
        out,
        f"row {row if query is not None else ('of the last token' if causal else 'of the first token')}",
    )


def spearman(a: Float[np.ndarray, " token"], b: Float[np.ndarray, " token"]) -> float:
    """Return the correlation of the ranks of two rows, ties sharing their mean rank; NaN where one is constant."""
    from scipy.stats import rankdata

    # Rounding must not decide a rank: flow's saturated values differ by some last bits.
    ranks = [rankdata(np.round(x / max(np.abs(x).max(), 1e-300), 12)) for x in (a, b)]
    centred = [rank - rank.mean() for rank in ranks]
    length = np.sqrt((centred[0] ** 2).sum() * (centred[1] ** 2).sum())
    return float((centred[0] * centred[1]).sum() / length) if length > 0 else float("nan")


def _cell(mean: float, deviation: float) -> str:
    """Return one number of a table."""
    return "constant" if np.isnan(mean) else f"{mean:+.2f} ± {deviation:.2f}"
