"""`head_view` and `model_view` with bertviz's names, arguments and defaults, on our live widget."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from attn_widget.bertviz.output import check_action, check_mode, put_out
from attn_widget.bertviz.stacks import EAGER, TAKE, Stack, capture_of, stack, tokens_of
from attn_widget.errors import InputError
from attn_widget.records import Capture, most_heads

if TYPE_CHECKING:
    from IPython.display import HTML

    from attn_widget.widget.widget import AttentionWidget


def head_view(
    attention: Any = None,
    tokens: Any = None,
    sentence_b_start: int | None = None,
    prettify_tokens: bool = True,
    layer: int | None = None,
    heads: Sequence[int] | None = None,
    encoder_attention: Any = None,
    decoder_attention: Any = None,
    cross_attention: Any = None,
    encoder_tokens: Any = None,
    decoder_tokens: Any = None,
    include_layers: Sequence[int] | None = None,
    html_action: str = "view",
) -> HTML | AttentionWidget | None:
    """Display the head view of attention that you have: lines between tokens, a colour per head.

    Parameters
    ----------
    attention, tokens
        A layer each of ``(1, head, query, key)`` or ``(head, query, key)``, or all layers in one array; torch or
        NumPy. None stands for a layer without attention. One token per position.
    sentence_b_start
        Where the second sentence begins: the attention within and between the two can then be chosen.
    prettify_tokens
        Take the marks of the vocabulary (Ġ, ▁, ##, </w>) off the tokens.
    layer, heads
        The layer and the heads to begin with, from 0. The first layer, and all heads.
    encoder_attention, decoder_attention, cross_attention, encoder_tokens, decoder_tokens
        The same of an encoder-decoder, any of the three; both stacks may be of any depth.
    include_layers
        The layers that pictures of all layers show. The others stay where they are, under their numbers: leaving
        layers out saves nothing here.
    html_action
        ``view`` displays and returns nothing, as bertviz does; ``return`` gives the interactive page as
        ``IPython.display.HTML``, which needs no kernel; ``widget`` gives the `AttentionWidget` undisplayed.

    Raises
    ------
    InputError
        If what was given does not fit together. It is a ``ValueError``, as bertviz raises.

    Examples
    --------
    >>> import numpy as np
    >>> w = head_view([np.full((1, 2, 3, 3), 1 / 3)], ["the", "key", "##s"], html_action="widget")
    >>> w.view, w.heads
    ('head', [0, 1])
    """
    check_action(html_action)
    stacks = _stacks(**_given(locals()))
    capture = _limited(capture_of(stacks, "attention"), stacks, include_layers, None)
    start = _start(capture, stacks, layer)
    if heads is not None:
        start["heads"] = [heads] if isinstance(heads, int) else list(heads)
    return put_out(capture, html_action, view="head", **start)


def model_view(
    attention: Any = None,
    tokens: Any = None,
    sentence_b_start: int | None = None,
    prettify_tokens: bool = True,
    display_mode: str = "dark",
    encoder_attention: Any = None,
    decoder_attention: Any = None,
    cross_attention: Any = None,
    encoder_tokens: Any = None,
    decoder_tokens: Any = None,
    include_layers: Sequence[int] | None = None,
    include_heads: Sequence[int] | None = None,
    html_action: str = "view",
) -> HTML | AttentionWidget | None:
    """Display the model view of attention that you have: every layer × head as a small map.

    Parameters
    ----------
    attention, tokens, sentence_b_start, prettify_tokens
        As in `head_view`.
    display_mode
        ``dark`` or ``light``.
    encoder_attention, decoder_attention, cross_attention, encoder_tokens, decoder_tokens
        As in `head_view`.
    include_layers, include_heads
        The layers and heads that are shown, from 0, under their own numbers. All when left out.
    html_action
        As in `head_view`.

    Raises
    ------
    InputError
        If what was given does not fit together. It is a ``ValueError``, as bertviz raises.

    Examples
    --------
    >>> import numpy as np
    >>> w = model_view(np.full((4, 2, 3, 3), 1 / 3), list("abc"), include_layers=[2, 3], html_action="widget")
    >>> w.view, w.layer, w.theme
    ('model', 2, 'dark')
    """
    check_action(html_action)
    check_mode(display_mode)
    stacks = _stacks(**_given(locals()))
    capture = _limited(capture_of(stacks, "attention"), stacks, include_layers, include_heads)
    return put_out(
        capture, html_action, view="model", theme=display_mode, **_start(capture, stacks, None)
    )


def _given(arguments: dict[str, Any]) -> dict[str, Any]:
    """Return those arguments that say what is shown."""
    names = (
        "attention",
        "tokens",
        "sentence_b_start",
        "prettify_tokens",
        "encoder_attention",
        "decoder_attention",
    )
    return {
        name: arguments[name]
        for name in (*names, "cross_attention", "encoder_tokens", "decoder_tokens")
    }


def _stacks(
    attention: Any, tokens: Any, sentence_b_start: int | None, prettify_tokens: bool, encoder_attention: Any,
    decoder_attention: Any, cross_attention: Any, encoder_tokens: Any, decoder_tokens: Any,
) -> list[Stack]:  # fmt: skip
    """Return what was given, checked, in the order in which it can be chosen."""
    two_sided = {
        "encoder_attention": encoder_attention, "decoder_attention": decoder_attention,
        "cross_attention": cross_attention, "encoder_tokens": encoder_tokens, "decoder_tokens": decoder_tokens,
    }  # fmt: skip
    if attention is not None:
        for name, value in two_sided.items():
            if value is not None:
                raise InputError(
                    f"{name} must be left out where attention is given, got both. Give one of them."
                )
        _require("tokens", tokens, "attention")
        n = len(tokens) if hasattr(tokens, "__len__") else 0
        if sentence_b_start is not None and not 0 < sentence_b_start < n:
            raise InputError(
                f"sentence_b_start must be 1 to {n - 1}, got {sentence_b_start}. Count the first sentence's tokens."
            )
        whole = tokens_of(
            "tokens", tokens, prettify=prettify_tokens, sentence_b_start=sentence_b_start
        )
        return [stack("attention", attention, whole)]
    if all(
        two_sided[name] is None
        for name in ("encoder_attention", "decoder_attention", "cross_attention")
    ):
        raise InputError(
            "attention must be given, got neither it nor encoder_attention, decoder_attention, cross_attention. "
            "Pass what the model returned.",
            code=f"{EAGER}; {TAKE}",
        )
    needs = {"encoder": ("encoder",), "decoder": ("decoder",), "cross": ("encoder", "decoder")}
    for kind, sides in needs.items():
        for side in sides:
            if two_sided[f"{kind}_attention"] is not None:
                _require(f"{side}_tokens", two_sided[f"{side}_tokens"], f"{kind}_attention")
    read = {
        side: tokens_of(f"{side}_tokens", two_sided[f"{side}_tokens"], prettify=prettify_tokens)
        for side in ("encoder", "decoder")
        if two_sided[f"{side}_tokens"] is not None
    }
    stacks = []
    for kind, sides in needs.items():
        if two_sided[f"{kind}_attention"] is not None:
            keys = read["encoder"] if kind == "cross" else None
            given = two_sided[f"{kind}_attention"]
            stacks.append(
                stack(f"{kind}_attention", given, read[sides[-1]], keys, sides[-1], sides[0])
            )
    return stacks


def _require(name: str, value: Any, with_: str) -> None:
    if value is None:
        raise InputError(
            f"{name} must be given with {with_}, got None. Convert the ids of the input.",
            code=f"{name} = tokenizer.convert_ids_to_tokens(inputs['input_ids'][0])",
        )


def _limited(
    capture: Capture,
    stacks: Sequence[Stack],
    include_layers: Sequence[int] | None,
    include_heads: Sequence[int] | None,
) -> Capture:
    """Return the capture with its pictures of all heads limited to what was asked for, and to what there is."""
    deepest = max(len(one.layers) for one in stacks)
    widest = most_heads(capture.layers)
    wanted = [
        _indices("include_layers", include_layers, deepest),
        _indices("include_heads", include_heads, widest),
    ]
    drawn = {}
    for name, group in capture.groups.items():
        layers = [i for i in wanted[0] if i < len(group) and group[i].weights is not None]
        # A stack that has none of these layers, as a shallow decoder, is shown whole.
        layers = layers or [i for i, layer in enumerate(group) if layer.weights is not None]
        heads = [h for h in wanted[1] if h < most_heads(group)] or list(range(most_heads(group)))
        drawn[name] = (tuple(layers), tuple(heads))
    return replace(capture, drawn=drawn)


def _indices(name: str, wanted: Sequence[int] | None, n: int) -> list[int]:
    """Return the indices asked for, in order; all when none were."""
    if wanted is None:
        return list(range(n))
    chosen = [wanted] if isinstance(wanted, int) else [int(i) for i in wanted]
    if not chosen:
        raise InputError(f"{name} must name at least one, got []. Leave it out for all.")
    for i in chosen:
        if not 0 <= i < n:
            raise InputError(f"{name} must be 0 to {n - 1}, got {i}. Choose some that exist.")
    return sorted(set(chosen))


def _start(capture: Capture, stacks: Sequence[Stack], layer: int | None) -> dict[str, Any]:
    """Return the layer and heads to begin with."""
    name = next(iter(capture.groups))
    layers, heads = capture.drawn[name]
    if layer is not None and layer not in layers:
        said = ", ".join(map(str, layers))
        raise InputError(
            f"layer must be one that is included, {said}, got {layer}. Include it, or choose another."
        )
    return {"layer": layers[0] if layer is None else layer, "heads": list(heads), "head": heads[0]}
