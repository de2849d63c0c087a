"""Head ablation: effect on a model's output of removing attention heads."""

from __future__ import annotations

from typing import Any

import numpy as np

from attn_widget.errors import InputError
from attn_widget.heads.ablation_result import MEASURES, Ablation, change
from attn_widget.records import ABLATE_MODES, HeadScores, Report, renamed_arguments
from attn_widget.records.protocols import Ablates
from attn_widget.records.runners import check_runner


@renamed_arguments(how="mode", of="output")
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
    progress: Report | None = None,
    **options: Any,
) -> Ablation:
    """Return a model's output with all heads, and with these heads ablated together.

    Parameters
    ----------
    runner
        A `ModelRunner`, or another object with its ``ablate``.
    text, pair
        The input, as in ``runner.run``.
    heads
        ``(layer, head)`` of each, both counted from 0.
    mode
        What replaces ``weights · v`` of a head. ``zero``: 0. ``mean``: its own mean over all
        queries of this text, for every query. ``uniform``: the mean of the values of all keys that
        the query can attend to.
    attention
        Which of the capture's attentions the heads belong to, such as ``cross``. Omit it for the
        first.
    output
        Which output is compared. None: the next token, the masked token or the class. A token, its
        id or a class: that one is listed too. A function of the model's output: its value.
    position
        The query whose output is read. Omit it for the masked token where there is one, else the
        last token.
    progress
        Called after each pass; may raise `Cancelled`.
    options
        Further arguments of ``runner.run`` that describe the input.

    Returns
    -------
    Ablation
        ``before`` and ``after`` with logits, probabilities and, for causal models, the loss of the
        text's own tokens.

    Raises
    ------
    InputError
        If a head does not exist, none is named, ``mode`` is none of the three, or the model gives
        no logits and ``output`` is no function.

    Notes
    -----
    Three passes, and one more from the lowest changed layer up. The model is unchanged when this
    ends, also when it fails. With ``mode="mean"``, early positions of a causal model receive a mean
    that includes later positions.

    References
    ----------
    Michel, Levy and Neubig 2019, "Are Sixteen Heads Really Better than One?" (zero);
    Wang et al. 2023, "Interpretability in the Wild", section 2.1 (mean).

    Examples
    --------
    >>> import attn_widget as aw, transformers
    >>> small = transformers.GPT2Config(
    ...     n_layer=3, n_head=2, n_embd=8, vocab_size=50, bos_token_id=0, eos_token_id=0
    ... )
    >>> runner = aw.ModelRunner(transformers.GPT2LMHeadModel(small))
    >>> ablation = aw.ablate(runner, [5, 6, 7, 5], heads=[(2, 1)])
    >>> ablation.before.position, ablation.before.kind, ablation.after.probabilities.shape
    (3, 'token', (50,))
    """
    _check(runner, mode)
    if isinstance(heads, str):
        raise InputError(
            f"heads must be pairs (layer, head), got {heads!r}. To ablate each head in turn, scan.",
            code="aw.ablation_scan(runner, text)",
        )
    chosen = _pairs(heads)
    predictions = dict(
        runner.ablate(
            text,
            [chosen],
            pair,
            mode=mode,
            attention=attention,
            output=output,
            position=position,
            loss=None,
            progress=progress,
            **options,
        )
    )
    return Ablation(chosen, mode, predictions[()], predictions[chosen], attention)


@renamed_arguments(how="mode", of="output")
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
    progress: Report | None = None,
    **options: Any,
) -> HeadScores:
    """Return how much the output changes when each head alone is ablated, ``(layer, head)``.

    Parameters
    ----------
    runner, text, pair, mode, attention, output, position, options
        As in `ablate`.
    measure
        ``divergence``: Kullback–Leibler divergence of the distribution over next tokens or
        classes, in bits, 0 or more. ``probability``, ``logit``: after − before, of the token or
        class that ``output`` names, else of the most likely one before. ``loss``: after − before
        of the text's own loss in nats, for causal models. ``score``: after − before of the
        function ``output``. Omit it for score with a function, probability with a named token or
        class, else divergence.
    progress
        Called after each pass; may raise `Cancelled`.

    Returns
    -------
    HeadScores
        What `ablate` gives for each head, to rounding; NaN where a layer has fewer heads.

    Raises
    ------
    InputError
        As in `ablate`; or if the measure does not fit ``output``.

    Notes
    -----
    Many heads share a pass, and layers below each head are not run again: about half of the
    layers of one item per head. A loss needs the logits of all positions and takes longer.

    Examples
    --------
    >>> import attn_widget as aw, transformers
    >>> small = transformers.GPT2Config(
    ...     n_layer=3, n_head=2, n_embd=8, vocab_size=50, bos_token_id=0, eos_token_id=0
    ... )
    >>> runner = aw.ModelRunner(transformers.GPT2LMHeadModel(small))
    >>> scores = aw.ablation_scan(runner, [5, 6, 7, 5])
    >>> scores.values.shape, scores.unit
    ((3, 2), 'bits')
    """
    _check(runner, mode)
    if measure is None:
        measure = "score" if callable(output) else "probability"
        measure = "divergence" if output is None else measure
    if measure not in MEASURES:
        raise InputError(
            f"measure must be one of {', '.join(MEASURES)}, got {measure!r}. Choose one of these."
        )
    if callable(output) != (measure == "score"):
        given = "a function" if callable(output) else repr(output)
        raise InputError(
            f"measure must be score exactly where output is a function, got {measure!r} with "
            f"output={given}. Omit measure to use the default."
        )
    predictions = runner.ablate(
        text,
        None,
        pair,
        mode=mode,
        attention=attention,
        output=output,
        position=position,
        loss=measure == "loss",
        progress=progress,
        **options,
    )
    _, before = next(predictions)
    changes = {heads[0]: change(measure, before, after) for heads, after in predictions}
    values = np.full([1 + max(place[axis] for place in changes) for axis in (0, 1)], np.nan)
    for place, value in changes.items():
        values[place] = value
    group = attention if attention is not None else "self"
    return HeadScores(f"{measure} without the head", values, group, MEASURES[measure])


def _check(runner: Any, mode: str) -> None:
    """Refuse a runner that cannot ablate heads, and an unknown mode."""
    check_runner(runner, Ablates, "ablate attention heads")
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
