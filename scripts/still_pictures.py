# ruff: noqa: D100 -- the kernel runs this before the first cell, when save_notebooks.py saves a notebook.
# A live widget says nothing in a file: where a cell would show one, the figure of its view is saved.
import io
import sys

from IPython import get_ipython
from IPython.display import Image, display

_DOTS_PER_INCH = 100


def _show_figure(widget):
    # IPython notes the first widget's own class, and traitlets makes one for each: all of them share this one.
    _formatter.for_type(sys.modules["attn_widget.widget.widget"].AttentionWidget, _show_figure)
    out = io.BytesIO()
    widget.to_figure().savefig(out, format="png", dpi=_DOTS_PER_INCH)
    display(Image(out.getvalue(), alt=f"The {widget.view} view of {widget.method} in {widget.capture.model_name}"))


_formatter = get_ipython().display_formatter.ipython_display_formatter
_formatter.for_type_by_name("attn_widget.widget.widget", "AttentionWidget", _show_figure)
