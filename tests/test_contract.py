"""Python and JavaScript name the same things: the synced traits and the JSDoc typedef agree."""

from __future__ import annotations

import re
from pathlib import Path

from attn_widget.pictures.protocol import Spec
from attn_widget.widget.widget import AttentionWidget

TYPES = Path(__file__).parents[1] / "js" / "src" / "types.js"


def typedef(name: str) -> set[str]:
    """Return the property names of one JSDoc typedef."""
    blocks = re.findall(r"/\*\*(.*?)\*/", TYPES.read_text(), re.DOTALL)
    (block,) = [b for b in blocks if re.search(rf"@typedef \{{[^}}]*\}} {name}\b", b)]
    return set(re.findall(r"@property \{.*?\} \[?(\w+)", block))


def our_traits() -> set[str]:
    """Return the traits that we sync, without the ones every widget has."""
    import anywidget

    return (
        set(AttentionWidget.class_trait_names(sync=True))
        - set(anywidget.AnyWidget.class_trait_names(sync=True))
        - {"_esm", "drawn", "still"}  # what a page reads once, when it is made
    )


def test_the_traits_are_the_typedef():
    assert our_traits() == typedef("Traits")


def test_a_spec_is_the_typedef():
    assert set(Spec.__dataclass_fields__) == typedef("Spec")


def test_no_trait_takes_a_name_that_every_widget_needs():
    reserved = {
        "log",
        "comm",
        "keys",
        "layout",
        "tooltip",
        "tabbable",
        "model_id",
        "open",
        "close",
        "send",
    }
    reserved |= {"focus", "blur", "observe", "add_class", "remove_class"}
    assert not our_traits() & reserved
