"""The only place that composes: a model and a text in, a live widget out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attn_widget.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.figure import Figure

    from attn_widget.records import Capture
    from attn_widget.widget.comparison import Comparison
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
    from attn_widget.recording.model_runner import ModelRunner
    from attn_widget.widget.widget import AttentionWidget

    if text is None:
        given = f" and {tokenizer!r} as tokenizer" if isinstance(tokenizer, str) else ""
        raise InputError(
            f'text must be given, got None{given}. Say what the model shall read: text="…".'
        )
    runner = model if isinstance(model, ModelRunner) else ModelRunner(model, tokenizer)
    return AttentionWidget(
        runner.run(text, pair, truncate=truncate), runner, truncate=truncate, **traits
    )


def plot_heads(
    capture: Capture,
    method: str = "raw",
    *,
    attention: str | None = None,
    layers: Sequence[int] | None = None,
    heads: Sequence[int] | None = None,
    residual: float = 0.5,
    reduce: str = "mean",
    normalise: bool = False,
    hide_special: bool = False,
    words: bool = False,
    theme: str = "light",
) -> Figure:
    """Return a figure of all heads of all layers as small maps, rows ask and columns answer.

    Methods that join heads have one map per layer. Square and rectangular attention alike.

    Parameters
    ----------
    capture
        From ``runner.run``, `capture` or `from_arrays`.
    method
        ``raw``, ``rollout``, ``flow`` …, as in `attribute`.
    attention
        Which attention: a name of ``capture.groups``; the first when left out.
    layers, heads
        Which of them, from 0; all when left out. A layer without such a head leaves its place empty.
    residual, reduce, normalise
        How joint matrices are made, as in `attribute`.
    hide_special, words
        Leave special tokens out; merge tokens to words.
    theme
        ``light`` or ``dark``.

    Returns
    -------
    Figure
        Of matplotlib, no window and no state of pyplot. ``savefig`` writes SVG, PDF or PNG.

    Raises
    ------
    InputError
        If a layer or head does not exist, or matplotlib is not installed (``attn-widget[figures]``).
    MethodError
        If the method cannot be applied to this attention.

    Notes
    -----
    One layer is held at a time; long axes are pooled by their largest values, and the caption says so.

    Examples
    --------
    >>> import numpy as np
    >>> import attn_widget as aw
    >>> capture = aw.from_arrays(np.full((2, 3, 4, 4), 0.25), list("abcd"))
    >>> figure = aw.plot_heads(capture, layers=[1])
    >>> len(figure.axes[0].images) - 1  # maps, and the legend
    3
    """
    from attn_widget.attribution.methods import PER_HEAD
    from attn_widget.pictures import validation as checks
    from attn_widget.pictures.protocol import Spec
    from attn_widget.widget.figures import heads_figure

    name = next(iter(capture.groups)) if attention is None else attention
    group = capture.group(name)
    spec = Spec(
        view="model", method=method, attention=name, residual=residual, reduce=reduce, normalise=normalise,
        hide_special=hide_special, words=words,
    )  # fmt: skip
    for option in ("method", "residual", "reduce"):
        checks.check(option, getattr(spec, option), capture, name, ())
    if heads is not None and method not in PER_HEAD:
        raise InputError(
            f"heads must be left out for {method}, got {heads!r}. It joins the heads of a layer."
        )
    chosen = range(len(group)) if layers is None else _chosen("layers", layers, len(group))
    n_heads = max(layer.n_heads for layer in group)
    return heads_figure(
        capture, spec, chosen, None if heads is None else _chosen("heads", heads, n_heads), theme
    )


def _chosen(name: str, wanted: Sequence[int], n: int) -> list[int]:
    """Return indices that exist, at least one, negatives counted from the end."""
    chosen = [wanted] if isinstance(wanted, int) else list(wanted)
    if not chosen:
        raise InputError(f"{name} must name at least one, got []. Leave it out for all.")
    for i in chosen:
        if not -n <= i < n:
            raise InputError(f"{name} must be 0 to {n - 1}, got {i}. Choose one that exists.")
    return [i % n for i in chosen]


def compare(
    a: Any,
    b: Any,
    *,
    align: str = "words",
    method: Any = None,
    **traits: Any,
) -> Comparison:
    """Return two captures or widgets side by side, linked, with the matrix of their differences (b − a).

    Two texts (she, he), two models (before and after training), or two methods of one capture.

    Parameters
    ----------
    a, b
        Captures or widgets; a widget keeps its runner, so that its text can be changed.
    align
        ``words``: the longest runs of equal words stand for each other, and as many words between two runs do.
        ``position``: token by token, for texts of as many tokens.
    method
        One method for both, or one for each.
    **traits
        Where both start: ``layer``, ``head``, ``view``, ``attention`` … as in `AttentionWidget`.

    Returns
    -------
    Comparison
        ``difference`` holds the numbers, ``a`` and ``b`` the widgets, ``aligned_queries`` and ``aligned_keys`` what
        stands for what.

    Raises
    ------
    InputError
        If the two cannot be aligned: other attentions, layers or heads, no word in common, not as many tokens.

    Examples
    --------
    >>> import attn_widget as aw
    >>> runner = aw.ModelRunner("sentence-transformers/all-MiniLM-L6-v2")
    >>> she, he = (runner.run(f"The nurse said that {word} was late.") for word in ("she", "he"))
    >>> c = aw.compare(she, he, layer=3, head=2)
    >>> c.aligned_queries.labels[5], c.difference.values.shape
    ('she | he', (10, 10))
    """
    from attn_widget.records import Capture
    from attn_widget.widget.comparison import Comparison
    from attn_widget.widget.widget import AttentionWidget

    methods = method if isinstance(method, tuple) else (method, method)
    if len(methods) != 2:
        raise InputError(
            f"method must be one method or two, got {len(methods)}. Give one for each side."
        )
    sides = []
    for name, given, chosen in zip("ab", (a, b), methods, strict=True):
        if not isinstance(given, Capture | AttentionWidget):
            raise InputError(
                f"{name} must be a capture or a widget, got {type(given).__name__}. Run the model on a text first.",
                code="runner.run(text)",
            )
        own = traits if chosen is None else traits | {"method": chosen}
        if isinstance(given, Capture):
            sides.append(AttentionWidget(given, **{"view": "matrix"} | own))
        else:
            for trait, value in own.items():
                setattr(given, trait, value)
            sides.append(given)
    if sides[0] is sides[1]:
        raise InputError(
            "b must be another widget than a, got the same. Give its capture: w.capture."
        )
    return Comparison(*sides, align=align)
