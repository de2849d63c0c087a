"""What a model returns is read the same in every form; gradients pass frozen models too."""

from __future__ import annotations

import collections
import dataclasses
import types
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from torch import nn

from attn_widget.errors import InputError
from attn_widget.recording.model_runner import ModelRunner
from tests.recording.families import GROUPED, TEXT, peak

IDS = [5, 6, 7, 8, 9, 10]
Pair = collections.namedtuple("Pair", "logits loss")


@dataclasses.dataclass
class Returned:
    logits: torch.Tensor
    loss: Any = None


FORMS = {
    "attribute": lambda logits: types.SimpleNamespace(logits=logits),
    "dataclass": Returned,
    "mapping": lambda logits: {"logits": logits},
    "tuple": lambda logits: (logits, None),
    "named tuple": lambda logits: Pair(logits, None),
    "loss first": lambda logits: (logits.sum() * 0, logits),
    "list": lambda logits: [logits],
    "tensor": lambda logits: logits,
}


class Writer(nn.Module):
    """A causal model whose logits are returned in one of the forms."""

    def __init__(self, form: str) -> None:
        super().__init__()
        torch.manual_seed(0)
        config = transformers.LlamaConfig(**GROUPED)
        self.inner = transformers.LlamaForCausalLM(config)
        peak(self, 0.2)
        self.form = form

    def forward(self, input_ids):
        return FORMS[self.form](self.inner(input_ids).logits)


class Classifier(nn.Module):
    """An encoder with three classes, returned in one of the forms."""

    def __init__(self, form: str) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.inner = transformers.BertModel(transformers.BertConfig(**TEXT))
        self.head = nn.Linear(TEXT["hidden_size"], 3)
        peak(self, 0.2)
        self.form = form

    def forward(self, input_ids):
        return FORMS[self.form](self.head(self.inner(input_ids).last_hidden_state[:, 0]))


@pytest.mark.parametrize("cls", [Writer, Classifier])
@pytest.mark.parametrize("form", FORMS)
def test_logits_are_found_in_every_form(cls, form):
    runner = ModelRunner(cls(form).eval())
    plain = ModelRunner(cls("attribute").eval())
    ids = torch.tensor([IDS])
    expected = plain.model(ids).logits[0]
    seen = runner.run(ids)
    assert seen.answers
    torch.testing.assert_close(seen.logits, expected)
    for output in (None, 2):
        ours, theirs = (r.gradients(ids, output=output) for r in (runner, plain))
        for a, b in zip(ours.layers, theirs.layers, strict=True):
            torch.testing.assert_close(a.gradient, b.gradient)
    named = {"input_ids": ids}
    found, right = (dict(r.ablate(named, [[(1, 1)]])) for r in (runner, plain))
    for heads, prediction in found.items():
        np.testing.assert_allclose(prediction.logits, right[heads].logits, atol=1e-5)
    np.testing.assert_allclose(
        runner.blank_out(named, blank=0), plain.blank_out(named, blank=0), atol=1e-6
    )
    np.testing.assert_allclose(
        runner.input_gradients(named), plain.input_gradients(named), rtol=1e-5
    )


@pytest.mark.parametrize("form", FORMS)
def test_a_function_of_the_output_is_taken_of_each_item_alone(form):
    def score(returned):
        while not isinstance(returned, torch.Tensor):
            parts = [returned.logits] if hasattr(returned, "logits") else returned
            parts = parts.values() if isinstance(parts, dict) else parts
            returned = max((p for p in parts if p is not None), key=torch.Tensor.dim)
        assert len(returned) == 1
        return returned[0, -1, 7]

    named = {"input_ids": torch.tensor([IDS])}
    found = dict(ModelRunner(Writer(form).eval()).ablate(named, output=score))
    right = dict(ModelRunner(Writer("attribute").eval()).ablate(named, output=7))
    for heads, prediction in found.items():
        assert prediction.score == pytest.approx(float(right[heads].logits[7]), abs=1e-5)


class Encoder(nn.Module):
    """Returns hidden states only, in one of the forms."""

    def __init__(self, form) -> None:
        super().__init__()
        self.inner = transformers.BertModel(transformers.BertConfig(**TEXT))
        self.form = form

    def forward(self, input_ids):
        return self.form(self.inner(input_ids).last_hidden_state)


@dataclasses.dataclass
class States:
    ids: torch.Tensor
    states: torch.Tensor


@pytest.mark.parametrize(
    "form",
    [
        lambda states: states,
        lambda states: (states.long(), states),
        lambda states: {"ids": states.long(), "states": states},
        lambda states: States(states.long(), states),
        lambda states: transformers.modeling_outputs.BaseModelOutput(last_hidden_state=states),
    ],
    ids=["tensor", "tuple", "mapping", "dataclass", "transformers"],
)
def test_hidden_states_are_no_logits_and_the_line_that_is_advised_works(form):
    runner = ModelRunner(Encoder(form).eval())
    ids = torch.tensor([IDS])
    seen = runner.run(ids)
    assert (seen.logits, seen.answers) == (None, False)
    with pytest.raises(InputError, match="output must be a function of what the model") as error:
        runner.gradients(ids, output=1)
    seen = eval(f"runner.gradients(ids, {error.value.code})", {"runner": runner, "ids": ids})
    assert any(layer.gradient.abs().max() > 0 for layer in seen.layers)


