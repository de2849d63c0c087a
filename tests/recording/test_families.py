"""Many architectures: the record equals what the model computed, and nothing stays changed."""

from __future__ import annotations

import pytest
import torch
import transformers

from attn_widget.errors import InputError
from attn_widget.recording.capture import capture
from attn_widget.recording.softmax import recompute
from tests.recording.families import FAMILIES, Family, build, feed, reference

HERE = [one for one in FAMILIES if one.here]
BY_NAME = {one.name: one for one in FAMILIES}
MAJOR = int(transformers.__version__.split(".")[0])


def every_family(families=HERE):
    """One test per family, under the family's name."""
    return pytest.mark.parametrize("one", families, ids=lambda one: one.name)


def build_or_skip(one: Family) -> torch.nn.Module:
    """The model; skipped where this version of transformers cannot run it at all."""
    model = build(one)
    try:
        with torch.no_grad():
            model(**feed(one))
    except AttributeError as error:
        if MAJOR >= 5:
            raise
        pytest.skip(f"transformers {transformers.__version__} cannot run it: {error}")
    return model


def output_during(model, action):
    """What the model returned while an action ran it, and the action's own result."""
    caught = []
    handle = model.register_forward_hook(lambda module, args, output: caught.append(output[0]))
    try:
        result = action()
    finally:
        handle.remove()
    return caught[-1], result


def distance(a, b):
    return (a.float() - b.float()).abs().max().item()


@every_family()
def test_recorded_weights_are_the_models_own(one):
    model, inputs = build_or_skip(one), feed(one)
    with torch.no_grad():
        plain = model(**inputs)[0]
    output, seen = output_during(model, lambda: capture(model, inputs, weights=True, item=1))
    # Item 1 has no padding; what a model puts out at padding is another thing in each of its own
    # two paths.
    whole = slice(1, None) if len(plain) == 2 else slice(None)
    assert distance(output[whole], plain[whole]) < 1e-4 * max(1.0, plain.abs().max().item())
    if one.layers is not None:
        assert sum(layer.part == 0 for layer in seen.layers) == one.layers
    assert seen.missing == one.missing
    eager, references = reference(one, inputs)
    if not one.reference or distance(eager[whole], plain[whole]) > 1e-3:
        # its eager path is another model than its default; ours is the default's, as asserted above
        return
    assert len(references) == one.layers or one.layers is None
    for layer in seen.layers:
        alike = [r for r in references if r.shape[1:] == layer.weights.shape]
        # The second half of the batch axis begins with item 1's first window.
        errors = [distance(r[r.shape[0] // 2 + layer.part], layer.weights) for r in alike]
        if not errors:
            assert "head" in layer.name, f"{layer.name} is shown by transformers in no form"
            continue
        assert min(errors) <= 1e-6
        if layer.part < layer.n_parts - 1:
            continue
        references.pop(
            next(i for i, r in enumerate(references) if r is alike[errors.index(min(errors))])
        )


@every_family()
def test_weights_recomputed_from_queries_and_keys_are_the_recorded_ones(one):
    model, inputs = build_or_skip(one), feed(one)
    seen = capture(model, inputs, weights=True, item=1)
    light = capture(model, inputs, weights=False, item=1)
    assert len(seen.layers) == len(light.layers)
    for layer, other in zip(seen.layers, light.layers, strict=True):
        assert (layer.name, layer.kind, layer.stream, layer.layer) == (
            other.name,
            other.kind,
            other.stream,
            other.layer,
        )
        if one.note == "banded" and layer.q is None:
            continue
        # The plain formula, and not the family's own code that stands in where the formula does not
        # hold.
        assert layer.recompute is recompute, layer.name
        assert distance(layer.recompute(layer, None, None), layer.weights) <= 1e-6
        assert other.weights is None
        assert distance(other.weights_for(), layer.weights) <= 1e-5
        row = layer.n_queries - 1
        for head in range(layer.n_heads):
            assert (
                distance(other.weights_for([head], [row]), layer.weights[[head]][:, [row]]) <= 1e-5
            )
        assert distance(other.weights_for(None, [row]), layer.weights[:, [row]]) <= 1e-5


@every_family()
def test_every_row_sums_to_one_or_less_and_padding_is_gone(one):
    model, inputs = build_or_skip(one), feed(one)
    seen = capture(model, inputs, weights=True, item=0)
    for layer in seen.layers:
        sums = layer.weights.sum(-1)
        assert (layer.weights >= 0).all()
        assert (sums <= 1 + 1e-5).all()
        if layer.sinks is None:
            assert (sums >= 1 - 1e-5).all(), layer.name
        assert layer.weights.shape == (layer.n_heads, layer.n_queries, layer.n_keys)
    for tokens, length in ((seen.streams.get(name), 8) for name in ("", "encoder", "text")):
        if tokens is not None and "attention_mask" in inputs and seen.layers[0].n_queries < 12:
            assert len(tokens) == length


@every_family()
def test_a_capture_leaves_the_model_as_it_was_and_repeats_itself(one):
    model, inputs = build_or_skip(one), feed(one)
    configs = {id(m.config): m.config for m in model.modules() if hasattr(m, "config")}
    names = {key: getattr(config, "_attn_implementation", None) for key, config in configs.items()}
    with torch.no_grad():
        before = model(**inputs)[0]
    first = capture(model, inputs, weights=True)
    second = capture(model, inputs, weights=True)
    with torch.no_grad():
        after = model(**inputs)[0]
    assert torch.equal(before, after)
    assert names == {
        key: getattr(config, "_attn_implementation", None) for key, config in configs.items()
    }
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())
    for a, b in zip(first.layers, second.layers, strict=True):
        assert torch.equal(a.weights, b.weights)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("gptj", None),
        ("roformer", None),
        ("falcon", None),
        ("big_bird_full", None),
        ("bloom", "position"),
        ("mpt", "position"),
        ("mpnet", "position"),
        ("t5", "position"),
        ("falcon_alibi", "position"),
        ("deberta", "content"),
        ("deberta_v2", "content"),
        ("xlnet", "content"),
        ("funnel", "content"),
    ],
)
def test_what_scores_are_beyond_the_product_has_its_right_name(name, kind):
    one = BY_NAME[name]
    seen = capture(build_or_skip(one), feed(one), weights=True, item=1)
    kinds = {layer.bias_kind for layer in seen.layers if layer.kind == "self"}
    assert kinds == {kind}


