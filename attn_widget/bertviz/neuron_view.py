"""`show` with bertviz's arguments: the neuron view of one head, for any transformers model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attn_widget.bertviz.output import check_action, check_mode, present
from attn_widget.errors import InputError

if TYPE_CHECKING:
    from IPython.display import HTML

    from attn_widget.widget.widget import AttentionWidget


def show(
    model: Any,
    model_type: str | None,
    tokenizer: Any,
    sentence_a: str,
    sentence_b: str | None = None,
    display_mode: str = "dark",
    layer: int | None = None,
    head: int | None = None,
    html_action: str = "view",
) -> HTML | AttentionWidget | None:
    """Display how one head's weights are computed: query, key, their products, scores, softmax.

    Parameters
    ----------
    model, tokenizer
        Any PyTorch transformer and its tokenizer. The model needs no options: queries and keys are
        recorded during one forward pass.
    model_type
        Ignored: every type works.
    sentence_a, sentence_b
        The text, and the second one for models that take pairs.
    display_mode
        ``dark`` or ``light``.
    layer, head
        The layer and head to begin with, from 0. Omit them for layer 0, head 0.
    html_action
        ``view``, ``return`` or ``widget``, as in `head_view`.

    Raises
    ------
    InputError
        If the text is empty or too long, or a layer or head does not exist.

    Examples
    --------
    >>> import attn_widget as aw
    >>> runner = aw.ModelRunner("sentence-transformers/all-MiniLM-L6-v2")
    >>> w = show(
    ...     runner.model, "bert", runner.tokenizer, "The keys.", layer=3, head=1,
    ...     html_action="widget",
    ... )
    >>> w.view, w.layer, w.head
    ('neuron', 3, 1)
    """
    from attn_widget.recording.model_runner import ModelRunner

    check_action(html_action)
    check_mode(display_mode)
    if not sentence_a:
        raise InputError(
            f"sentence_a must be a text, got {sentence_a!r}. Give the input of the model."
        )
    runner = ModelRunner(model, tokenizer)
    capture = runner.run(sentence_a, sentence_b or None)
    start = {"layer": layer or 0} | ({} if head is None else {"head": head})
    return present(capture, html_action, runner, view="neuron", theme=display_mode, **start)