class TestGradients:
    """Of a model that trains, and of the same one frozen, quantised, or where gradients are off."""

    @pytest.fixture
    def model(self):
        torch.manual_seed(0)
        config = transformers.BertConfig(**TEXT, num_labels=3)
        model = transformers.BertForSequenceClassification(config).eval()
        peak(model, 0.2)
        return model

    def assert_right(self, runner, right, by_input):
        ours = runner.gradients(IDS, output=1)
        for a, b in zip(ours.layers, right.layers, strict=True):
            torch.testing.assert_close(a.gradient, b.gradient, atol=1e-6, rtol=0)
            assert not a.gradient.requires_grad
        np.testing.assert_allclose(runner.input_gradients(IDS, output=1), by_input, atol=1e-6)

    @pytest.mark.parametrize("frozen", ["all", "first layer", "none"])
    @pytest.mark.parametrize("around", [torch.enable_grad, torch.no_grad, torch.inference_mode])
    def test_a_frozen_model_gives_the_gradients_of_the_one_that_trains(self, model, frozen, around):
        runner = ModelRunner(model)
        right, by_input = runner.gradients(IDS, output=1), runner.input_gradients(IDS, output=1)
        assert all(layer.gradient.abs().max() > 1e-4 for layer in right.layers)
        part = {"all": model, "first layer": model.bert.encoder.layer[0], "none": nn.Module()}
        part[frozen].requires_grad_(False)
        before = [p.requires_grad for p in model.parameters()]
        with around():
            self.assert_right(runner, right, by_input)
        assert [p.requires_grad for p in model.parameters()] == before
        assert all(p.grad is None for p in model.parameters())

    def test_a_model_that_was_loaded_in_inference_mode_too(self, model):
        runner = ModelRunner(model)
        right, by_input = runner.gradients(IDS, output=1), runner.input_gradients(IDS, output=1)
        with torch.inference_mode():
            other = transformers.BertForSequenceClassification(model.config).eval()
            other.load_state_dict(model.state_dict())
            ids = torch.tensor([IDS])
        before = [id(p) for p in other.parameters()]
        self.assert_right(ModelRunner(other), right, by_input)
        assert [id(p) for p in other.parameters()] == before
        seen = ModelRunner(other).gradients({"input_ids": ids}, output=1)
        torch.testing.assert_close(seen.layers[0].gradient, right.layers[0].gradient)

    def test_weights_of_whole_numbers_that_let_gradients_pass_are_no_obstacle(self, model):
        class Rounded(nn.Module):
            """A linear layer whose weights are stored as whole numbers and a scale."""

            def __init__(self, linear):
                super().__init__()
                self.scale = float(linear.weight.detach().abs().max()) / 127
                whole = (linear.weight.detach() / self.scale).round().to(torch.int8)
                self.weight = nn.Parameter(whole, requires_grad=False)
                self.bias = nn.Parameter(linear.bias.detach(), requires_grad=False)

            def forward(self, x):
                return nn.functional.linear(x, self.weight.to(x.dtype) * self.scale, self.bias)

        def restored(rounded):
            linear = nn.Linear(*reversed(rounded.weight.shape))
            linear.weight.data = rounded.weight.to(torch.float32) * rounded.scale
            linear.bias.data = rounded.bias.detach().clone()
            return linear

        for layer in model.bert.encoder.layer:
            layer.output.dense = Rounded(layer.output.dense)
            layer.attention.self.query = Rounded(layer.attention.self.query)
        model.requires_grad_(False)
        found = ModelRunner(model).gradients(IDS, output=1)
        for layer in model.bert.encoder.layer:
            layer.output.dense = restored(layer.output.dense)
            layer.attention.self.query = restored(layer.attention.self.query)
        right = ModelRunner(model.requires_grad_(True)).gradients(IDS, output=1)
        for a, b in zip(found.layers, right.layers, strict=True):
            torch.testing.assert_close(a.gradient, b.gradient, atol=1e-6, rtol=0)

    @pytest.mark.filterwarnings("ignore")
    @pytest.mark.parametrize("which", ["all", "one"])
    def test_a_layer_that_takes_no_gradients_is_refused_by_name(self, model, which):
        if which == "all":
            model = torch.ao.quantization.quantize_dynamic(model, {nn.Linear}, dtype=torch.qint8)
        else:
            last = model.bert.encoder.layer[-1]
            last.output = torch.ao.quantization.quantize_dynamic(
                last.output, {nn.Linear}, dtype=torch.qint8
            )
        runner = ModelRunner(model)
        assert len(runner.run(IDS).layers) == 2
        with pytest.raises(InputError, match=r"gradients pass every layer, got \w+ at \S+,"):
            runner.gradients(IDS, output=1)
