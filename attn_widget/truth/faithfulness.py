"""Faithfulness of attribution maps: rank correlation with each token's effect on the output."""

from __future__ import annotations

from collections.abc import Sequence
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
from attn_widget.truth.faithfulness_table import Faithfulness

# Reference -> what a runner needs to measure it, and how errors call it.
ABILITIES = {
    "blank_out": (BlanksOut, "blank out tokens"),
    "input_gradients": (TakesInputGradients, "take gradients of its input"),
}
REFERENCES = tuple(ABILITIES)


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
