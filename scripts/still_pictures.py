# ruff: noqa: D100 -- the kernel runs this before the first cell when save_notebooks.py runs.
# A live widget cannot be saved in a file, so the figure of its view is displayed instead.


def _save_still_pictures():
    # Imported inside a function, so that the notebook does not find names that it did not import.
    import base64
    import io
    import sys

    from IPython import get_ipython
    from IPython.display import Image, display

    dots_per_inch = 100

    def show_figure(widget):
        # traitlets makes a class per widget; register their common base class.
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
        # The still picture of the difference; missing if the two cannot be subtracted.
        difference = comparison._repr_mimebundle_().get("image/png")
        if difference:
            display(Image(base64.b64decode(difference), alt="The difference of the two"))

    formatter = get_ipython().display_formatter.ipython_display_formatter
    formatter.for_type_by_name("attn_widget.widget.widget", "AttentionWidget", show_figure)
    formatter.for_type_by_name("attn_widget.widget.comparison", "Comparison", show_comparison)


_save_still_pictures()
del _save_still_pictures
