"""`capture` on transformers' models: what it restores, what it leaves alone, what it refuses."""

from __future__ import annotations

import threading

import numpy as np
import pytest
import torch
import transformers

from attn_widget.errors import InputError
from attn_widget.recording.capture import capture
from attn_widget.recording.tracing import attention_lookup as lookup
from attn_widget.recording.tracing import family_call
from attn_widget.recording.tracing import transformers_interface as interface
from tests.recording.families import FAMILIES, build, feed, peak

BY_NAME = {one.name: one for one in FAMILIES}
LLAMA = BY_NAME["llama"]


def ids(n=6):
    return torch.arange(3, 3 + n)[None]


def test_training_flags_come_back_module_by_module_and_no_dropout_is_seen():
    config = transformers.BertConfig(
        **BY_NAME["bert"].small, hidden_dropout_prob=0.9, attention_probs_dropout_prob=0.9
    )
    model = transformers.BertModel(config)
    peak(model)
    model.train()
    model.encoder.layer[0].eval()
    flags = [module.training for module in model.modules()]
    seen = capture(model, {"input_ids": ids()})
    assert [module.training for module in model.modules()] == flags
    assert torch.equal(
        seen.layers[1].weights, capture(model.eval(), {"input_ids": ids()}).layers[1].weights
    )


def test_a_forward_that_raises_leaves_the_configuration_whole():
    model = build(LLAMA)

    def fail(module, args):
        raise RuntimeError("on purpose")

    handle = model.layers[1].mlp.register_forward_pre_hook(fail)
    before = model.config._attn_implementation
    with pytest.raises(RuntimeError, match="on purpose"):
        capture(model, {"input_ids": ids()})
    handle.remove()
    assert model.config._attn_implementation == before
    assert interface.ACTIVE.get() is None
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())
    assert len(capture(model, {"input_ids": ids()}).layers) == 2


def test_another_thread_meanwhile_gets_its_own_output_and_is_not_recorded():
    model = build(LLAMA)
    with torch.no_grad():
        alone = model(ids(9))[0]
    others = []

    def meanwhile(module, args):
        if threading.current_thread() is threading.main_thread():
            with torch.no_grad():
                thread = threading.Thread(target=lambda: others.append(model(ids(9))[0].detach()))
                thread.start()
                thread.join()

    handle = model.layers[1].register_forward_pre_hook(meanwhile)
    seen = capture(model, {"input_ids": ids()}, weights=True)
    handle.remove()
    assert torch.equal(others[0], alone)
    assert [layer.n_queries for layer in seen.layers] == [6, 6]


