"""The only place that composes: a model and a text in, a live widget out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attn_widget.errors import InputError

if TYPE_CHECKING:
    from attn_widget.widget.widget import AttentionWidget


def explore(
    model: Any,
    tokenizer: Any = None,
    text: str | None = None,
    *,
    pair: str | None = None,
    truncate: bool = False,
    **traits: Any,
) -> AttentionWidget:
    """Return a live widget of what a model attends to in a text; typing another text runs the model again.

    Parameters
    ----------
    model
        A PyTorch transformer, a `ModelRunner` that already holds one, or a model's name: a folder, a
        model that an installed package carries, or one on the hub.
    tokenizer
        The tokenizer that belongs to ``model``; may be left out with a name or a runner.
    text, pair
        The sentence, and a second one for models that take pairs.
    truncate
        Cut a text that is longer than the model's positions instead of refusing it.
    **traits
        Where to start: ``view``, ``method``, ``layer``, ``heads``, ``query`` … as in `AttentionWidget`.

    Raises
    ------
    InputError
        If the text is empty or too long, or the tokenizer does not fit the model.
    NoAttentionError
        If nothing in the model took a softmax of q·kᵀ.

    Examples
    --------
    >>> import attn_widget as aw
    >>> w = aw.explore("sentence-transformers/all-MiniLM-L6-v2", text="The keys are on the table.")
    >>> w.method, w.query = "rollout", 2
    >>> w.matrix().shape
    (9, 9)
    """
    from attn_widget.recording.runner import ModelRunner
    from attn_widget.widget.widget import AttentionWidget

    if text is None:
        given = f" and {tokenizer!r} as tokenizer" if isinstance(tokenizer, str) else ""
        raise InputError(f'text must be given, got None{given}. Say what the model shall read: text="…".')
    runner = model if isinstance(model, ModelRunner) else ModelRunner(model, tokenizer)
    return AttentionWidget(runner.run(text, pair, truncate=truncate), runner, truncate=truncate, **traits)
