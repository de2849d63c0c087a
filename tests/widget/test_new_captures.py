"""A new text, or a method that needs gradients, repeats the call that made the capture."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
import transformers

import attn_widget as aw
from attn_widget.errors import InputError
from attn_widget.pages.page import static_page
from attn_widget.widget.widget import AttentionWidget
from tests import models
from tests.pages.test_page import stored
from tests.recording.families import TEXT, peak

SMALL = dict(
    hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=16
)  # fmt: skip
GRADIENT_METHODS = ["relevance", "gradient_attention"]


def tokenizer():
    return models.minilm()[1]


def made(cls, config) -> aw.ModelRunner:
    """Return a runner of a small model with peaked weights."""
    torch.manual_seed(0)
    model = cls(config).eval()
    peak(model)
    return aw.ModelRunner(model, tokenizer())


@pytest.fixture(scope="module")
def writer():
    options = TEXT | {"vocab_size": len(tokenizer()), "eos_token_id": None}
    return made(transformers.LlamaForCausalLM, transformers.LlamaConfig(**options))


@pytest.fixture(scope="module")
def classifier():
    config = transformers.BertConfig(**SMALL, vocab_size=len(tokenizer()))
    return made(transformers.BertForSequenceClassification, config)


@pytest.fixture(scope="module")
def translator():
    config = transformers.BartConfig(
        d_model=16, encoder_layers=2, decoder_layers=2, encoder_attention_heads=2,
        decoder_attention_heads=2, encoder_ffn_dim=16, decoder_ffn_dim=16,
        vocab_size=len(tokenizer()), pad_token_id=0, bos_token_id=101, eos_token_id=102,
        decoder_start_token_id=101, forced_eos_token_id=None,
    )  # fmt: skip
    return made(transformers.BartForConditionalGeneration, config)


def set_text(widget, wire, text: str, how: str) -> None:
    """Set the text in Python, or type it in the page."""
    if how == "python":
        widget.text = text
    else:
        wire.set(widget, text=text)


HOW = pytest.mark.parametrize("how", ["python", "page"])


def same(a, b) -> None:
    """Two captures hold the same attention, group by group."""
    assert list(a.groups) == list(b.groups)
    for name in a.groups:
        for x, y in zip(a.group(name), b.group(name), strict=True):
            np.testing.assert_allclose(x.weights_for(), y.weights_for(), atol=1e-6)


@HOW
def test_a_new_prompt_is_written_after_with_the_same_options(writer, wire, how):
    options = {"max_new_tokens": 4, "top": 3, "repetition_penalty": 1.3}
    widget = AttentionWidget(writer.generate("The keys", **options), writer, step=2)
    assert widget.text == "The keys"
    set_text(widget, wire, "A door", how)
    expected = writer.generate("A door", **options)
    assert (widget.text, widget.step, widget.query) == ("A door", -1, [])
    assert widget.capture.steps == expected.steps
    assert len(widget.info["steps"]) == 5
    same(widget.capture, expected)


@HOW
def test_a_new_text_keeps_the_target_of_the_decoder(translator, wire, how):
    widget = AttentionWidget(translator.run("The keys", target="der alte"), translator)
    target = widget.capture.streams["decoder"].text
    set_text(widget, wire, "A door and a key", how)
    assert widget.capture.streams["decoder"].text == target
    same(widget.capture, translator.run("A door and a key", target="der alte"))


@HOW
def test_a_new_text_keeps_the_second_one_and_the_other_way_round(classifier, wire, how):
    widget = AttentionWidget(classifier.run("The keys.", "They ran."), classifier)
    set_text(widget, wire, "A door.", how)
    assert (widget.text, widget.pair) == ("A door.", "They ran.")
    same(widget.capture, classifier.run("A door.", "They ran."))
    widget.pair = "It fell."
    same(widget.capture, classifier.run("A door.", "It fell."))


@HOW
@pytest.mark.parametrize("method", GRADIENT_METHODS)
def test_a_method_of_gradients_stays_and_its_output_too(classifier, wire, method, how):
    widget = AttentionWidget(classifier.gradients("The keys", output=1), classifier, method=method)
    set_text(widget, wire, "A door", how)
    assert widget.method == method
    found = aw.attribute(classifier.gradients("A door", output=1), method, layer=0)
    widget.view = "matrix"
    one = aw.attribute(classifier.gradients("A door", output=1), method, layer=0, head=0)
    expected = found.values if method == "relevance" else one.values
    np.testing.assert_allclose(widget.matrix(), expected, atol=1e-7)


@HOW
@pytest.mark.parametrize("method", GRADIENT_METHODS)
def test_a_method_that_is_offered_is_computed_when_it_is_chosen(classifier, wire, method, how):
    widget = AttentionWidget(classifier.run("The keys"), classifier, view="matrix", query=[2])
    (group,) = widget.info["groups"]
    assert method in group["methods"]
    assert method in group["on_demand"]
    if how == "python":
        widget.method = method
    else:
        wire.set(widget, method=method)
        assert "taking gradients" in wire.updates("running")
    assert (widget.method, widget.running, widget.error) == (method, "", {})
    assert widget.query == [2]  # the tokens are the same
    assert widget.info["groups"][0]["on_demand"] == []
    one = {} if method == "relevance" else {"head": 0}
    expected = aw.attribute(classifier.gradients("The keys"), method, layer=0, **one)
    np.testing.assert_allclose(widget.matrix(), expected.values, atol=1e-7)
    widget.text = "A door"
    assert widget.method == method


def test_a_page_of_it_offers_no_method_that_it_does_not_hold(classifier, wire):
    widget = AttentionWidget(classifier.run("The keys"), classifier)
    (group,) = stored(static_page(widget.picture_state()))["state"]["info"]["groups"]
    assert not set(GRADIENT_METHODS) & {*group["methods"], *group["on_demand"]}
    assert "gradient must have been recorded" in group["reasons"]["relevance"]


def test_a_widget_may_start_with_a_method_of_gradients(classifier, wire):
    widget = aw.explore(classifier, text="The keys", method="relevance", layer=1)
    expected = aw.attribute(classifier.gradients("The keys"), "relevance", layer=1)
    np.testing.assert_allclose(widget.matrix(), expected.values, atol=1e-7)


@HOW
def test_a_model_without_an_output_to_explain_keeps_the_method_and_says_why(wire, how):
    config = transformers.BertConfig(**SMALL, vocab_size=len(tokenizer()))
    runner = made(transformers.BertModel, config)
    widget = AttentionWidget(runner.run("The keys"), runner)
    if how == "python":
        with pytest.raises(InputError, match="logits"):
            widget.method = "relevance"
    else:
        wire.set(widget, method="relevance")
        assert wire.updates("method")[-1] == "raw"
    assert "logits" in widget.error["message"]
    assert (widget.method, widget.running, widget.capture_id) == ("raw", "", 0)


@pytest.mark.parametrize("make", ["generated", "no runner", "by hand"])
def test_gradients_are_not_offered_where_they_cannot_be_taken(writer, classifier, wire, make):
    if make == "generated":
        widget = AttentionWidget(writer.generate("The keys", max_new_tokens=2), writer)
    elif make == "no runner":
        widget = AttentionWidget(classifier.run("The keys"))
    else:
        inputs = tokenizer()("The keys", return_tensors="pt")
        widget = AttentionWidget(aw.capture(classifier.model, inputs), classifier)
    (group,) = widget.info["groups"]
    assert not set(GRADIENT_METHODS) & set(group["methods"])
    assert "gradient must have been recorded" in group["reasons"]["relevance"]
    with pytest.raises(InputError, match="gradient must have been recorded"):
        widget.method = "relevance"


def test_a_method_that_another_text_cannot_have_is_not_left_without_a_word(capture, wire):
    widget = AttentionWidget(capture, method="rollout")
    widget._accept(replace(capture, not_joint={"self": "windows are shifted"}), "b", "")
    assert widget.method == "raw"
    assert "windows are shifted" in widget.error["message"]


def test_pictures_beside_the_text_are_kept(wire):
    pictures = transformers.CLIPVisionConfig(**SMALL, image_size=28, patch_size=7)
    texts = transformers.CLIPTextConfig(**SMALL, vocab_size=len(tokenizer()), eos_token_id=102)
    config = transformers.CLIPConfig(
        text_config=texts.to_dict(), vision_config=pictures.to_dict(), projection_dim=8
    )
    reader = getattr(transformers, "CLIPImageProcessorPil", transformers.CLIPImageProcessor)
    size = {"height": 28, "width": 28}
    processor = transformers.CLIPProcessor(
        reader(size={"shortest_edge": 28}, crop_size=size), tokenizer()
    )
    torch.manual_seed(0)
    runner = aw.ModelRunner(transformers.CLIPModel(config).eval(), processor)
    image = np.random.default_rng(0).integers(0, 255, (40, 40, 3), dtype=np.uint8)
    widget = AttentionWidget(runner.run("a cat", images=image), runner)
    widget.text = "a dog on grass"
    expected = runner.run("a dog on grass", images=image)
    same(widget.capture, expected)
    np.testing.assert_array_equal(widget.capture.image, expected.image)


def test_inputs_that_hold_more_than_a_text_are_refused_not_dropped(translator, wire):
    inputs = tokenizer()(["The keys"], return_tensors="pt")
    widget = AttentionWidget(translator.run(dict(inputs), target="der alte"), translator)
    widget.text = "A door"
    same(widget.capture, translator.run("A door", target="der alte"))
    more = dict(inputs) | {"decoder_input_ids": torch.tensor([[101, 2000]])}
    widget = AttentionWidget(translator.run(more), translator)
    with pytest.raises(InputError, match="capture was made of decoder_input_ids, got 'A door'"):
        widget.text = "A door"
    assert widget.capture_id == 0


def test_labels_of_the_old_tokens_are_not_put_on_the_new_ones(writer, wire):
    widget = AttentionWidget(writer.run([5, 6, 7], tokens=["a", "b", "c"]), writer)
    widget.text = "The keys"
    assert widget.capture.tokens.text == writer.run("The keys").tokens.text


def test_a_long_text_is_cut_as_the_first_one_was(wire):
    config = transformers.BertConfig(
        **SMALL, vocab_size=len(tokenizer()), max_position_embeddings=8
    )
    runner = made(transformers.BertModel, config)
    widget = AttentionWidget(runner.run("the key " * 9, truncate=True), runner)
    assert widget.truncate
    widget.text = "a door " * 9
    assert len(widget.capture.tokens) == 8


def test_a_capture_knows_the_call_that_made_it(writer, classifier):
    call = writer.generate("The keys", max_new_tokens=2, progress=lambda step: None).made_by
    assert (call.function, call.text, call.options) == (
        "generate", "The keys", {"max_new_tokens": 2},
    )  # fmt: skip
    call = classifier.gradients("The keys", "They ran.", output=1).made_by
    assert (call.function, call.pair, call.options) == ("gradients", "They ran.", {"output": 1})
    same(call.make(classifier), classifier.run("The keys", "They ran."))
