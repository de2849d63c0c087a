"""bertviz's calls as its notebooks make them, and input on which bertviz itself fails."""

import doctest
import inspect
import re

import numpy as np
import pytest
import torch
from IPython.display import HTML

import attn_widget as aw
from attn_widget.bertviz import head_view, model_view
from attn_widget.bertviz.neuron_view import show
from attn_widget.errors import InputError
from attn_widget.widget.widget import AttentionWidget
from tests import models
from tests.conftest import softmax_rows

# Signatures of bertviz 1.4.1 (PyPI, 2025-06-01), as inspect.signature prints them.
THEIRS = {
    head_view: (
        "(attention=None, tokens=None, sentence_b_start=None, prettify_tokens=True, "
        "layer=None, heads=None, "
        "encoder_attention=None, decoder_attention=None, cross_attention=None, "
        "encoder_tokens=None, "
        "decoder_tokens=None, include_layers=None, html_action='view')"
    ),
    model_view: (
        "(attention=None, tokens=None, sentence_b_start=None, prettify_tokens=True, "
        "display_mode='dark', "
        "encoder_attention=None, decoder_attention=None, cross_attention=None, "
        "encoder_tokens=None, "
        "decoder_tokens=None, include_layers=None, include_heads=None, html_action='view')"
    ),
    show: (
        "(model, model_type, tokenizer, sentence_a, sentence_b=None, display_mode='dark', "
        "layer=None, head=None, html_action='view')"
    ),
}
LAYERS, HEADS, N = 3, 4, 5
TOKENS = ["[CLS]", "key", "##s", "turn", "[SEP]"]
ENCODER, DECODER = list("abcdefg"), list("vwxyz")
VIEWERS = pytest.mark.parametrize("view", [head_view, model_view])


def layers(n=LAYERS, heads=HEADS, queries=N, keys=None, seed=0):
    """Attention as transformers returns it: a tuple of (1, head, query, key)."""
    rng = np.random.default_rng(seed)
    return tuple(
        torch.tensor(softmax_rows(rng, 1, heads, queries, keys or queries)) for _ in range(n)
    )


def widget(view, *arguments, **options):
    return view(*arguments, **options, html_action="widget")


def on_screen(w):
    """Return the frame that a widget shows."""
    state = w.picture_state()
    return state.pictures.frame(state.spec)


def tiles(w):
    """Layer and head of every map in the model view."""
    frame = on_screen(w)
    return [(tile["layer"], tile["head"]) for tile in frame.fields["tiles"]]


@pytest.mark.parametrize("ours", THEIRS, ids=lambda f: f.__name__)
def test_the_arguments_are_those_of_bertviz(ours):
    parameters = inspect.signature(ours).parameters.values()
    bare = [p.replace(annotation=inspect.Parameter.empty) for p in parameters]
    assert str(inspect.Signature(bare)) == THEIRS[ours]


@pytest.mark.parametrize("ours", THEIRS, ids=lambda f: f.__name__)
def test_the_docstrings_example_runs(ours):
    (case,) = [
        c for c in doctest.DocTestFinder().find(ours, globs={ours.__name__: ours}) if c.examples
    ]
    assert doctest.DocTestRunner().run(case).failed == 0


# -- what is shown


def test_the_numbers_are_those_that_were_given():
    attention = layers()
    w = widget(head_view, attention, TOKENS)
    for layer in range(LAYERS):
        w.layer = layer
        assert np.allclose(w.matrix(), attention[layer][0])


@VIEWERS
def test_each_view_opens_as_it_is_called(view):
    w = widget(view, layers(), TOKENS)
    assert w.view == {"head_view": "head", "model_view": "model"}[view.__name__]
    assert (w.layer, w.heads) == (0, list(range(HEADS)))


def test_layer_and_heads_are_where_it_begins():
    w = widget(head_view, layers(), TOKENS, layer=2, heads=[1, 3])
    assert (w.layer, w.heads) == (2, [1, 3])


