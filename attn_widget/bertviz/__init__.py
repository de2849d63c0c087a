"""bertviz's functions on this package's widget: change the import, and the notebook runs.

::

    from bertviz import head_view, model_view
    from bertviz.neuron_view import show
    from bertviz.transformers_neuron_view import …

become ::

    from attn_widget.bertviz import head_view, model_view
    from attn_widget.bertviz.neuron_view import show
    from attn_widget.bertviz.transformers_neuron_view import …

Differences from bertviz
------------------------
Names, order and defaults of all arguments are those of bertviz 1.4.1. What is different:

- The picture is a live widget: no CDN, no script that must load first. ``html_action="return"``
  gives a page that needs neither kernel nor network.
- Encoder and decoder may be of different depth, a layer may be None, layers may differ in their
  heads, and attention may be NumPy, one stacked array, with a batch axis of 1 or without.
- ``show`` takes any transformers model; ``model_type`` is not needed.
- Missing attention is an error with the line that corrects it, never an empty picture.
- ``include_layers`` and ``include_heads`` limit pictures of all heads, under the original numbers;
  all layers stay available.
- Two sentences: ``sentence_b_start`` as before; the menu of sentences offers all, A → A, A → B,
  B → A, B → B.

``aw.explore(model, tokenizer, text)`` shows the same without arguments to prepare, and more:
attention rollout and flow, other texts, the numbers behind the picture. ``w.attention``,
``w.layer`` and ``w.heads`` can be set there.
"""

from __future__ import annotations

from attn_widget.bertviz.views import head_view as head_view
from attn_widget.bertviz.views import model_view as model_view

__all__ = ["head_view", "model_view"]
