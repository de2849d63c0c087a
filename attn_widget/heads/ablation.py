"""Is it this head? What a model answers with heads switched off, one set of them or each in turn."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from attn_widget.errors import InputError
from attn_widget.records import (
    ABLATE_MODES,
    HeadScores,
    Prediction,
    Progress,
    renamed_arguments,
)

MEASURES = {
    "divergence": "bits",
    "probability": "share",
    "logit": "logit",
    "loss": "nats",
    "score": "score",
}
SHOWN = 5


@dataclass(frozen=True, eq=False)
class Ablation:
    """What a model answered with all heads on (``before``) and with some off (``after``).

    ``print`` shows both side by side; ``logits`` is the change of every token's or class's logit.
    """

    heads: tuple[tuple[int, int], ...]  # (layer, head)
    how: str
    before: Prediction
    after: Prediction
    attention: str | None = None

    @property
    def logits(self) -> np.ndarray:
        """Return ``after − before`` of the logits, ``(class,)``."""
        self.before.probabilities  # noqa: B018 - refuses a score, which has no logits
        return self.after.logits - self.before.logits

    @property
    def divergence(self) -> float:
        """Return how far the distribution moved: ``Σ p log2(p / q)`` of before and after, in bits, 0 or more."""
        return measured("divergence", self.before, self.after)

    @property
    def loss(self) -> float | None:
        """Return ``after − before`` of the text's own loss, in nats; None where the model has none."""
        return None if self.before.loss is None else self.after.loss - self.before.loss

    @property
    def score(self) -> float | None:
        """Return ``after − before`` of the score that was asked for; None where it was no function."""
        return None if self.before.score is None else self.after.score - self.before.score

    def top(self, n: int = SHOWN) -> tuple[tuple[str, float, float], ...]:
        """Return the n most likely answers of either, as (name, probability before, after), likeliest before first."""
        before, after = self.before.probabilities, self.after.probabilities
        either = set(np.argsort(-before, kind="stable")[:n]) | set(
            np.argsort(-after, kind="stable")[:n]
        )
        if self.before.asked is not None:
            either.add(self.before.asked)
        order = sorted(either, key=lambda i: (-before[i], i))
        return tuple(
            (self.before.label_of(int(i)), float(before[i]), float(after[i])) for i in order
        )

    def rows(self) -> Iterator[dict[str, Any]]:
        """Return one record per token or class, likeliest before first."""
        logits, before, after = self.logits, self.before.probabilities, self.after.probabilities
        for i in np.argsort(-before, kind="stable").tolist():
            yield {
                "name": self.before.label_of(i),
                "id": i,
                "before": float(before[i]),
                "after": float(after[i]),
                "logit_change": float(logits[i]),
            }

    def to_pandas(self) -> Any:
        """Return a pandas DataFrame, one row per token or class, likeliest before first."""
        import pandas

        return pandas.DataFrame(list(self.rows()))

    def __str__(self) -> str:
        n = len(self.heads)
        named = ", ".join(f"{layer}.{head}" for layer, head in self.heads[:8]) + (
            ", …" if n > 8 else ""
        )
        lines = [f"{n} head{'s' if n != 1 else ''} off ({self.how}): {named} (layer.head)"]
        if self.before.score is not None:
            lines.append(
                f"score {self.before.score:.4g} with, {self.after.score:.4g} without ({self.score:+.4g})"
            )
            return "\n".join(lines)
        place = "" if self.before.position is None else f" after position {self.before.position}"
        top = self.top()
        width = max(20, *(len(repr(name)) for name, _, _ in top))
        what = ("next token" if self.before.kind == "token" else "class") + place
        lines.append(f"{what:<{width}}{'with':>10}{'without':>10}{'change':>10}")
        for name, before, after in top:
            lines.append(f"{name!r:<{width}}{before:>10.4f}{after:>10.4f}{after - before:>+10.4f}")
        moved = f"distribution moved by {self.divergence:.4g} bits"
        if self.loss is not None:
            moved += f"; loss {self.before.loss:.4f} with, {self.after.loss:.4f} without ({self.loss:+.4f} nats)"
        return "\n".join([*lines, moved])

    __repr__ = __str__