def test_the_model_view_is_dark_unless_it_is_asked_to_be_light():
    assert widget(model_view, layers(), TOKENS).theme == "dark"
    assert widget(model_view, layers(), TOKENS, display_mode="light").theme == "light"
    assert widget(head_view, layers(), TOKENS).theme == "auto"


def test_tokens_lose_the_marks_of_their_vocabulary_unless_they_are_to_keep_them():
    marked = ["<s>", "Ġthe", "▁key", "s</w>", "Ġ"]
    assert widget(head_view, layers(), marked).capture.tokens.text == (
        "<s>",
        "the",
        "key",
        "s",
        "␣",
    )
    assert widget(head_view, layers(), marked, prettify_tokens=False).capture.tokens.text == tuple(
        marked
    )


def test_special_tokens_can_be_hidden_and_subwords_merged():
    tokens = widget(head_view, layers(), TOKENS).capture.tokens
    assert tokens.text == ("[CLS]", "key", "s", "turn", "[SEP]")
    assert tokens.special == (True, False, False, False, True)
    assert tokens.words == (None, 0, 0, 1, None)


def test_byte_level_tokens_without_a_space_continue_a_word():
    tokens = widget(head_view, layers(), ["The", "Ġkey", "s", "Ġturn", "ed"]).capture.tokens
    assert tokens.words == (0, 1, 1, 2, 2)


def test_an_atom_in_brackets_is_no_special_token():
    assert not any(
        widget(head_view, layers(), ["[O-]", "C", "[N+]", "<b>", "[H]"]).capture.tokens.special
    )


@VIEWERS
def test_two_sentences_can_be_shown_separately(view):
    w = widget(view, layers(), TOKENS, sentence_b_start=3)
    assert w.capture.tokens.segments == (0, 0, 0, 1, 1)
    w.view, w.segments = "head", "A-B"
    frame = on_screen(w)
    assert frame.fields["queries"]["text"] == ["[CLS]", "key", "s"]
    assert frame.fields["keys"]["text"] == ["turn", "[SEP]"]


@VIEWERS
def test_encoder_decoder_and_cross_attention_each_have_their_own_tokens(view):
    w = widget(
        view,
        encoder_attention=layers(2, queries=7),
        decoder_attention=layers(2, queries=5),
        cross_attention=layers(2, queries=5, keys=7),
        encoder_tokens=ENCODER,
        decoder_tokens=DECODER,
    )
    assert list(w.capture.groups) == ["encoder", "decoder", "cross"]
    sides = {
        name: tuple("".join(t.text) for t in w.capture.axes(name)) for name in w.capture.groups
    }
    assert sides == {
        "encoder": ("abcdefg",) * 2,
        "decoder": ("vwxyz",) * 2,
        "cross": ("vwxyz", "abcdefg"),
    }


def test_cross_attention_alone_is_enough():
    w = widget(
        head_view,
        cross_attention=layers(queries=5, keys=7),
        encoder_tokens=ENCODER,
        decoder_tokens=DECODER,
    )
    assert [len(tokens) for tokens in w.capture.axes()] == [5, 7]


def test_square_cross_attention_is_still_between_two_texts():
    w = widget(
        head_view, cross_attention=layers(), encoder_tokens=list("abcde"), decoder_tokens=DECODER
    )
    assert [tokens.text for tokens in w.capture.axes()] == [tuple(DECODER), tuple("abcde")]


# -- which layers and heads


def test_included_layers_and_heads_keep_their_numbers():
    attention = layers(4)
    w = widget(model_view, attention, TOKENS, include_layers=[1, 3], include_heads=[0, 2])
    assert tiles(w) == [(1, 0), (1, 2), (3, 0), (3, 2)]
    assert (w.layer, w.heads) == (1, [0, 2])
    w.view, w.layer = "head", 3
    assert np.allclose(w.matrix(), attention[3][0][[0, 2]])
    frame = on_screen(w)
    assert frame.fields["layer_label"] == "layer 3"


def test_a_method_that_joins_heads_has_a_map_for_each_included_layer():
    w = widget(model_view, layers(4), TOKENS, include_layers=[0, 2])
    w.method = "rollout"
    assert tiles(w) == [(0, None), (2, None)]