def test_there_are_at_least_forty_five_families_here():
    assert len({one.model for one in HERE}) >= 45
    if MAJOR >= 5:
        assert HERE == FAMILIES


def test_softcap_sinks_window_and_grouped_keys_are_told():
    gemma = capture(
        build(BY_NAME["gemma2_softcap"]), feed(BY_NAME["gemma2_softcap"]), weights=True, item=1
    )
    if MAJOR >= 5:
        assert gemma.layers[0].softcap == 2.0
    assert gemma.layers[0].k.shape[0] == 2
    assert gemma.layers[0].n_heads == 4
    sinks = capture(
        build(BY_NAME["gpt_oss_sinks"]), feed(BY_NAME["gpt_oss_sinks"]), weights=True, item=1
    )
    assert sinks.layers[0].sinks.shape == (4,)
    assert (sinks.layers[0].weights.sum(-1) < 1).all()


def test_a_causal_model_never_sees_the_future():
    for name in ("llama", "gpt2", "gptj", "bloom", "gemma2_softcap", "falcon"):
        one = BY_NAME[name]
        for weights in (True, False):
            for layer in capture(build(one), feed(one), weights=weights, item=1).layers:
                assert torch.triu(layer.weights_for(), 1).abs().max() == 0, (name, weights)


def test_both_towers_of_a_picture_and_text_model_have_names_and_tokens():
    seen = capture(build(BY_NAME["clip"]), feed(BY_NAME["clip"]), item=1)
    assert set(seen.groups) == {"vision", "text"}
    picture, text = seen.streams["vision"], seen.streams["text"]
    assert picture.grid == (4, 4)
    assert picture.text[:3] == ("[CLS]", "0,0", "0,1")
    assert len(text) == 11


def test_windows_are_chosen_and_none_beyond_the_last():
    one = BY_NAME["swin_windows"]
    model, inputs = build(one), feed(one)
    _, references = reference(one, inputs)
    whole = references[0]
    assert whole.shape[0] == 2 * 16
    for window in (0, 3):
        seen = capture(model, inputs, weights=True, item=1, window=window)
        assert seen.group()[0].n_queries == 4
        assert distance(seen.group()[0].weights, whole[16 + window]) <= 1e-6
        assert seen.n_parts("stage 0") == 16
        assert seen.n_parts("stage 1") == 4
        assert seen.part_word() == "window"
    with pytest.raises(InputError, match="window must be 0 to 15, got 16"):
        capture(model, inputs, window=16)


def test_an_encoder_decoder_has_three_groups_and_knows_whom_the_decoder_asks():
    for name in ("t5", "bart", "marian", "fsmt", "led"):
        one = BY_NAME[name]
        seen = capture(build_or_skip(one), feed(one), item=1)
        assert set(seen.groups) == {"encoder", "decoder", "cross"}
        assert dict(seen.cross_streams) == {"decoder": "encoder"}
        queries, keys = seen.axes("cross")
        assert (len(queries), len(keys)) == (7, 11)


def test_padding_on_either_side_leaves_the_same_attention_as_none():
    one = BY_NAME["bert"]
    model = build(one)
    inputs = feed(one)
    padded = capture(model, inputs, weights=True, item=0)
    alone = capture(model, {"input_ids": inputs["input_ids"][:1, :8]}, weights=True)
    for a, b in zip(padded.layers, alone.layers, strict=True):
        assert a.weights.shape == (3, 8, 8)
        assert distance(a.weights, b.weights) < 1e-6
    one = BY_NAME["llama_left_padded"]
    model, inputs = build(one), feed(one)
    positions = (inputs["attention_mask"].cumsum(-1) - 1).clamp(min=0)
    for weights in (True, False):
        padded = capture(model, {**inputs, "position_ids": positions}, weights=weights, item=0)
        alone = capture(model, {"input_ids": inputs["input_ids"][:1, 3:]}, weights=weights)
        assert padded.tokens.ids == tuple(inputs["input_ids"][0, 3:].tolist())
        for a, b in zip(padded.layers, alone.layers, strict=True):
            assert distance(a.weights_for(), b.weights_for()) < 1e-6
