"""A model that was changed in any way is read as it is now: by every function, at every call."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
import transformers
from torch import nn

from attn_widget.recording.model_runner import ModelRunner
from tests.recording.families import GPT, GROUPED
from tests.recording.test_generate import writer

IDS = [5, 6, 7, 8, 9]
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning")


def weight_data(model):
    model.model.layers[0].self_attn.q_proj.weight.data.mul_(4.0)


def numpy_edit(model):
    model.model.layers[0].self_attn.k_proj.weight.detach().numpy()[:] *= 4.0


def buffer(model):
    model.model.rotary_emb.inv_freq.data.mul_(0.1)


def attribute(model):
    model.model.layers[1].self_attn.scaling = 3.0


def patched_forward(model):
    norm = model.model.layers[0].input_layernorm
    norm.forward = lambda hidden: hidden * norm.weight * 2.0


def replaced_module(model):
    model.model.layers[1].mlp = nn.Identity()


CHANGES = [weight_data, numpy_edit, buffer, attribute, patched_forward, replaced_module]


def maps_by_transformers(model, ids):
    """The maps that the library's own eager code gives, and the logits."""
    model.set_attn_implementation("eager")
    with torch.no_grad():
        out = model(torch.tensor([ids]), output_attentions=True)
    model.set_attn_implementation("sdpa")
    return [one[0].numpy() for one in out.attentions], out.logits[0].numpy()


def assert_read_now(runner, model, before) -> None:
    """Every function gives what the changed model gives, and not what was before."""
    maps, logits = maps_by_transformers(model, IDS)
    seen = runner.run(IDS)
    for layer, expected in zip(seen.layers, maps, strict=True):
        np.testing.assert_allclose(layer.weights_for(), expected, atol=5e-6)
    assert np.abs(np.asarray(before.logits) - logits).max() > 1e-3
    np.testing.assert_allclose(seen.logits, logits, atol=1e-4)
    np.testing.assert_allclose(
        next(runner.run_many([IDS])).layers[-1].weights_for(), maps[-1], atol=5e-6
    )
    gradients = runner.gradients(IDS, output=3)
    np.testing.assert_allclose(gradients.layers[-1].weights_for(), maps[-1], atol=5e-6)
    predicted = dict(runner.ablate(IDS, [[(0, 0)], [(1, 1)]]))
    np.testing.assert_allclose(predicted[()].logits, logits[-1], atol=1e-4)
    fresh = dict(ModelRunner(copy.deepcopy(model)).ablate(IDS, [[(0, 0)], [(1, 1)]]))
    for heads, one in fresh.items():
        np.testing.assert_allclose(predicted[heads].logits, one.logits, atol=1e-4)
    written = runner.generate(IDS, max_new_tokens=3)
    maps, logits = maps_by_transformers(model, list(written.tokens.ids))
    for layer, expected in zip(written.layers, maps, strict=True):
        np.testing.assert_allclose(layer.weights_for(), expected, atol=5e-6)
    assert [step.id for step in written.steps] == logits[4:].argmax(-1).tolist()


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_a_change_is_seen_by_the_next_call(change):
    model = writer("Llama", GROUPED)
    runner = ModelRunner(model)
    before = runner.run(IDS)
    dict(runner.ablate(IDS, [[(0, 0)], [(1, 1)]]))
    change(model)
    assert_read_now(runner, model, before)


class TestAdapters:
    @pytest.fixture
    def model(self):
        peft = pytest.importorskip("peft")
        config = peft.LoraConfig(
            task_type="CAUSAL_LM", target_modules=["c_attn"], fan_in_fan_out=True
        )
        model = peft.get_peft_model(writer("GPT2", GPT), config)
        model.add_adapter("other", config)
        torch.manual_seed(1)
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                nn.init.normal_(parameter, std=0.5)
        return model.eval()

    def test_an_adapter_that_is_off_chosen_or_scaled_is_seen_by_the_next_call(self, model):
        runner = ModelRunner(model)
        before = runner.run(IDS)
        with model.disable_adapter():
            plain = runner.run(IDS)
            bare, _ = maps_by_transformers(writer("GPT2", GPT), IDS)
            for layer, expected in zip(plain.layers, bare, strict=True):
                np.testing.assert_allclose(layer.weights_for(), expected, atol=5e-6)
            assert_read_now(runner, model.base_model.model, before)
        model.set_adapter("other")
        assert_read_now(runner, model.base_model.model, before)
        model.set_adapter("default")
        np.testing.assert_array_equal(runner.run(IDS).attention, before.attention)
        for module in model.modules():
            if hasattr(module, "scaling") and isinstance(module.scaling, dict):
                module.scaling["default"] *= 3.0
        assert_read_now(runner, model.base_model.model, before)

    def test_a_merged_adapter_gives_the_same_maps(self, model):
        before = ModelRunner(model).run(IDS)
        merged = model.merge_and_unload()
        assert isinstance(merged, transformers.GPT2LMHeadModel)
        for a, b in zip(ModelRunner(merged).run(IDS).layers, before.layers, strict=True):
            np.testing.assert_allclose(a.weights_for(), b.weights_for(), atol=5e-6)
