"""`Ablation`: a model's output with and without some heads, and how much it changed."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from attn_widget.records import Prediction
from attn_widget.records.tables import data_frame, text_table

MEASURES = {  # name -> unit
    "divergence": "bits",
    "probability": "share",
    "logit": "logit",
    "loss": "nats",
    "score": "score",
}
SHOWN = 5  # tokens or classes that are printed, of before and of after
HEADS_NAMED = 8  # in the printed title


@dataclass(frozen=True, eq=False)
class Ablation:
    """A model's output with all heads (``before``) and without some of them (``after``).

    ``print`` shows both side by side; ``logits`` is the change of every token's or class's logit.

    Attributes
    ----------
    heads
        ``(layer, head)`` of each ablated head, both from 0.
    mode
        What replaced the heads' output: ``zero``, ``mean`` or ``uniform``.
    before, after
        The two predictions, or the two scores.
    attention
        Which attention of the capture the heads belong to; None for the first.

    Examples
    --------
    >>> import attn_widget as aw, transformers
    >>> small = transformers.GPT2Config(
    ...     n_layer=3, n_head=2, n_embd=8, vocab_size=50, bos_token_id=0, eos_token_id=0
    ... )
    >>> runner = aw.ModelRunner(transformers.GPT2LMHeadModel(small))
    >>> ablation = aw.ablate(runner, [5, 6, 7, 5], heads=[(0, 0), (2, 1)], mode="mean")
    >>> ablation.logits.shape, ablation.divergence > 0
    ((50,), True)
    """

    heads: tuple[tuple[int, int], ...]
    mode: str
    before: Prediction
    after: Prediction
    attention: str | None = None

    @property
    def how(self) -> str:
        """Return ``mode`` under its old name."""
        warnings.warn("Ablation.how is now Ablation.mode.", DeprecationWarning, stacklevel=2)
        return self.mode

    @property
    def logits(self) -> np.ndarray:
        """Return ``after − before`` of the logits, ``(class,)``."""
        self.before.probabilities  # noqa: B018 - refuses a score, which has no logits
        return self.after.logits - self.before.logits

    @property
    def divergence(self) -> float:
        """Return the Kullback–Leibler divergence ``Σ p log2(p / q)`` of before and after, in bits.

        0 where the distribution did not change.
        """
        return change("divergence", self.before, self.after)

    @property
    def loss(self) -> float | None:
        """Return ``after − before`` of the text's own loss, in nats; None where there is none."""
        return None if self.before.loss is None else change("loss", self.before, self.after)

    @property
    def score(self) -> float | None:
        """Return ``after − before`` of the output function's value; None without a function."""
        return None if self.before.score is None else change("score", self.before, self.after)

    def top(self, n: int = SHOWN) -> tuple[tuple[str, float, float], ...]:
        """Return the n most likely tokens or classes of before and of after.

        Each as (name, probability before, probability after), the most likely before first.
        """
        before, after = self.before.probabilities, self.after.probabilities
        chosen = {int(i) for p in (before, after) for i in np.argsort(-p, kind="stable")[:n]}
        if self.before.asked is not None:
            chosen.add(self.before.asked)
        order = sorted(chosen, key=lambda i: (-before[i], i))
        return tuple((self.before.label_of(i), float(before[i]), float(after[i])) for i in order)

    def rows(self) -> Iterator[dict[str, Any]]:
        """Return one record per token or class, the most likely before first."""
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
        """Return a pandas DataFrame, one row per token or class, the most likely before first.

        Raises
        ------
        MethodError
            If pandas is not installed.
        """
        return data_frame(self.rows(), "ablation")

    def __str__(self) -> str:
        n = len(self.heads)
        named = [f"{layer}.{head}" for layer, head in self.heads[:HEADS_NAMED]]
        named += ["…"] * (n > HEADS_NAMED)
        heads = f"{n} head{'s' if n != 1 else ''}"
        title = f"{heads} ablated ({self.mode}): {', '.join(named)} (layer.head)"
        before, after = self.before, self.after
        if before.score is not None:
            return (
                f"{title}\nscore {before.score:.4g} with, {after.score:.4g} without "
                f"({self.score:+.4g})"
            )
        place = "" if before.position is None else f" after position {before.position}"
        what = ("next token" if before.kind == "token" else "class") + place
        lines = [[what, "with", "without", "change"]]
        for name, p, q in self.top():
            lines.append([repr(name), f"{p:.4f}", f"{q:.4f}", f"{q - p:+.4f}"])
        moved = f"distribution moved by {self.divergence:.4g} bits"
        if before.loss is not None:
            moved += (
                f"; loss {before.loss:.4f} with, {after.loss:.4f} without ({self.loss:+.4f} nats)"
            )
        return f"{title}\n{text_table(lines)}\n{moved}"

    __repr__ = __str__


def change(measure: str, before: Prediction, after: Prediction) -> float:
    """Return the change of a prediction by one of `MEASURES`, in its unit."""
    if measure in ("loss", "score"):
        return float(getattr(after, measure) - getattr(before, measure))
    p, q = before.probabilities, after.probabilities
    if measure == "divergence":
        some = p > 0
        ratio = np.log2(p[some]) - np.log2(np.maximum(q[some], 1e-300))
        return max(0.0, float((p[some] * ratio).sum()))
    asked = int(p.argmax()) if before.asked is None else before.asked
    if measure == "probability":
        return float(q[asked] - p[asked])
    return float(after.logits[asked] - before.logits[asked])
