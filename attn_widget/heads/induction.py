"""Which heads complete a repetition: induction, measured where nothing but the repetition can be followed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from attn_widget.errors import InputError
from attn_widget.heads.metrics import head_metrics
from attn_widget.records import HeadScores, Progress


def induction_scores(
    runner: Any,
    *,
    length: int = 50,
    samples: int = 4,
    seed: int = 0,
    vocabulary: Sequence[int] | None = None,
    attention: str | None = None,
    progress: Callable[[Progress], None] | None = None,
) -> HeadScores:
    """Return each head's induction on random tokens that stand there twice, ``(layer, head)``.

    ``mean over queries of the second half of attention[query, query − length + 1]``

    Parameters
    ----------
    runner
        A `ModelRunner`; its tokenizer says which ids there are and which special tokens stand around a text.
    length
        How many random tokens, all different, are repeated once; 2 or more.
    samples
        How many such texts the mean is taken over.
    seed
        Of the random numbers.
    vocabulary
        Ids to draw from; all but special tokens where left out.
    attention
        Which attention of the capture; the first where left out.
    progress
        Called between texts; may raise `Cancelled`.

    Returns
    -------
    HeadScores
        Shares, 0 to 1. Random tokens mean nothing together, so what is high here follows the repetition alone.

    Raises
    ------
    InputError
        If there are fewer ids than ``length``, or the text is longer than the model's positions.

    Notes
    -----
    One forward pass of ``2 × length`` tokens per sample.

    References
    ----------
    Olsson et al. 2022, "In-context Learning and Induction Heads", "prefix matching score".
    https://transformer-circuits.pub/2022/in-context-learning-and-induction-heads

    Examples
    --------
    >>> import attn_widget as aw, transformers
    >>> small = transformers.GPT2Config(n_layer=3, n_head=2, n_embd=8, vocab_size=50, bos_token_id=0, eos_token_id=0)
    >>> runner = aw.ModelRunner(transformers.GPT2LMHeadModel(small))
    >>> scores = aw.induction_scores(runner, length=20, vocabulary=range(50))
    >>> scores.values.shape, scores.unit
    ((3, 2), 'share')
    >>> w = aw.AttentionWidget(runner.run([5, 6, 7, 5]), view="model", metric=scores)
    """
    for name, value, least in (("length", length, 2), ("samples", samples, 1)):
        if not hasattr(value, "__index__") or value < least:
            raise InputError(
                f"{name} must be a whole number of {least} or more, got {value!r}. Leave it out for ours."
            )
    ids, before, after = _ids(runner, vocabulary)
    if len(ids) < length:
        raise InputError(
            f"vocabulary must hold at least length = {length} different ids, got {len(ids)}. Choose a smaller length."
        )
    rng = np.random.default_rng(seed)
    found = []
    for done in range(samples):
        if progress is not None:
            progress(Progress("induction", done, samples))
        drawn = rng.choice(ids, length, replace=False).tolist()
        capture = runner.run([*before, *drawn, *drawn, *after])
        found.append(head_metrics(capture, "induction", attention=attention)["induction"])
    return HeadScores(
        "induction on random tokens", np.mean([one.values for one in found], 0), found[0].attention
    )


def _ids(runner: Any, vocabulary: Sequence[int] | None) -> tuple[np.ndarray, list[int], list[int]]:
    """Return the ids to draw from, and the special tokens that the model is used to around a text."""
    tokenizer = getattr(
        getattr(runner, "tokenizer", None), "tokenizer", getattr(runner, "tokenizer", None)
    )
    if vocabulary is None and tokenizer is None:
        raise InputError(
            "vocabulary must be given for a runner without a tokenizer, got None. Give the ids to draw from."
        )
    special = set(getattr(tokenizer, "all_special_ids", ()))
    ids = range(len(tokenizer)) if vocabulary is None else vocabulary
    ids = np.array(sorted({int(i) for i in ids} - special))
    if tokenizer is None:
        return ids, [], []
    around = [int(i) in special for i in tokenizer("a", verbose=False)["input_ids"]]
    whole = tokenizer("a", verbose=False)["input_ids"]
    inside = [place for place, is_special in enumerate(around) if not is_special]
    if not inside:  # a vocabulary without this letter
        return ids, whole[:1], whole[-1:] if len(whole) > 1 else []
    return ids, whole[: inside[0]], whole[inside[-1] + 1 :]
