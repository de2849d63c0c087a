"""Tables of text and pieces of HTML."""

from __future__ import annotations

from attn_widget.records.tables import Html, element, text_table


def test_columns_are_as_wide_as_their_widest_cell_and_lines_end_without_spaces():
    table = text_table([["a", "unit", "x"], ["longer", "bits", "12.5"], ["b", "s", ""]], left=2)
    assert table.splitlines() == ["a       unit     x", "longer  bits  12.5", "b       s"]


def test_everything_that_is_not_html_already_is_escaped_once():
    inner = element("b", "<img>", title="\"'>")
    assert inner == '<b title="&quot;&#x27;&gt;">&lt;img&gt;</b>'
    assert element("p", inner, "&") == f"<p>{inner}&amp;</p>"
    assert isinstance(inner, Html)
