"""Gradient-weighted relevance and value-weighted attention of small models, against plain loops."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    LlamaConfig,
    LlamaForCausalLM,
    MarianConfig,
    MarianMTModel,
    PreTrainedTokenizerFast,
)

import attn_widget as aw
from attn_widget.attribution.methods import applicable
from attn_widget.records import to_numpy


def small_bert():
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=40, hidden_size=12, num_attention_heads=3, num_hidden_layers=2,
        intermediate_size=16, num_labels=4, initializer_range=0.5,
    )  # fmt: skip
    return aw.ModelRunner(BertForSequenceClassification(config).eval())


def small_llama():
    torch.manual_seed(1)
    config = LlamaConfig(
        vocab_size=30, hidden_size=16, num_attention_heads=4, num_key_value_heads=2,
        num_hidden_layers=2, intermediate_size=16, initializer_range=0.5,
    )  # fmt: skip
    return aw.ModelRunner(LlamaForCausalLM(config).eval())


def small_marian():
    torch.manual_seed(2)
    config = MarianConfig(
        vocab_size=25, d_model=8, encoder_layers=2, decoder_layers=2, encoder_attention_heads=2,
        decoder_attention_heads=2, encoder_ffn_dim=8, decoder_ffn_dim=8,
        max_position_embeddings=16, pad_token_id=0, decoder_start_token_id=0, init_std=0.5,
    )  # fmt: skip
    return aw.ModelRunner(MarianMTModel(config).eval())


IDS = {"input_ids": torch.tensor([[3, 7, 11, 13, 2]])}
PAIR = {"input_ids": torch.tensor([[3, 7, 11, 13]]), "decoder_input_ids": torch.tensor([[0, 5, 6]])}


def test_a_gradient_is_the_change_of_the_score_when_one_weight_changes():
    runner = small_bert()
    capture = runner.gradients(IDS, output=1)
    gradient = to_numpy(capture.layers[1].gradient)
    # The last layer's attention acts through its output only: move one weight, and follow the
    # values by hand.
    plain = runner.run(IDS)
    layer = plain.layers[1]
    query, key, head, step = 0, 3, 2, 1e-2
    moved = layer.weights.clone()
    moved[head, query, key] += step
    scores = [score_with(runner.model, layer, weights) for weights in (layer.weights, moved)]
    assert gradient[head, query, key] == pytest.approx((scores[1] - scores[0]) / step, rel=0.05)
    assert abs(gradient[head, query, key]) > 1e-3


def score_with(model, layer, weights):
    """Return the logit when the last layer's attention is replaced by these weights."""

    def replaced(module, args, output):
        context = (weights @ layer.v).transpose(0, 1).reshape(1, weights.shape[1], -1)
        return (context, *output[1:])

    attention = model.get_submodule(layer.name)
    handle = attention.register_forward_hook(replaced)
    try:
        with torch.no_grad():
            return float(model(**IDS).logits[0, 1])
    finally:
        handle.remove()


def by_hand(capture):
    """Relevance of self-attention with plain loops."""
    n = len(capture.tokens)
    total = np.eye(n)
    for layer in capture.layers:
        attention, gradient = to_numpy(layer.weights), to_numpy(layer.gradient)
        step = np.zeros((n, n))
        for h, i, j in np.ndindex(*attention.shape):
            step[i, j] += max(0.0, attention[h, i, j] * gradient[h, i, j]) / len(attention)
        total = total + step @ total
    return total


@pytest.mark.parametrize("make", [small_bert, small_llama])
def test_relevance_of_self_attention_grows_layer_by_layer(make):
    capture = make().gradients(IDS)
    expected = by_hand(capture)
    answer = aw.attribute(capture, "relevance")
    assert np.asarray(answer) == pytest.approx(expected, rel=1e-5)
    assert np.asarray(aw.attribute(capture, "relevance", query=[2])) == pytest.approx(
        expected[[2]], rel=1e-5
    )
    assert answer.unit == "score"
    below = aw.attribute(capture, "relevance", layer=0)
    assert np.asarray(below) == pytest.approx(
        by_hand(replace(capture, layers=capture.layers[:1])), rel=1e-5
    )