def test_two_threads_that_capture_the_same_model_both_see_it_whole():
    model = build(LLAMA)
    expected = {n: capture(model, {"input_ids": ids(n)}).attention for n in (4, 7)}
    found = {}

    def look(n):
        found[n] = [capture(model, {"input_ids": ids(n)}).attention for _ in range(5)]

    threads = [threading.Thread(target=look, args=(n,)) for n in (4, 7)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for n in (4, 7):
        assert all(np.array_equal(one, expected[n]) for one in found[n])


def test_a_family_that_compares_the_configured_name_keeps_that_name():
    class Comparing(torch.nn.Module):
        def __init__(self, config):
            super().__init__()
            self.config = config
            self.inner = build(LLAMA)
            self.inner.config = config
            for module in self.inner.modules():
                if hasattr(module, "config"):
                    module.config = config
            self.seen = []

        def forward(self, input_ids):
            self.seen.append(self.config._attn_implementation in ("eager", "sdpa"))
            return self.inner(input_ids)

    inner = build(LLAMA)
    model = Comparing(inner.config)
    plain = capture(inner, {"input_ids": ids()}, weights=True)
    compared = capture(model, {"input_ids": ids()}, weights=True)
    assert model.seen == [True]
    assert lookup._compared(Comparing.forward) == {"eager", "sdpa"}
    for a, b in zip(plain.layers, compared.layers, strict=True):
        assert torch.allclose(a.weights, b.weights, atol=1e-6)


def test_a_model_set_to_a_flash_kernel_is_read_through_the_dot_product_and_set_back():
    model = build(LLAMA)
    expected = capture(model, {"input_ids": ids()}, weights=True)
    model.config._attn_implementation_internal = (
        "flash_attention_2"  # its package need not be there
    )
    for weights in (True, False):
        seen = capture(model, {"input_ids": ids()}, weights=weights)
        assert np.allclose(seen.attention, expected.attention, atol=1e-6)
    assert model.config._attn_implementation == "flash_attention_2"


def test_a_family_that_is_made_to_compare_its_name_is_read_by_the_other_route(monkeypatch):
    for name in ("gpt_oss_sinks", "gemma2_softcap", "t5", "llama"):
        one = BY_NAME[name]
        model, inputs = build(one), feed(one)
        expected = capture(model, inputs, weights=True, item=1)
        with monkeypatch.context() as patch:
            patch.setattr(interface, "compared_names", lambda model, config: {"eager", "sdpa"})
            for weights in (True, False):
                seen = capture(model, inputs, weights=weights, item=1)
                assert len(seen.layers) == len(expected.layers)
                for a, b in zip(seen.layers, expected.layers, strict=True):
                    assert (a.name, a.kind, a.stream) == (b.name, b.kind, b.stream)
                    assert torch.allclose(a.weights_for(), b.weights, atol=1e-5), name
                    assert torch.allclose(a.recompute(a, None, None), b.weights, atol=1e-5), name
                    assert a.softcap == (None if b.softcap is None else pytest.approx(b.softcap))
                    if b.sinks is not None:
                        assert torch.allclose(a.sinks, b.sinks, atol=1e-4)


@pytest.mark.parametrize("name", ["llama", "bert", "gemma2_softcap", "t5", "gptj"])
def test_gradients_by_the_kept_weights_are_finite_differences(name):
    one = BY_NAME[name]
    model = build(one).double()
    inputs = {k: v[1:] for k, v in feed(one).items()}
    outputs = []
    handle = model.register_forward_hook(lambda module, args, output: outputs.append(output[0]))
    seen = capture(model, inputs, keep_graph=True)
    # A plain sum is constant behind a layer norm, and its gradient is rounding noise.
    read = torch.linspace(-1.0, 2.0, outputs[-1].shape[-1], dtype=torch.float64)
    scalar = (outputs[-1][0, -1] * read).sum()
    gradients = torch.autograd.grad(scalar, [layer.weights for layer in seen.layers])
    assert all(
        g.shape == layer.weights.shape for g, layer in zip(gradients, seen.layers, strict=True)
    )
    assert all(g.abs().max() > 1e-12 for g in gradients)
    handle.remove()
    # Move the last layer's weights through its values and compare with what the gradient foretells.
    layer, gradient = seen.layers[-1], gradients[-1]
    step = (
        torch.randn(
            layer.weights.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(5)
        )
        * 1e-5
    )
    moved = []

    def shift(module, args, output):
        first = output[0] if isinstance(output, tuple) else output
        added = sum(
            (step[h] @ layer.v[h * len(layer.v) // layer.n_heads]) @ layer.output_projection[h]
            for h in range(layer.n_heads)
        )
        first = first + added.reshape(first.shape)
        return (first, *output[1:]) if isinstance(output, tuple) else first

    place = layer.output_projection.data_ptr()
    projecting = next(
        (
            m
            for m in model.modules()
            if getattr(m, "weight", None) is not None and m.weight.data_ptr() == place
        ),
        None,
    )
    assert projecting is not None
    handle = projecting.register_forward_hook(shift)
    with torch.no_grad():
        moved.append((model(**inputs)[0][0, -1] * read).sum())
    handle.remove()
    foretold = (gradient * step).sum()
    assert abs((moved[0] - scalar.detach()) - foretold) < 5e-3 * abs(foretold) + 1e-9


@pytest.mark.parametrize(
    "name", ["bert", "gpt2", "llama", "t5", "vit", "gptj", "bloom", "xlnet", "openai_gpt"]
)
def test_the_output_projection_of_each_layer_is_a_matrix_of_the_model(name):
    one = BY_NAME[name]
    model = build(one)
    matrices = [p for p in model.parameters() if p.ndim in (2, 3)]
    for layer in capture(model, feed(one), item=1).layers:
        assert layer.output_projection.shape[:2] == (layer.n_heads, layer.v.shape[-1])
        flat = layer.output_projection.flatten(0, 1)
        shapes = [p.permute(1, 2, 0).flatten(0, 1) if p.ndim == 3 else p for p in matrices]
        assert any(
            (p.shape == flat.shape and torch.equal(p, flat))
            or (p.T.shape == flat.shape and torch.equal(p.T, flat))
            for p in shapes
        )


def test_weights_are_kept_while_they_fit_and_recomputed_beyond(monkeypatch):
    from attn_widget.recording.tracing import recorder

    model = build(LLAMA)
    kept = capture(model, {"input_ids": ids()})
    assert all(layer.weights is not None for layer in kept.layers)
    monkeypatch.setattr(recorder, "WEIGHTS_BUDGET_BYTES", 100)
    light = capture(model, {"input_ids": ids()})
    assert all(layer.weights is None for layer in light.layers)
    assert np.allclose(light.attention, kept.attention, atol=1e-6)
    assert capture(model, {"input_ids": ids()}, weights=True).layers[0].weights is not None


@pytest.mark.parametrize("name", ["bert", "llama", "gemma2_softcap", "falcon"])
def test_a_model_in_bfloat16_is_read_in_its_own_rounding(name):
    one = BY_NAME[name]
    model = build(one).to(torch.bfloat16)
    seen = capture(model, feed(one), weights=True, item=1)
    assert seen.dtype == "bfloat16"
    for layer in seen.layers:
        assert layer.weights.dtype == torch.bfloat16
        assert layer.row_tolerance == 2e-2
        sums = layer.weights.float().sum(-1)
        assert (sums - 1).abs().max() < 2e-2
        assert (
            layer.recompute(layer, None, None).float() - layer.weights.float()
        ).abs().max() < 2e-2
    assert seen.attention.dtype == np.float32


@pytest.mark.parametrize(
    "name", ["gpt_oss_sinks", "gemma2_softcap", "t5", "llama", "mistral_window"]
)
def test_blocks_of_rows_add_up_to_the_whole(monkeypatch, name):
    from attn_widget.recording import softmax as recompute

    one = BY_NAME[name]
    model, inputs = build(one), feed(one)
    whole = capture(model, inputs, weights=True, item=1)
    calls = []
    family = family_call.FamilyCall
    run_rows = family.run_rows
    monkeypatch.setattr(
        family,
        "run_rows",
        lambda *given, **more: calls.append(given[-1]) or run_rows(*given, **more),
    )
    monkeypatch.setattr(family_call, "BLOCK_BYTES", 2 * 4 * 11 * 4 * 3)
    monkeypatch.setattr(recompute, "BLOCK_ROWS", 3)
    light = capture(model, inputs, weights=False, item=1)
    if (
        name == "gpt_oss_sinks"
    ):  # this one has no fused kernel: its own code ran, on blocks of 3 rows
        assert {(part.start, part.stop) for part in calls} >= {(0, 3), (3, 6), (6, 9), (9, 12)}
    for a, b in zip(light.layers, whole.layers, strict=True):
        assert torch.allclose(a.weights_for(), b.weights, atol=1e-6)
        some = [a.n_queries - 1, 2, 4]
        assert torch.allclose(a.weights_for([1], some), b.weights[[1]][:, some], atol=1e-6)


def test_where_a_familys_two_paths_disagree_the_one_that_runs_by_default_is_shown(monkeypatch):
    from transformers.models.llama import modeling_llama

    model = build(LLAMA)
    expected = capture(model, {"input_ids": ids()}, weights=True)
    eager = modeling_llama.eager_attention_forward

    def other(module, query, key, value, mask, scaling, **more):
        return eager(module, query, key, value, mask, scaling=scaling / 3, **more)

    monkeypatch.setattr(modeling_llama, "eager_attention_forward", other)
    for options in ({"weights": True}, {"weights": False}, {"keep_graph": True}):
        seen = capture(model, {"input_ids": ids()}, **options)
        for a, b in zip(seen.layers, expected.layers, strict=True):
            assert torch.allclose(a.weights_for().detach(), b.weights, atol=1e-6)


def test_layers_that_share_a_mask_keep_it_once():
    one = BY_NAME["mistral_window"]
    light = capture(build(one), feed(one), weights=False, item=1)
    assert light.layers[0].mask is not None
    assert light.layers[0].mask is light.layers[1].mask


def test_memory_of_a_light_capture_grows_with_tokens_not_with_their_square():
    model = build(LLAMA)

    def held(n):
        seen = capture(model, {"input_ids": torch.full((1, n), 5)}, weights=False)
        return sum(t.numel() for layer in seen.layers for t in (layer.q, layer.k, layer.v)), [
            layer.mask for layer in seen.layers
        ]

    small, masks = held(20)
    assert held(40)[0] == 2 * small
    assert masks == [None, None]


@pytest.mark.parametrize(
    ("inputs", "options", "words"),
    [
        (
            "The keys",
            {},
            "inputs must be what the model is called with, got a text. Use ModelRunner",
        ),
        ({}, {}, "inputs must hold at least one tensor, got dict."),
        (
            {"input_ids": [[1, 2]]},
            {},
            "inputs must hold at least one tensor, got dict. Use return_tensors='pt'.",
        ),
        (
            {"input_ids": ids()},
            {"item": 1},
            "item must be 0 to 0, got 1. Choose an item of the batch that exists.",
        ),
        (
            {"input_ids": ids()},
            {"weights": "all"},
            "weights must be True, False or \"auto\", got 'all'.",
        ),
        (
            {"input_ids": ids()},
            {"tokens": list("abc")},
            "tokens must be as many as the model saw positions, got 3 for 6. Give 6 tokens",
        ),
        (
            {"input_ids": ids()},
            {"tokens": "abc"},
            "tokens must be one label per position, got the text 'abc'.",
        ),
        (
            {"input_ids": ids().expand(2, -1)},
            {"keep_graph": True},
            "inputs must hold one item with keep_graph, got 2.",
        ),
    ],
)
def test_inputs_that_cannot_be_run_are_refused_with_what_to_do(inputs, options, words):
    with pytest.raises(InputError) as error:
        capture(build(LLAMA), inputs, **options)
    assert str(error.value).startswith(words)


def test_what_is_no_module_is_refused():
    with pytest.raises(
        InputError, match=r"model must be a torch.nn.Module, got str\. Load the model first\."
    ):
        capture("bert", {"input_ids": ids()})


def test_own_labels_stand_along_the_axes():
    seen = capture(build(LLAMA), {"input_ids": ids(4)}, tokens=["ALA", "GLY", "SER", "TRP"])
    assert seen.tokens.text == ("ALA", "GLY", "SER", "TRP")


def test_a_layer_that_cannot_be_read_is_named_and_not_filled_in():
    class Chunked(torch.nn.Module):
        def forward(self, x):
            scores = (x @ x.mT).unfold(1, 2, 2).transpose(1, 2)
            return scores.softmax(-1).amax(-1)

    class Both(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.plain = torch.nn.MultiheadAttention(6, 2, batch_first=True)
            self.chunked = Chunked()

        def forward(self, x):
            return self.chunked(self.plain(x, x, x)[0])

    seen = capture(Both(), {"x": torch.randn(1, 4, 6)})
    assert seen.missing == ("chunked",)
    assert [layer.name for layer in seen.layers] == ["plain"]
