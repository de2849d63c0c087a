# ruff: noqa: D100 -- the kernel runs this before the first cell, when save_notebooks.py saves a notebook.
# A live widget says nothing in a file: where a cell would show one, the figure of its view is saved.


def _save_still_pictures():
    # What is imported here stays here: a notebook must find its own names, and no others.
    import base64
    import io
    import sys

    from IPython import get_ipython
    from IPython.display import Image, display

    dots_per_inch = 100

    def show_figure(widget):
        # IPython notes the first widget's own class, and traitlets makes one for each: all of them share this one.
        formatter.for_type(sys.modules["attn_widget.widget.widget"].AttentionWidget, show_figure)
        out = io.BytesIO()
        widget.to_figure().savefig(out, format="png", dpi=dots_per_inch)
        display(
            Image(
                out.getvalue(),
                alt=f"The {widget.view} view of {widget.method} in {widget.capture.model_name}",
            )
        )

    def show_comparison(comparison):
        show_figure(comparison.a)
        show_figure(comparison.b)
        # What stands beside the live view for viewers that run no scripts; none where there is no difference to draw.
        difference = comparison._repr_mimebundle_().get("image/png")
        if difference:
            display(Image(base64.b64decode(difference), alt="What differs between the two"))

    formatter = get_ipython().display_formatter.ipython_display_formatter
    formatter.for_type_by_name("attn_widget.widget.widget", "AttentionWidget", show_figure)
    formatter.for_type_by_name("attn_widget.widget.comparison", "Comparison", show_comparison)


_save_still_pictures()
del _save_still_pictures
