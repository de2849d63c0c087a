"""The caption of a picture: what it omits, how much that is, and how reliable its numbers are.

Every sentence is in sentences.json, which the page also reads; js/src/views/*/words.js has the
same rules in JavaScript.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from attn_widget.pictures.drawing import DRAWING, mass_name, sentence
from attn_widget.pictures.format import count, fixed, many, percent, power
from attn_widget.pictures.lines import Lines, Selection, focus_of, in_viewport, lines_of, row_total
from attn_widget.pictures.protocol import Frame
from attn_widget.pictures.shade import Shade, shade_of


def caption(frame: Frame, selection: Selection, rows: tuple[int, int] | None = None) -> list[str]:
    """Return the sentences under the picture of a frame.

    Parameters
    ----------
    frame
        Of any view.
    selection
        The selected heads, the pinned tokens, the smallest weight of a line.
    rows
        In the head view: the first displayed row that is drawn, and the last plus 1. None: all
        rows.

    Returns
    -------
    list of str
        The same sentences as under the live picture while nothing is hovered and all rows are in
        the viewport.
    """
    own = _CAPTIONS[frame.fields["view"]](frame, selection, rows)
    missing = sum(
        int(np.isnan(array).sum()) for array, how, _ in frame.arrays.values() if how == "missing"
    )
    broken = [sentence("not_numbers", n=many(missing, "weight"))] if missing else []
    return [*_trust(frame, selection), *own, *broken, *frame.fields.get("notes", ())]


def _trust(frame: Frame, selection: Selection) -> list[str]:
    """Return the baseline that a joint method was divided by, else its share of saturated pairs."""
    fields = frame.fields
    if fields.get("divided_by"):
        return [sentence("divided_by", baseline=fields["divided_by"])]
    chosen = _chosen(frame, selection)
    share = fields.get("saturation") if chosen is None else chosen["saturation"]
    if share is None:
        return []
    unit = fields["unit"]
    if "saturated" in frame.arrays:
        flags = frame.arrays["saturated"][0]
        n, pairs = count(int(flags.sum())), count(flags.size)
        bound = sentence("at_bound_pairs", n=n, all=pairs, unit=unit)
    else:
        bound = sentence("at_bound_is", unit=unit)
    return [sentence("at_bound", share=percent(share, 0)), bound]


def _head(frame: Frame, selection: Selection, rows: tuple[int, int] | None) -> list[str]:
    focus, lines = focus_of(frame, selection), lines_of(frame, selection)
    # What a key receives does not say how much goes to hidden keys.
    of_key = focus is not None and focus.side == "key"
    return [
        *_line_sentences(frame, selection, lines),
        *([] if of_key else _hidden(frame, lines.hidden / (lines.total or 1.0))),
        *_viewport(lines, rows, len(frame.fields["queries"]["text"])),
    ]


def _line_sentences(frame: Frame, selection: Selection, lines: Lines) -> list[str]:
    words = {"left": percent(lines.left_out), "mass": mass_name(frame.fields["unit"])}
    threshold = fixed(selection.threshold, 2)
    if lines.per_row is not None:
        joint = frame.fields["lanes"][0]["head"] is None
        name = "strongest_lines" if joint else "strongest_lines_per_head"
        n_keys = len(frame.fields["keys"]["text"])
        sentences = [sentence(name, k=lines.per_row, n=count(n_keys), **words)]
        if selection.threshold > 0:
            sentences.append(sentence("threshold", threshold=threshold))
        return sentences
    if len(lines) == lines.pairs:
        return [
            sentence("all_lines", n=count(len(lines))) if len(lines) != 1 else sentence("one_line")
        ]
    drawn, pairs = count(len(lines)), count(lines.pairs)
    return [sentence("some_lines", drawn=drawn, all=pairs, threshold=threshold, **words)]


def _viewport(lines: Lines, rows: tuple[int, int] | None, n_queries: int) -> list[str]:
    if rows is None or rows == (0, n_queries):
        return []
    _, dropped = in_viewport(lines, *rows)
    sentences = [sentence("rows", first=rows[0], last=rows[1] - 1, n=n_queries)]
    return sentences + ([sentence("weaker_lines", n=count(dropped))] if dropped else [])


def _hidden(frame: Frame, share: float) -> list[str]:
    """Return the hidden keys and their share of attention, or that there is no sink to hide."""
    fields = frame.fields
    hidden = fields["keys"].get("hidden", [])
    sentences = []
    if hidden:
        mass = mass_name(fields["unit"])
        sentences.append(
            sentence("hidden", what=", ".join(hidden), share=percent(share), mass=mass)
        )
    if fields["spec"]["hide_sinks"] and not any(what.startswith("sink ") for what in hidden):
        sentences.append(sentence("no_sink", limit=percent(DRAWING["sink_share"], 0)))
    return sentences


def _matrix(frame: Frame, selection: Selection, rows: tuple[int, int] | None) -> list[str]:
    fields, pool = frame.fields, frame.fields.get("pool", 1)
    n_queries, n_keys = len(fields["queries"]["text"]), len(fields["keys"]["text"])
    size = {"rows": count(n_queries), "columns": count(n_keys)}
    cells = (
        sentence("cells", **size) if pool == 1 else sentence("pooled_cells", a=pool, b=pool, **size)
    )
    causal = [sentence("causal")] if fields["causal"] else []
    return [cells, *causal, *_hidden(frame, _hidden_share(frame))]


def _model(frame: Frame, selection: Selection, rows: tuple[int, int] | None) -> list[str]:
    fields = frame.fields
    tiles, (pool_queries, pool_keys) = fields["tiles"], fields["pool"]
    joint = tiles[0]["head"] is None
    maps = many(len(tiles), "layer" if joint else "head")
    if pool_queries * pool_keys > 1:
        sentences = [sentence("pooled_maps", maps=maps, a=pool_queries, b=pool_keys)]
    else:
        n_queries, n_keys = len(fields["queries"]["text"]), len(fields["keys"]["text"])
        sentences = [sentence("maps", maps=maps, rows=count(n_queries), columns=count(n_keys))]
    chosen = _chosen(frame, selection)
    if chosen is None:
        return sentences
    kind = "head_map" if not joint else "joint_map" if chosen["layer"] else "first_joint_map"
    name = sentence(kind, layer=chosen["layer"], head=chosen["head"])
    return sentences + [f"{name}: {words}" for words in _hidden(frame, chosen["hidden"])]


def _chosen(frame: Frame, selection: Selection) -> dict[str, Any] | None:
    """Return the selected map of the model view; None in other views or if it is not drawn."""
    for tile in frame.fields.get("tiles", ()):
        if tile["layer"] == selection.layer and tile["head"] in (None, selection.head):
            return tile
    return None


def _neuron(frame: Frame, selection: Selection, rows: tuple[int, int] | None) -> list[str]:
    fields = frame.fields
    names = [stage["name"] for stage in fields["stages"]]
    parts = [
        "bias" if "bias" in names else "",
        f"softcap {fields['softcap']:g}" if fields["softcap"] else "",
        "mask" if "mask" in names else "",
        "sink logit" if fields["sink"] is not None else "",
    ]
    there = ", ".join(part for part in parts if part)
    return [
        sentence(
            "agrees" if fields["passed"] else "does_not_agree",
            difference=power(fields["difference"]),
        ),
        sentence("parts", parts=there) if there else sentence("no_parts"),
        sentence("clipped", percentile=DRAWING["clip_percentile"]),
    ]


def _text(frame: Frame, selection: Selection, rows: tuple[int, int] | None) -> list[str]:
    shade = shade_of(frame, selection)
    if shade is None:
        return [_extent(frame)]
    least = fixed(shade.largest * DRAWING["least_shade"], 3)
    return [*_not_shaded(frame, shade), sentence("least_shade", value=least)]


def _extent(frame: Frame) -> str:
    """Return the number of tokens, patches or audio frames."""
    fields = frame.fields
    n, grid, seconds = len(fields["keys"]["text"]), fields.get("grid"), fields.get("seconds")
    if grid:
        return sentence("patches", rows=grid[0], columns=grid[1])
    if seconds:
        each, length = fixed(seconds, 2), fixed(n * seconds, 1)
        return sentence("sound", frames=many(n, "frame"), each=each, all=length)
    return many(n, "token")


def _not_shaded(frame: Frame, shade: Shade) -> list[str]:
    """Return the share of the pinned queries on hidden keys, else on special tokens."""
    if shade.side != "query" or shade.apart / (shade.total or 1.0) <= 5e-5:
        return []
    hidden = frame.fields["keys"].get("hidden", [])
    whose = "quer" + ("ies" if len(shade.rows) > 1 else "y")
    share, mass = percent(shade.apart / (shade.total or 1.0)), mass_name(frame.fields["unit"])
    if hidden:
        return [sentence(f"hidden_from_{whose}", what=", ".join(hidden), share=share, mass=mass)]
    return [sentence(f"special_of_{whose}", share=share, mass=mass)]


def _hidden_share(frame: Frame) -> float:
    """Return the share of a frame's whole attention that goes to hidden keys."""
    lanes, rows = (range(n) for n in frame.arrays["row_sum"][0].shape)
    hidden, total = (row_total(frame, name, lanes, rows) for name in ("hidden_mass", "row_sum"))
    return hidden / (total or 1.0)


_CAPTIONS: dict[str, Callable[[Frame, Selection, Any], list[str]]] = {
    "head": _head,
    "matrix": _matrix,
    "model": _model,
    "neuron": _neuron,
    "text": _text,
}