@renamed_arguments(of="output", how="mode")
def ablate(
    runner: Any,
    text: Any,
    heads: Any,
    *,
    mode: str = "zero",
    pair: str | None = None,
    attention: str | None = None,
    output: Any = None,
    position: int | None = None,
    progress: Callable[[Progress], None] | None = None,
    **options: Any,
) -> Ablation:
    """Return what a model answers with these heads on, and with all of them off together.

    Parameters
    ----------
    runner
        A `ModelRunner`: it must give ``ablate``.
    text, pair
        What the model reads, as in ``runner.run``.
    heads
        ``(layer, head)`` of each, both counted from 0.
    mode
        What stands in for ``weights · v`` of a head. ``zero``: nothing. ``mean``: its own mean over all queries of
        this text, for every query. ``uniform``: the plain mean of the values of all keys that the query may see.
    attention
        Which of the capture's attentions the heads are of, such as ``cross``; the first where left out.
    output
        None: the next token, the masked token or the class. A token, its id or a class: that one is listed too. A
        function of the model's output: the change of its value.
    position
        The query whose answer is read: the masked token's where there is one, else the last.
    progress
        Called after each pass; may raise `Cancelled`.
    options
        Further arguments of ``runner.run`` that say what the model reads.

    Returns
    -------
    Ablation
        ``before`` and ``after`` with logits, probabilities and, for causal models, the loss of the text's own tokens.

    Raises
    ------
    InputError
        If a head does not exist, none is named, ``mode`` is none of the three, or the model gives no logits and
        ``output`` is no function.

    Notes
    -----
    Three passes and one more from the lowest changed layer up; the model is as before when it ends, also when it
    fails. With mode="mean", early positions of a causal model are given a mean over later ones too.

    References
    ----------
    Michel, Levy and Neubig 2019, "Are Sixteen Heads Really Better than One?" (zero);
    Wang et al. 2023, "Interpretability in the Wild", section 2.1 (mean).

    Examples
    --------
    >>> import attn_widget as aw, transformers
    >>> small = transformers.GPT2Config(n_layer=3, n_head=2, n_embd=8, vocab_size=50, bos_token_id=0, eos_token_id=0)
    >>> runner = aw.ModelRunner(transformers.GPT2LMHeadModel(small))
    >>> tried = aw.ablate(runner, [5, 6, 7, 5], heads=[(2, 1)])
    >>> tried.before.position, tried.before.kind, tried.after.probabilities.shape
    (3, 'token', (50,))
    """
    _check(runner, mode)
    if isinstance(heads, str):
        raise InputError(
            f"heads must be pairs (layer, head), got {heads!r}. To switch off each in turn, scan.",
            code="aw.ablation_scan(runner, text)",
        )
    chosen = _pairs(heads)
    found = dict(
        runner.ablate(
            text, [chosen], pair, mode=mode, attention=attention, output=output, position=position, loss=None,
            progress=progress, **options,
        )
    )  # fmt: skip
    return Ablation(chosen, mode, found[()], found[chosen], attention)