def test_the_head_view_begins_with_the_first_included_layer():
    assert widget(head_view, layers(), TOKENS, include_layers=[2]).layer == 2


# -- the faults that are mended


@VIEWERS
@pytest.mark.parametrize("depths", [(6, 3, 3), (3, 6, 6)])
def test_encoder_and_decoder_may_be_of_different_depth(view, depths):
    encoder, decoder, cross = depths
    w = widget(
        view,
        encoder_attention=layers(encoder, queries=7),
        decoder_attention=layers(decoder, queries=5),
        cross_attention=layers(cross, queries=5, keys=7),
        encoder_tokens=ENCODER,
        decoder_tokens=DECODER,
        include_layers=[depths[0] - 1] if encoder > decoder else None,
    )
    assert {name: len(group) for name, group in w.capture.groups.items()} == {
        "encoder": encoder, "decoder": decoder, "cross": cross,
    }  # fmt: skip
    w.view, w.attention = "model", "decoder"
    assert len(tiles(w)) == decoder * HEADS


def test_a_layer_without_attention_keeps_its_place_and_says_so():
    attention = (None, *layers(1), None, *layers(1, seed=1))
    w = widget(model_view, attention, TOKENS)
    assert tiles(w) == [(1, h) for h in range(HEADS)] + [(3, h) for h in range(HEADS)]
    assert w.layer == 1
    w.view, w.layer = "head", 3
    assert np.allclose(w.matrix(), attention[3][0])
    w.layer = 2
    with pytest.raises(InputError, match=re.escape("got neither at attention[2], which is None")):
        w.matrix()


def test_heads_may_differ_from_layer_to_layer():
    attention = (*layers(1, heads=2), *layers(1, heads=4, seed=1))
    w = widget(model_view, attention, TOKENS)
    assert tiles(w) == [(0, 0), (0, 1), (1, 0), (1, 1), (1, 2), (1, 3)]
    w.view, w.layer, w.heads = "head", 1, [3]
    assert np.allclose(w.matrix(), attention[1][0][[3]])


@pytest.mark.parametrize(
    "form",
    [
        lambda a: [layer.numpy() for layer in a],
        lambda a: [layer[0] for layer in a],
        lambda a: torch.stack(a),
        lambda a: torch.cat(a),
        lambda a: torch.stack(a).numpy(),
        lambda a: [layer.tolist() for layer in a],
    ],
    ids=[
        "NumPy",
        "no batch axis",
        "stacked, batch of 1",
        "stacked, no batch axis",
        "stacked NumPy",
        "lists",
    ],
)
def test_arrays_of_any_kind_are_the_same_attention(form):
    attention = layers()
    assert np.allclose(
        widget(head_view, form(attention), TOKENS).capture.attention, torch.cat(attention)
    )


@VIEWERS
def test_empty_cross_attentions_are_explained_with_the_line_that_mends_them(view):
    with pytest.raises(InputError) as caught:
        view((), TOKENS)
    said = str(caught.value)
    assert said.startswith(
        "attention must hold an array per layer, got an empty tuple. On current transformers"
    )
    assert "outputs[-1] is the empty cross-attention of a model that has none" in said
    assert 'attn_implementation="eager"' in caught.value.code
    assert caught.value.code.endswith(
        "attention = model(**inputs, output_attentions=True).attentions"
    )


def test_what_generate_returns_is_joined_to_the_rows_of_the_whole_text():
    rows = np.tril(np.ones((5, 5)))
    rows /= rows.sum(-1, keepdims=True)
    whole = np.stack([rows, np.eye(5)])[None]  # two heads
    steps = [
        (whole[:, :, :3, :3],) * 2,
        *(((whole[:, :, i : i + 1, : i + 1],) * 2) for i in (3, 4)),
    ]
    for tokens in (TOKENS, [*TOKENS, "last"]):  # the last token that was written has no row
        seen = widget(head_view, tuple(steps), tokens).capture
        np.testing.assert_array_equal(seen.attention, [whole[0]] * 2)
        assert len(seen.tokens) == 5
    with pytest.raises(InputError, match=r"attention must be of one sequence, got 2 \(beams"):
        head_view(((np.full((2, 1, 3, 3), 1 / 3),),), list("abc"))


