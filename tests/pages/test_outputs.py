"""What a displayed widget leaves in a notebook: its view, and a still picture beside it."""

import base64
import io

import numpy as np
import pytest
from IPython.core.interactiveshell import InteractiveShell
from PIL import Image

import attn_widget as aw
from attn_widget.pages.outputs import KEY_LENGTH, Still, mark_of, marked

PICTURE = np.array([[[[0.75, 0.25], [0.5, 0.5]]]])


@pytest.fixture
def outputs():
    """Return what is displayed, as a notebook's front end receives it."""
    shell = InteractiveShell.instance()
    publisher, seen = shell.display_pub, []

    class Noting(type(publisher)):
        def publish(self, data, metadata=None, *, transient=None, update=False, **_):
            seen.append((data, metadata or {}, transient or {}, update))

    shell.display_pub = Noting(parent=shell, shell=shell)
    yield seen
    shell.display_pub = publisher
    InteractiveShell.clear_instance()  # other tests run where there is none


def widget():
    return aw.AttentionWidget(aw.from_arrays(PICTURE, ["big", "cat"]))


def displayed(shown):
    from IPython.display import display

    display(shown)


def test_a_widget_is_displayed_as_a_live_view_and_one_still_picture_beside_it(outputs):
    w = widget()
    displayed(w)
    live, still, script = (data for data, *_ in outputs)
    view = "application/vnd.jupyter.widget-view+json"
    assert live[view]["model_id"] == w.model_id
    assert set(live) == {view, "text/plain"}
    assert set(still) == {"image/png"}
    assert w.still["mark"] in still["image/png"]
    assert set(script) == {"application/javascript"}
    image = Image.open(io.BytesIO(base64.b64decode(still["image/png"])))
    image.load()
    assert image.width > 300
    assert image.text["attn-widget"] == w._still.key
    assert w.still["sizes"] == [image.size]


def test_a_comparison_is_displayed_in_the_same_way_and_its_views_hide_the_picture(outputs):
    w = aw.compare(aw.from_arrays(PICTURE, ["big", "cat"]), aw.from_arrays(PICTURE, ["big", "cat"]))
    displayed(w)
    assert len(outputs) == 3
    assert w.a.still["mark"] in outputs[1][0]["image/png"]


def test_a_page_that_cannot_hide_the_picture_has_it_withdrawn(outputs):
    w = widget()
    displayed(w)
    displayed(w)
    ids = [transient["display_id"] for data, _, transient, _ in outputs if "image/png" in data]
    del outputs[:]
    message = {"kind": "request", "id": "page-1", "name": "no_still", "data": {}}
    w._front_end.on_message(w, message, [])
    assert w._front_end.wait(20)
    assert [(data, transient["display_id"], update) for data, _, transient, update in outputs] == [
        ({}, one, True) for one in ids
    ]
    del outputs[:]
    w._front_end.on_message(w, message | {"id": "page-2"}, [])
    assert w._front_end.wait(20)
    assert not outputs


def test_a_static_page_hides_the_still_picture_beside_it_and_no_other(outputs, monkeypatch):
    monkeypatch.setattr("IPython.get_ipython", InteractiveShell.instance)
    widget().show_static()
    widget().show_static()
    stills = [data["image/png"] for data, *_ in outputs if "image/png" in data]
    pages = [data["text/html"] for data, *_ in outputs if "text/html" in data]
    for i, page in enumerate(pages):
        mark = page.split('img[src*="')[1].split('"')[0]
        assert [mark in still for still in stills] == [i == 0, i == 1]


def test_a_mark_is_in_the_picture_with_its_key_alone():
    out = io.BytesIO()
    Image.new("RGB", (5, 5)).save(out, "png")
    png = base64.b64encode(out.getvalue()).decode()
    a, b = "a" * KEY_LENGTH, "b" * KEY_LENGTH
    assert mark_of(a) in marked(png, a)
    assert mark_of(a) not in marked(png, b)
    assert mark_of(a) not in png
    assert Image.open(io.BytesIO(base64.b64decode(marked(png, a)))).text["attn-widget"] == a


def test_nothing_is_displayed_beside_a_view_without_a_picture(outputs):
    Still(print).display(({"text/plain": "<Comparison>"}, {}))
    assert [data for data, *_ in outputs] == [{"text/plain": "<Comparison>"}]
