"""Induction scores: attention to the token that followed an earlier copy, on random tokens."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from attn_widget.errors import InputError
from attn_widget.heads.metrics import head_metrics
from attn_widget.records import HeadScores, Progress, Report
from attn_widget.records.protocols import Runs
from attn_widget.records.runners import check_runner


def induction_scores(
    runner: Any,
    *,
    length: int = 50,
    samples: int = 4,
    seed: int = 0,
    vocabulary: Sequence[int] | None = None,
    attention: str | None = None,
    progress: Report | None = None,
) -> HeadScores:
    """Return each head's induction on random tokens that are repeated once, ``(layer, head)``.

    ``mean over queries of the second half of attention[query, query − length + 1]``

    Parameters
    ----------
    runner
        A `ModelRunner`; its tokenizer gives the ids and the special tokens around a text.
    length
        How many random tokens, all different, are repeated; 2 or more.
    samples
        How many such texts the mean is taken over.
    seed
        Of the random numbers.
    vocabulary
        Ids to draw from. Omit it for all but special tokens.
    attention
        Which attention of the capture. Omit it for the first.
    progress
        Called between texts; may raise `Cancelled`.

    Returns
    -------
    HeadScores
        Shares, 0 to 1. Random tokens have no meaning together, so a high share can come from the
        repetition only.

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
    >>> small = transformers.GPT2Config(
    ...     n_layer=3, n_head=2, n_embd=8, vocab_size=50, bos_token_id=0, eos_token_id=0
    ... )
    >>> runner = aw.ModelRunner(transformers.GPT2LMHeadModel(small))
    >>> scores = aw.induction_scores(runner, length=20, vocabulary=range(50))
    >>> scores.values.shape, scores.unit
    ((3, 2), 'share')
    >>> w = aw.AttentionWidget(runner.run([5, 6, 7, 5]), view="model", metric=scores)
    """
    check_runner(runner, Runs, "run texts")
    for name, value, least in (("length", length, 2), ("samples", samples, 1)):
        if not hasattr(value, "__index__") or value < least:
            raise InputError(
                f"{name} must be a whole number of {least} or more, got {value!r}. "
                "Omit it to use the default."
            )
    ids, before, after = _ids(runner, vocabulary)
    if len(ids) < length:
        raise InputError(
            f"vocabulary must hold at least length = {length} different ids, got {len(ids)}. "
            "Choose a smaller length."
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
    """Return the ids to draw from, and the special tokens before and after a text."""
    tokenizer = getattr(runner, "tokenizer", None)
    tokenizer = getattr(tokenizer, "tokenizer", tokenizer)  # of a processor
    if tokenizer is None:
        if vocabulary is None:
            raise InputError(
                "vocabulary must be given for a runner without a tokenizer, got None. "
                "Give the ids to draw from."
            )
        return np.array(sorted({int(i) for i in vocabulary})), [], []
    special = set(getattr(tokenizer, "all_special_ids", ()))
    known = range(len(tokenizer)) if vocabulary is None else vocabulary
    ids = np.array(sorted({int(i) for i in known} - special))
    whole = [int(i) for i in tokenizer("a", verbose=False)["input_ids"]]
    inside = [place for place, i in enumerate(whole) if i not in special]
    if not inside:  # a vocabulary without this letter
        return ids, whole[:1], whole[-1:] if len(whole) > 1 else []
    return ids, whole[: inside[0]], whole[inside[-1] + 1 :]