# -- what cannot be shown


@VIEWERS
@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "attention must be given, got neither it nor encoder_attention, decoder_attention, "
             "cross_attention."),
        ({"attention": layers()}, "tokens must be given with attention, got None."),
        ({"attention": layers(), "tokens": "key"}, "tokens must be a list of tokens, got 'key'."),
        ({"attention": layers(), "tokens": ["a"]},
         "tokens must be as many as the positions of attention, got 1 for 5"),
        ({"attention": layers(), "tokens": TOKENS, "encoder_tokens": ["a"]},
         "encoder_tokens must be left out where attention is given, got both. Give one of them."),
        ({"encoder_attention": layers()},
         "encoder_tokens must be given with encoder_attention, got None."),
        ({"decoder_attention": layers()},
         "decoder_tokens must be given with decoder_attention, got None."),
        ({"cross_attention": layers(), "encoder_tokens": TOKENS},
         "decoder_tokens must be given with cross_attention"),
        ({"attention": 3, "tokens": TOKENS},
         "attention must be a list with an array per layer, got int."),
        ({"attention": [torch.zeros(5, 5)], "tokens": TOKENS},
         "(batch, head, query, key) or (head, query, key) in every layer, "
         "got shape (5, 5) at layer 0."),
        ({"attention": [torch.ones(2, 1, 5, 5) / 5], "tokens": TOKENS},
         "must be of one text, got a batch of 2 at layer 0. Choose one of them."),
        ({"encoder_attention": [torch.ones(1, 1, 5, 5)], "encoder_tokens": TOKENS},
         "encoder_attention must have rows that sum to at most 1, got 5 at layer 0"),
        ({"attention": (None, None), "tokens": TOKENS},
         "must hold an array per layer, got None in every layer."),
        ({"attention": layers(), "tokens": TOKENS, "sentence_b_start": 5},
         "sentence_b_start must be 1 to 4, got 5."),
        ({"attention": layers(), "tokens": TOKENS, "include_layers": []},
         "include_layers must name at least one, got []. Omit it for all."),
        ({"attention": layers(), "tokens": TOKENS, "include_layers": [3]},
         "include_layers must be 0 to 2, got 3."),
        ({"attention": layers(), "tokens": TOKENS, "html_action": "print"},
         "html_action must be one of view, return, widget, got 'print'. Choose one of these."),
    ],
)  # fmt: skip
def test_invalid_arguments_have_a_clear_message(view, given, said):
    with pytest.raises(ValueError, match=re.escape(said)):
        view(**given)


@pytest.mark.parametrize(
    ("view", "given", "said"),
    [
        (
            head_view,
            {"layer": 1, "include_layers": [0, 2]},
            "layer must be one that is included, 0, 2, got 1.",
        ),
        (head_view, {"heads": [4]}, "heads must be 0 to 3, got 4."),
        (model_view, {"include_heads": [4]}, "include_heads must be 0 to 3, got 4."),
        (
            model_view,
            {"display_mode": "sepia"},
            "display_mode must be one of light, dark, got 'sepia'.",
        ),
    ],
)
def test_invalid_arguments_of_one_view_have_a_clear_message(view, given, said):
    with pytest.raises(InputError, match=re.escape(said)):
        view(layers(), TOKENS, **given)


# -- what comes back


@VIEWERS
def test_a_view_is_displayed_once_and_returns_nothing(view, wire, monkeypatch):
    shown = []
    monkeypatch.setattr("IPython.display.display", shown.append)
    assert view(layers(), TOKENS) is None
    (w,) = shown
    assert isinstance(w, AttentionWidget)


@VIEWERS
def test_a_page_is_returned_on_one_line_without_tokens_as_markup(view, wire):
    page = view(
        layers(), ["</script>", "<img src=x onerror=alert(1)>", '"', "a", "b"], html_action="return"
    )
    assert type(page) is HTML
    assert page.data.count("<iframe ") == 1
    assert 'sandbox="allow-scripts' in page.data
    assert "\n" not in page.data
    assert "onerror" not in page.data