def test_relevance_of_cross_attention_follows_the_papers_rules():
    capture = small_marian().gradients(PAIR, output=4)
    steps = {}
    for layer in capture.layers:
        attention, gradient = to_numpy(layer.weights), to_numpy(layer.gradient)
        steps[layer.stream, layer.kind, layer.layer] = np.maximum(attention * gradient, 0).mean(0)
    encoder = np.eye(4)
    for i in range(2):
        encoder = encoder + steps["encoder", "self", i] @ encoder
    own, cross = np.eye(3), np.zeros((3, 4))

    def normalised(r):
        less = r - np.eye(len(r))
        return np.array([row / row.sum() if row.sum() > 0 else row for row in less]) + np.eye(
            len(r)
        )

    for i in range(2):
        step = steps["decoder", "self", i]
        own, cross = own + step @ own, cross + step @ cross
        cross = cross + normalised(own).T @ steps["decoder", "cross", i] @ normalised(encoder)
    assert np.asarray(aw.attribute(capture, "relevance", attention="cross")) == pytest.approx(
        cross, rel=1e-4
    )
    assert np.asarray(aw.attribute(capture, "relevance", attention="encoder")) == pytest.approx(
        encoder, rel=1e-4
    )
    assert np.asarray(aw.attribute(capture, "relevance", attention="decoder")) == pytest.approx(
        own, rel=1e-4
    )
    assert cross.max() > 0


def test_gradient_attention_is_the_positive_part_of_gradient_times_attention():
    capture = small_bert().gradients(IDS)
    layer = capture.layers[0]
    product = np.maximum(to_numpy(layer.weights) * to_numpy(layer.gradient), 0)
    assert np.asarray(aw.attribute(capture, "gradient_attention", layer=0)) == pytest.approx(
        product.mean(0)
    )
    one = aw.attribute(capture, "gradient_attention", layer=0, head=2, query=[1, 4])
    assert np.asarray(one) == pytest.approx(product[2][[1, 4]])


