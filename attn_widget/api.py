"""Functions that combine recording, figures and the widget."""

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
    text: Any = None,
    *,
    pair: str | None = None,
    target: Any = None,
    truncate: bool = False,
    images: Any = None,
    sampling_rate: int | None = None,
    max_new_tokens: int | None = None,
    **traits: Any,
) -> AttentionWidget:
    """Return a live widget of a model's attention on a text; typing another text runs the model.

    Parameters
    ----------
    model
        A PyTorch transformer, a pipeline, a `ModelRunner`, or the name of a model: a folder, a
        model that an installed package contains, or one on the hub.
    tokenizer
        The tokenizer of ``model``; not needed with a name, a pipeline or a runner.
    text, pair
        The sentence, and a second one for models that take pairs; or what else `ModelRunner.run`
        takes: words, messages, ids, a picture, a sound, tensors.
    target, images, sampling_rate, max_new_tokens
        As in `ModelRunner.run`.
    truncate
        Cut a text that is longer than the model's positions instead of refusing it.
    **traits
        Initial traits: ``view``, ``method``, ``layer``, ``heads``, ``query`` … of
        `AttentionWidget`.

    Returns
    -------
    AttentionWidget
        Displays itself as the last line of a cell.

    Raises
    ------
    InputError
        If the text is empty or too long, the tokenizer does not fit the model, or an argument is
        misspelt or would not be used.
    NoAttentionError
        If the model computes no softmax of q·kᵀ.

    Examples
    --------
    >>> import attn_widget as aw
    >>> w = aw.explore("sentence-transformers/all-MiniLM-L6-v2", text="The keys are on the table.")
    >>> w.method, w.query = "rollout", 2
    >>> w.matrix().shape
    (9, 9)
    """
    from attn_widget.recording.inputs.kinds import kind_of, plain, refuse_several
    from attn_widget.recording.model_runner import ModelRunner
    from attn_widget.records.names import arguments_of, check_names
    from attn_widget.widget.widget import AttentionWidget

    check_names("arguments of explore", traits, (*arguments_of(explore), *_settable_traits()))
    if text is None:
        given = f" and {tokenizer!r} as tokenizer" if isinstance(tokenizer, str) else ""
        raise InputError(
            f'text must be given, got None{given}. Give what the model reads: text="…".'
        )
    if kind_of(plain(text), sampling_rate, tokenizer) == "several":
        refuse_several(text)
    runner = model if isinstance(model, ModelRunner) else ModelRunner(model, tokenizer)
    capture = runner.run(
        text,
        pair,
        target=target,
        truncate=truncate,
        images=images,
        sampling_rate=sampling_rate,
        max_new_tokens=max_new_tokens,
    )
    return AttentionWidget(capture, runner, truncate=truncate, **traits)


def _settable_traits() -> list[str]:
    """Return the names of the traits of `AttentionWidget` that a caller may set."""
    import anywidget

    from attn_widget.widget.widget import AttentionWidget

    traits = AttentionWidget.class_traits()
    return sorted(
        name
        for name in set(traits) - set(anywidget.AnyWidget.class_traits())
        if not traits[name].read_only and not name.startswith("_")
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
    """Return a figure of all heads of all layers as small maps: rows are queries, columns keys.

    Methods that join heads have one map per layer. Attention may be square or rectangular.

    Parameters
    ----------
    capture
        From ``runner.run``, `capture` or `from_arrays`.
    method
        ``raw``, ``rollout``, ``flow`` …, as in `attribute`.
    attention
        Which attention: a name of ``capture.groups``; the first if None.
    layers, heads
        Indices from 0; all if None. A layer without such a head leaves its place empty.
    residual, reduce, normalise
        How joint matrices are made, as in `attribute`.
    hide_special, words
        Leave special tokens out; merge tokens to words.
    theme
        ``light`` or ``dark``.

    Returns
    -------
    Figure
        Of matplotlib, without pyplot. ``savefig`` writes SVG, PDF or PNG.

    Raises
    ------
    InputError
        If a layer or head does not exist.
    MethodError
        If the method cannot be applied to this attention.

    Notes
    -----
    Holds one layer at a time. Long axes are pooled by block maxima, and the caption says so.

    Examples
    --------
    >>> import numpy as np
    >>> import attn_widget as aw
    >>> capture = aw.from_arrays(np.full((2, 3, 4, 4), 0.25), list("abcd"))
    >>> figure = aw.plot_heads(capture, layers=[1])
    >>> len(figure.axes[0].images) - 1  # maps, and the legend
    3
    """
    from attn_widget.attribution.methods import METHODS
    from attn_widget.figures.of_state import heads_figure
    from attn_widget.pictures import Spec
    from attn_widget.pictures.validation import check

    name = next(iter(capture.groups)) if attention is None else attention
    group = capture.group(name)
    spec = Spec(
        view="model", method=method, attention=name, residual=residual, reduce=reduce,
        normalise=normalise, hide_special=hide_special, words=words,
    )  # fmt: skip
    for option in ("method", "residual", "reduce"):
        check(option, getattr(spec, option), capture, name, ())
    if heads is not None and not METHODS[method].per_head:
        raise InputError(
            f"heads must be left out for {method}, got {heads!r}. It joins the heads of a layer."
        )
    n_heads = max(layer.n_heads for layer in group)
    chosen_layers = _chosen("layers", layers, len(group)) or list(range(len(group)))
    return heads_figure(capture, spec, chosen_layers, _chosen("heads", heads, n_heads), theme)


def _chosen(name: str, wanted: Sequence[int] | int | None, n: int) -> list[int] | None:
    """Return indices of 0 to n − 1, at least one; None if none were given."""
    from attn_widget.records import check_indices

    if wanted is None:
        return None
    chosen = check_indices(name, [wanted] if isinstance(wanted, int) else wanted, n)
    if not chosen:
        raise InputError(f"{name} must name at least one, got []. Leave it out for all.")
    return chosen


def compare(
    a: Any,
    b: Any,
    *,
    align: str = "words",
    method: Any = None,
    **traits: Any,
) -> Comparison:
    """Return two captures or widgets side by side, linked, with the matrix of b − a.

    Two texts (she, he), two models (before and after training), or two methods of one capture.

    Parameters
    ----------
    a, b
        Captures or widgets; a widget keeps its runner, so that its text can be changed.
    align
        ``words``: the longest runs of equal words are aligned, and the words between two runs if
        both texts have equally many. ``position``: token by token, for equally many tokens.
    method
        One method for both, or a tuple of two.
    **traits
        Initial traits of both: ``layer``, ``head``, ``view`` … of `AttentionWidget`.

    Returns
    -------
    Comparison
        ``difference`` holds the numbers, ``a`` and ``b`` the widgets, ``aligned_queries`` and
        ``aligned_keys`` which rows and columns are aligned.

    Raises
    ------
    InputError
        If the two cannot be aligned: different attentions, layers or heads, no word in common, or
        a different number of tokens.

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
                f"{name} must be a capture or a widget, got {type(given).__name__}. "
                "Run the model on a text first.",
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
    return Comparison(sides[0], sides[1], align)