# -- real models


@pytest.fixture(scope="module")
def eager():
    """MiniLM's attention as a tutorial takes it, two sentences."""
    model, tokenizer = models.minilm()
    inputs = tokenizer("The cat sat on the mat", "The cat lay on the rug", return_tensors="pt")
    before = model.config._attn_implementation
    model.set_attn_implementation("eager")
    try:
        with torch.no_grad():
            outputs = model(**inputs, output_attentions=True)
    finally:
        model.set_attn_implementation(before)
    tokens = tokenizer.convert_ids_to_tokens(inputs["input_ids"][0])
    return outputs, tokens, int(inputs["token_type_ids"][0].tolist().index(1))


@VIEWERS
def test_a_trained_models_attention_is_shown_as_the_tutorials_pass_it(view, eager):
    outputs, tokens, b_start = eager
    w = widget(view, outputs.attentions, tokens, b_start)
    w.view, w.layer = "head", 5
    assert np.allclose(w.matrix(), outputs.attentions[5][0], atol=1e-6)


def test_the_last_output_of_a_current_model_is_refused_with_its_reason(eager):
    outputs, tokens, _ = eager
    assert outputs[-1] == ()  # what tutorials take for the attention
    with pytest.raises(InputError, match=r"outputs\[-1\] is the empty cross-attention"):
        head_view(outputs[-1], tokens)


def test_an_encoder_decoder_is_shown_with_all_three_attentions():
    model, tokenizer = models.annalog()
    capture = aw.ModelRunner(model, tokenizer, name="annalog").run("CC(=O)O", target="CCO")
    given = {
        f"{name}_attention": tuple(layer.weights_for()[None] for layer in group)
        for name, group in capture.groups.items()
    }
    sides = {
        "encoder_tokens": capture.axes("encoder")[0].text,
        "decoder_tokens": capture.axes("decoder")[0].text,
    }
    w = widget(head_view, **given, **sides)
    w.attention, w.layer = "cross", 2
    assert np.allclose(w.matrix(), capture.group("cross")[2].weights_for())


# -- the neuron view


@pytest.mark.parametrize("model_type", ["bert", "no such type", None])
def test_the_neuron_view_works_with_an_ordinary_model_of_any_type(model_type):
    model, tokenizer = models.minilm()
    w = widget(show, model, model_type, tokenizer, "The keys turn", "in the lock", layer=3, head=1)
    assert (w.view, w.layer, w.head, w.theme) == ("neuron", 3, 1, "dark")
    frame = on_screen(w)
    assert frame.fields["passed"] == 1
    assert 1 in w.capture.tokens.segments
    w.text = "Another sentence"
    assert "another" in w.capture.tokens.text


def test_the_neuron_view_works_with_an_encoder_decoder():
    model, tokenizer = models.annalog()
    w = widget(show, model, "marian", tokenizer, "CC(=O)O", display_mode="light")
    assert (w.view, w.layer, w.head, w.theme) == ("neuron", 0, 0, "light")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"sentence_a": ""}, "sentence_a must be a text, got ''. Give the input of the model."),
        ({"layer": 6}, "layer must be 0 to 5, got 6."),
        ({"head": 12}, "head must be 0 to 11, got 12."),
        ({"display_mode": "blue"}, "display_mode must be one of light, dark, got 'blue'."),
        ({"html_action": "no"}, "html_action must be one of view, return, widget, got 'no'."),
    ],
)
def test_the_neuron_view_says_what_is_wrong(given, said):
    model, tokenizer = models.minilm()
    with pytest.raises(InputError, match=re.escape(said)):
        show(
            **(
                {"model": model, "model_type": "bert", "tokenizer": tokenizer, "sentence_a": "keys"}
                | given
            )
        )


def test_tutorials_find_their_model_classes():
    import transformers

    from attn_widget.bertviz.transformers_neuron_view import BertModel, BertTokenizer

    assert BertModel is transformers.BertModel
    assert BertTokenizer is transformers.BertTokenizer