@pytest.mark.parametrize("make", [small_bert, small_llama])
def test_value_weighted_attention_is_the_length_of_what_is_sent(make):
    capture = make().run(IDS)
    layer = capture.layers[1]
    weights, v, out = (to_numpy(part) for part in (layer.weights, layer.v, layer.output_projection))
    heads, n, _ = weights.shape
    sent = np.zeros((heads, n, n, out.shape[-1]))
    for h, i, j in np.ndindex(heads, n, n):
        sent[h, i, j] = weights[h, i, j] * (v[h * len(v) // heads, j] @ out[h])
    assert np.asarray(aw.attribute(capture, "value_weighted")) == pytest.approx(
        np.linalg.norm(sent.sum(0), axis=-1), rel=1e-4, abs=1e-6
    )
    one = aw.attribute(capture, "value_weighted", head=1, query=3)
    assert np.asarray(one) == pytest.approx(
        np.linalg.norm(sent[1], axis=-1)[[3]], rel=1e-4, abs=1e-6
    )
    assert one.unit == "norm"


def test_methods_that_need_more_than_attention_say_what_is_missing_and_what_would_work(
    attention, tokens
):
    bare = aw.from_arrays(attention, tokens)
    with pytest.raises(
        aw.MethodError,
        match=r"gradient must have been recorded .* runner.gradients\(text\), "
        r"or use method=\"rollout\"",
    ):
        aw.attribute(bare, "relevance")
    with pytest.raises(aw.MethodError, match=r"gradient must have been recorded"):
        aw.attribute(bare, "gradient_attention")
    with pytest.raises(
        aw.MethodError, match=r'v and output_projection must have been recorded .* use method="raw"'
    ):
        aw.attribute(bare, "value_weighted")
    assert [name for name, reason in applicable(bare).items() if not reason] == [
        "raw",
        "rollout",
        "flow",
    ]
    assert not any(applicable(small_bert().gradients(IDS)).values())


def test_baselines_exist_only_where_uniform_attention_says_something():
    capture = small_llama().gradients(IDS)
    with pytest.raises(
        aw.InputError,
        match=r"baseline must be False for relevance, got True. It exists for raw, rollout, flow",
    ):
        aw.attribute(capture, "relevance", baseline=True)


def test_the_score_can_be_a_class_a_function_or_the_prediction():
    runner = small_bert()
    with torch.no_grad():
        predicted = int(runner.model(**IDS).logits[0].argmax())
    by_default = runner.gradients(IDS).layers[0].gradient
    assert torch.equal(by_default, runner.gradients(IDS, output=predicted).layers[0].gradient)
    assert torch.equal(
        by_default,
        runner.gradients(IDS, output=lambda out: out.logits[0, predicted]).layers[0].gradient,
    )
    other = runner.gradients(IDS, output=(predicted + 1) % 4).layers[0].gradient
    assert not torch.equal(by_default, other)


def test_scores_that_do_not_exist_are_refused():
    runner = small_bert()
    with pytest.raises(
        aw.InputError, match=r"output must be 0 to 3, got 9. Choose a class or token that exists"
    ):
        runner.gradients(IDS, output=9)
    with pytest.raises(aw.InputError, match="output must give one number"):
        runner.gradients(IDS, output=lambda out: out.logits)
    with pytest.raises(aw.InputError, match="output must be a function of what the model returns"):
        aw.ModelRunner(runner.model.bert).gradients(IDS)


def test_a_token_can_be_named_where_the_output_is_a_token():
    runner = small_bert()
    words = Tokenizer(WordLevel({f"w{i}": i for i in range(40)}, unk_token="w0"))
    runner.tokenizer = PreTrainedTokenizerFast(tokenizer_object=words, unk_token="w0")
    named, numbered = (runner.gradients(IDS, output=of).layers[0].gradient for of in ("w3", 3))
    assert torch.equal(named, numbered)
    with pytest.raises(
        aw.InputError, match=r"output must be 0 to 3, got 30. Choose a class or token that exists"
    ):
        runner.gradients(IDS, output="w30")


def test_gradients_leave_the_model_unchanged():
    runner = small_bert()
    runner.model.train()
    before = [p.clone() for p in runner.model.parameters()]
    runner.gradients(IDS)
    runner.input_gradients(IDS)
    runner.blank_out(IDS, blank=1)
    assert runner.model.training
    assert all(torch.equal(a, b) for a, b in zip(before, runner.model.parameters(), strict=True))
    assert all(p.grad is None for p in runner.model.parameters())
    assert not any(m._forward_hooks for m in runner.model.modules())


def test_blank_out_is_the_change_of_the_predicted_probability():
    runner = small_bert()

    def probability(ids, of):
        with torch.no_grad():
            return float(runner.model(input_ids=ids).logits[0].softmax(-1)[of])

    ids = IDS["input_ids"]
    with torch.no_grad():
        of = int(runner.model(input_ids=ids).logits[0].argmax())
    expected = []
    for i in range(5):
        other = ids.clone()
        other[0, i] = 1
        expected.append(abs(probability(other, of) - probability(ids, of)))
    assert runner.blank_out(IDS, blank=1) == pytest.approx(expected, abs=1e-6)
    with pytest.raises(aw.InputError, match="blank must be given"):
        runner.blank_out(IDS)


@pytest.mark.parametrize("make", [small_bert, small_llama])
def test_input_gradients_are_the_length_of_the_change_when_an_embedding_moves(make):
    runner = make()
    runner.model.double()
    found = runner.input_gradients(IDS, output=2)
    embedding = runner.model.get_input_embeddings()
    step = 1e-3  # some norms compute in float32 for any input type

    def moved(token, channel, by):
        def hook(module, args, output):
            output = output.clone()
            output[0, token, channel] += by
            return output

        handle = embedding.register_forward_hook(hook)
        with torch.no_grad():
            logits = runner.model(**IDS).logits[0]
        handle.remove()
        return float(logits.reshape(-1, logits.shape[-1])[-1, 2])

    for token in range(5):
        changes = [
            (moved(token, channel, step) - moved(token, channel, -step)) / (2 * step)
            for channel in range(embedding.embedding_dim)
        ]
        assert found[token] == pytest.approx(np.linalg.norm(changes), rel=5e-3)
    assert found.min() > 1e-3


def test_blanking_many_tokens_in_one_pass_gives_what_one_at_a_time_gives(monkeypatch):
    from attn_widget.recording import batching

    for make, inputs in ((small_bert, IDS), (small_llama, IDS), (small_marian, PAIR)):
        runner = make()
        passes = []
        handle = runner.model.register_forward_hook(lambda *args, seen=passes: seen.append(1))
        together = runner.blank_out(inputs, blank=1)
        assert len(passes) == 2
        monkeypatch.setitem(batching.ROWS, "cpu", 1)
        assert runner.blank_out(inputs, blank=1) == pytest.approx(together, abs=1e-6)
        assert len(passes) == 4 + len(together) - 1
        monkeypatch.undo()
        handle.remove()
        assert together.max() > 1e-3


def test_the_value_of_a_function_is_followed_one_text_at_a_time():
    runner = small_bert()
    changes = runner.blank_out(IDS, blank=1, output=lambda out: out.logits[0, 2])
    ids = IDS["input_ids"].clone()
    ids[0, 3] = 1
    with torch.no_grad():
        plain, blanked = (
            float(runner.model(input_ids=i).logits[0, 2]) for i in (IDS["input_ids"], ids)
        )
    assert changes[3] == pytest.approx(abs(blanked - plain), abs=1e-6)


def test_a_translators_output_is_fixed_while_its_text_is_blanked(monkeypatch):
    from attn_widget.recording.inputs import prepare

    monkeypatch.setattr(prepare, "MAX_NEW_TOKENS", 8)
    runner = small_marian()
    changes = runner.blank_out({"input_ids": PAIR["input_ids"]}, blank=1)
    assert changes.shape == (4,)
    assert changes.max() > 0
