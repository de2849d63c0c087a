"""Values of traits that follow from the capture: the initial ones, and the page's ``info``."""

from __future__ import annotations

from typing import Any

from attn_widget.attribution.methods import METHODS, applicable
from attn_widget.pages.save_file import MIMES
from attn_widget.pictures.rules import rules
from attn_widget.pictures.shown_heads import chosen
from attn_widget.pictures.validation import CHOICES, check, sentences
from attn_widget.records import ABLATE_MODES, Capture, Runner, most_heads
from attn_widget.widget.new_captures import on_demand

LONG_TEXT = 512  # tokens above which a heat map shows more than lines


def texts(capture: Capture) -> tuple[str, str]:
    """Return the sentence and the second sentence of a capture, "" for none."""
    call, source = capture.made_by, [*capture.tokens.source, "", ""]
    # The text that was read: the source of a text that the model wrote goes on after it.
    if call is not None and isinstance(call.text, str):
        return call.text, call.pair or ""
    return source[0], source[1]


def truncation(capture: Capture) -> dict[str, bool]:
    """Return the initial ``truncate``: as it was when the capture was made."""
    call = capture.made_by
    return {"truncate": bool(call and call.options.get("truncate", False))}


def initial(capture: Capture, given: dict[str, Any]) -> dict[str, Any]:
    """Return the first values of the traits: ``given``, else all heads of the first layer.

    Raises
    ------
    InputError
        If ``head`` and ``heads`` are given and do not agree.
    """
    attention = given.get("attention", next(iter(capture.groups)))
    is_long = max(len(tokens) for tokens in capture.axes(attention)) > LONG_TEXT
    text, pair = texts(capture)
    defaults = {
        "attention": attention,
        "view": "matrix" if is_long else "head",
        "layer": 0,
        "head": 0,
        "heads": list(range(most_heads(capture.group(attention)))),
        "part": capture.part,
    }
    # The one that was given is named in the error, not the other that follows from it.
    if "head" in given:
        check("head", given["head"], capture, attention, ())
    elif isinstance(given.get("heads"), list | tuple):
        check("heads", given["heads"], capture, attention, ())
    heads = chosen({name: given[name] for name in ("head", "heads") if name in given}, 0)
    return defaults | given | heads | {"text": text, "pair": pair}


def query_of_step(capture: Capture, attention: str, step: int) -> list[int]:
    """Return the query that predicted the token of a generation step; [] if it is not shown."""
    if step < 0 or capture.group(attention)[0].stream != capture.layers[-1].stream:
        return []
    return [capture.steps[step].position]


def info(capture: Capture, runner: Runner | None) -> dict[str, Any]:
    """Return what the page must know to offer only what exists."""
    return {
        "model": capture.title,
        "rules": rules(),
        "choices": {
            "theme": list(CHOICES["theme"]),
            "mode": list(ABLATE_MODES),
            "format": list(MIMES),
        },
        "can_run": runner is not None and _reads_text(runner),
        "can_ablate": _can_ablate(capture, runner),
        "steps": [
            {
                "position": step.position,
                "token": step.token,
                "top": [[name, round(p, 5)] for name, p in step.top],
            }
            for step in capture.steps
        ],
        "groups": [_group_info(capture, runner, name) for name in capture.groups],
    }


def _group_info(capture: Capture, runner: Runner | None, attention: str) -> dict[str, Any]:
    layers, (queries, keys) = capture.group(attention), capture.axes(attention)
    waiting = on_demand(capture, runner, attention)
    reasons = {m: r for m, r in applicable(capture, attention).items() if r and m not in waiting}
    return {
        "name": attention,
        "layers": len(layers),
        "heads": most_heads(layers),
        "layer_heads": [layer.n_heads for layer in layers],
        "parts": {"n": capture.n_parts(attention), "word": capture.part_word(attention)},
        "n_queries": len(queries),
        "n_keys": len(keys),
        "methods": [m for m in METHODS if m not in reasons],
        "on_demand": list(waiting),
        "segments": list(sentences(queries, keys)),
        "reasons": reasons,
        "writes": bool(capture.steps) and layers[0].stream == capture.layers[-1].stream,
    }


def _can_ablate(capture: Capture, runner: Runner | None) -> bool:
    return hasattr(runner, "ablate") and bool(capture.answers) and bool(capture.tokens.source)


def _reads_text(runner: Runner) -> bool:
    """Return whether the model reads token ids, not pictures or sounds."""
    model = getattr(runner, "model", None)
    return getattr(model, "main_input_name", "input_ids") == "input_ids"