@renamed_arguments(of="output", how="mode")
def ablation_scan(
    runner: Any,
    text: Any,
    *,
    mode: str = "zero",
    measure: str | None = None,
    pair: str | None = None,
    attention: str | None = None,
    output: Any = None,
    position: int | None = None,
    progress: Callable[[Progress], None] | None = None,
    **options: Any,
) -> HeadScores:
    """Return how much the answer changes when each head alone is off, ``(layer, head)``.

    Parameters
    ----------
    runner, text, pair, mode, attention, output, position, options
        As in `ablate`.
    measure
        ``divergence``: by how many bits the distribution over next tokens or classes moves, 0 or more.
        ``probability``, ``logit``: after − before, of the token or class that ``output`` names, else of the likeliest one
        before. ``loss``: after − before of the text's own loss, for causal models. ``score``: after − before of the
        function ``output``. Left out: score for a function, probability for a named token or class, else divergence.
    progress
        Called after each pass; may raise `Cancelled`.

    Returns
    -------
    HeadScores
        What `ablate` would give for each head, to rounding; NaN where a layer has fewer heads than others.

    Raises
    ------
    InputError
        As in `ablate`; or the measure does not fit what is asked.

    Notes
    -----
    Heads are tried many to a pass, and layers below each are not run again: about half of the layers of one item a
    head. A loss needs the logits of all positions and takes longer.

    Examples
    --------
    >>> import attn_widget as aw, transformers
    >>> small = transformers.GPT2Config(n_layer=3, n_head=2, n_embd=8, vocab_size=50, bos_token_id=0, eos_token_id=0)
    >>> runner = aw.ModelRunner(transformers.GPT2LMHeadModel(small))
    >>> scores = aw.ablation_scan(runner, [5, 6, 7, 5])
    >>> scores.values.shape, scores.unit
    ((3, 2), 'bits')
    """
    _check(runner, mode)
    if measure is None:
        measure = "score" if callable(output) else "divergence" if output is None else "probability"
    if measure not in MEASURES:
        raise InputError(
            f"measure must be one of {', '.join(MEASURES)}, got {measure!r}. Choose one of these."
        )
    if callable(output) != (measure == "score"):
        given = "a function" if callable(output) else repr(output)
        raise InputError(
            f"measure must be score exactly where output is a function, got {measure!r} with output={given}."
        )
    answers = runner.ablate(
        text, None, pair, mode=mode, attention=attention, output=output, position=position, loss=measure == "loss",
        progress=progress, **options,
    )  # fmt: skip
    before, changes = None, {}
    for heads, prediction in answers:
        if not heads:
            before = prediction
        else:
            changes[heads[0]] = measured(measure, before, prediction)
    values = np.full([1 + max(place[axis] for place in changes) for axis in (0, 1)], np.nan)
    for place, change in changes.items():
        values[place] = change
    group = attention if attention is not None else "self"
    return HeadScores(f"{measure} without the head", values, group, MEASURES[measure])


def measured(measure: str, before: Prediction, after: Prediction) -> float:
    """Return one number for how an answer changed."""
    if measure in ("loss", "score"):
        return float(getattr(after, measure) - getattr(before, measure))
    p, q = before.probabilities, after.probabilities
    if measure == "divergence":
        some = p > 0
        return max(
            0.0, float((p[some] * (np.log2(p[some]) - np.log2(np.maximum(q[some], 1e-300)))).sum())
        )
    asked = int(p.argmax()) if before.asked is None else before.asked
    return float(
        q[asked] - p[asked]
        if measure == "probability"
        else after.logits[asked] - before.logits[asked]
    )


def _check(runner: Any, mode: str) -> None:
    """Refuse what no runner could do."""
    if not hasattr(runner, "ablate"):
        raise InputError(
            f"runner must be able to switch heads off, got {type(runner).__name__}. Give a model's runner.",
            code="aw.ModelRunner(model, tokenizer)",
        )
    if mode not in ABLATE_MODES:
        raise InputError(
            f"mode must be one of {', '.join(ABLATE_MODES)}, got {mode!r}. Choose one of these."
        )


def _pairs(heads: Any) -> tuple[tuple[int, int], ...]:
    """Return heads as distinct pairs of integers."""
    try:
        pairs = tuple(dict.fromkeys((int(layer), int(head)) for layer, head in heads))
    except (TypeError, ValueError):
        raise InputError(
            f"heads must be pairs (layer, head), got {heads!r}. Give for example [(3, 5)]."
        ) from None
    if not pairs:
        raise InputError("heads must name at least one head, got none. Give for example [(3, 5)].")
    return pairs
