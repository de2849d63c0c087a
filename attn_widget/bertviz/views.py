"""`head_view` and `model_view` with bertviz's arguments and defaults, as live widgets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from attn_widget.bertviz.output import check_action, check_mode, present
from attn_widget.bertviz.stacks import EAGER, TAKE, Stack, capture_of, stack, tokens_of
from attn_widget.errors import InputError
from attn_widget.records import Capture, check_indices, most_heads

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
    """Display the head view of given attention: lines between tokens, one colour per head.

    Parameters
    ----------
    attention, tokens
        One array per layer, ``(1, head, query, key)`` or ``(head, query, key)``, or all layers in
        one array; torch or NumPy. None stands for a layer without attention. One token per
        position.
    sentence_b_start
        The position where the second sentence begins: attention within and between the two can then
        be chosen.
    prettify_tokens
        Remove the marks of the vocabulary (Ġ, ▁, ##, </w>) from the tokens.
    layer, heads
        The layer and the heads to begin with, from 0. Omit them for the first layer and all heads.
    encoder_attention, decoder_attention, cross_attention, encoder_tokens, decoder_tokens
        The same for an encoder-decoder, any of the three; both stacks may be of any depth.
    include_layers
        The layers that pictures of all layers show. The others keep their numbers and can still be
        chosen.
    html_action
        ``view`` displays and returns nothing, as bertviz does; ``return`` gives the interactive
        page as ``IPython.display.HTML``, which needs no kernel; ``widget`` gives the
        `AttentionWidget` without displaying it.

    Raises
    ------
    InputError
        If the arguments do not fit together. It is a ``ValueError``, as bertviz raises.

    Examples
    --------
    >>> import numpy as np
    >>> w = head_view([np.full((1, 2, 3, 3), 1 / 3)], ["the", "key", "##s"], html_action="widget")
    >>> w.view, w.heads
    ('head', [0, 1])
    """
    check_action(html_action)
    two_stacks = {
        "encoder_attention": encoder_attention,
        "decoder_attention": decoder_attention,
        "cross_attention": cross_attention,
        "encoder_tokens": encoder_tokens,
        "decoder_tokens": decoder_tokens,
    }
    stacks = _stacks(attention, tokens, sentence_b_start, prettify_tokens, two_stacks)
    capture = _limited(capture_of(stacks, "attention"), stacks, include_layers, None)
    start = _start(capture, stacks, layer)
    if heads is not None:
        start["heads"] = [heads] if isinstance(heads, int) else list(heads)
    return present(capture, html_action, view="head", **start)


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
    """Display the model view of given attention: every layer × head as a small map.

    Parameters
    ----------
    attention, tokens, sentence_b_start, prettify_tokens
        As in `head_view`.
    display_mode
        ``dark`` or ``light``.
    encoder_attention, decoder_attention, cross_attention, encoder_tokens, decoder_tokens
        As in `head_view`.
    include_layers, include_heads
        The layers and heads that are shown, from 0, under their own numbers. Omit them for all.
    html_action
        As in `head_view`.

    Raises
    ------
    InputError
        If the arguments do not fit together. It is a ``ValueError``, as bertviz raises.

    Examples
    --------
    >>> import numpy as np
    >>> attention = np.full((4, 2, 3, 3), 1 / 3)
    >>> w = model_view(attention, list("abc"), include_layers=[2, 3], html_action="widget")
    >>> w.view, w.layer, w.theme
    ('model', 2, 'dark')
    """
    check_action(html_action)
    check_mode(display_mode)
    two_stacks = {
        "encoder_attention": encoder_attention,
        "decoder_attention": decoder_attention,
        "cross_attention": cross_attention,
        "encoder_tokens": encoder_tokens,
        "decoder_tokens": decoder_tokens,
    }
    stacks = _stacks(attention, tokens, sentence_b_start, prettify_tokens, two_stacks)
    capture = _limited(capture_of(stacks, "attention"), stacks, include_layers, include_heads)
    return present(
        capture, html_action, view="model", theme=display_mode, **_start(capture, stacks, None)
    )


def _stacks(
    attention: Any,
    tokens: Any,
    sentence_b_start: int | None,
    prettify_tokens: bool,
    two_stacks: dict[str, Any],
) -> list[Stack]:
    """Return the given attention, checked, in the order of the menu."""
    if attention is None:
        return _encoder_decoder(two_stacks, prettify_tokens)
    for name, value in two_stacks.items():
        if value is not None:
            raise InputError(
                f"{name} must be left out where attention is given, got both. Give one of them."
            )
    _require("tokens", tokens, "attention")
    n = len(tokens) if hasattr(tokens, "__len__") else 0
    if sentence_b_start is not None and not 0 < sentence_b_start < n:
        raise InputError(
            f"sentence_b_start must be 1 to {n - 1}, got {sentence_b_start}. "
            "Count the first sentence's tokens."
        )
    whole = tokens_of("tokens", tokens, prettify=prettify_tokens, sentence_b_start=sentence_b_start)
    return [stack("attention", attention, whole)]


def _encoder_decoder(given: dict[str, Any], prettify: bool) -> list[Stack]:
    """Return the given stacks of an encoder-decoder: encoder, decoder and cross-attention."""
    needs = {"encoder": ("encoder",), "decoder": ("decoder",), "cross": ("encoder", "decoder")}
    kinds = [kind for kind in needs if given[f"{kind}_attention"] is not None]
    if not kinds:
        raise InputError(
            "attention must be given, got neither it nor encoder_attention, decoder_attention, "
            "cross_attention. Pass what the model returned.",
            code=f"{EAGER}; {TAKE}",
        )
    for kind in kinds:
        for side in needs[kind]:
            _require(f"{side}_tokens", given[f"{side}_tokens"], f"{kind}_attention")
    tokens = {
        side: tokens_of(f"{side}_tokens", given[f"{side}_tokens"], prettify=prettify)
        for side in ("encoder", "decoder")
        if given[f"{side}_tokens"] is not None
    }
    stacks = []
    for kind in kinds:
        name, sides = f"{kind}_attention", needs[kind]
        keys = tokens["encoder"] if kind == "cross" else None
        stacks.append(stack(name, given[name], tokens[sides[-1]], keys, sides[-1], sides[0]))
    return stacks


def _require(name: str, value: Any, with_: str) -> None:
    """Raise InputError if attention is given without its tokens."""
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
    """Return the capture with its pictures of all heads limited to some layers and heads."""
    deepest = max(len(one.layers) for one in stacks)
    widest = most_heads(capture.layers)
    wanted = [
        _indices("include_layers", include_layers, deepest),
        _indices("include_heads", include_heads, widest),
    ]
    drawn = {}
    for name, group in capture.groups.items():
        layers = [i for i in wanted[0] if i < len(group) and group[i].weights is not None]
        # A stack without any of these layers, such as a shallow decoder, is shown completely.
        layers = layers or [i for i, layer in enumerate(group) if layer.weights is not None]
        heads = [h for h in wanted[1] if h < most_heads(group)] or list(range(most_heads(group)))
        drawn[name] = (tuple(layers), tuple(heads))
    return replace(capture, drawn=drawn)


def _indices(name: str, wanted: Sequence[int] | None, n: int) -> list[int]:
    """Return the given indices in ascending order; all for None."""
    if wanted is None:
        return list(range(n))
    several = [wanted] if isinstance(wanted, int) else wanted
    chosen = check_indices(name, several, n, "Choose some that exist.", negative=False)
    if not chosen:
        raise InputError(f"{name} must name at least one, got []. Omit it for all.")
    return sorted(set(chosen))


def _start(capture: Capture, stacks: Sequence[Stack], layer: int | None) -> dict[str, Any]:
    """Return the layer and heads that the view shows first."""
    name = next(iter(capture.groups))
    layers, heads = capture.drawn[name]
    if layer is not None and layer not in layers:
        included = ", ".join(map(str, layers))
        raise InputError(
            f"layer must be one that is included, {included}, got {layer}. "
            "Include it, or choose another."
        )
    return {"layer": layers[0] if layer is None else layer, "heads": list(heads)}
