"""Generation through wrappers and loops of the model's own: the module called per step is found."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import transformers
from torch import nn

from attn_widget.errors import InputError
from attn_widget.recording.model_runner import ModelRunner
from tests.recording.families import GPT, GROUPED, TEXT, peak
from tests.recording.test_generate import writer

PROMPT = [5, 6, 7, 8]
NEW = 5
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning")


def assert_same(seen, expected, atol=2e-6) -> None:
    """Two texts that were written have the same rows, tokens and probabilities."""
    assert seen.tokens.ids == expected.tokens.ids
    assert len(seen.layers) == len(expected.layers)
    for ours, theirs in zip(seen.layers, expected.layers, strict=True):
        np.testing.assert_allclose(ours.weights_for(), theirs.weights_for(), atol=atol)
    assert [step.id for step in seen.steps] == [step.id for step in expected.steps]
    ours, theirs = ([s.probability for s in one.steps] for one in (seen, expected))
    assert ours == pytest.approx(theirs, abs=1e-5)


class Passing(nn.Module):
    """A wrapper that passes everything on."""

    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def forward(self, *args, **kwargs):
        return self.inner(*args, **kwargs)


class WithGenerate(Passing):
    def generate(self, **kwargs):
        return self.inner.generate(**kwargs)


class NamesIds(Passing):
    def generate(self, input_ids, generation_config=None):
        return self.inner.generate(input_ids, generation_config=generation_config)


class ReturnsText(Passing):
    def generate(self, **kwargs):
        return [str(one) for one in self.inner.generate(**kwargs).tolist()]


class Twice(Passing):
    def __init__(self, inner):
        super().__init__(WithGenerate(inner))

    def generate(self, **kwargs):
        return self.inner.generate(**kwargs)


@pytest.mark.parametrize("wrapper", [Passing, WithGenerate, NamesIds, ReturnsText, Twice])
def test_a_wrapper_gives_what_the_model_inside_gives(wrapper):
    inner = writer("Llama", GROUPED)
    expected = ModelRunner(inner).generate(PROMPT, max_new_tokens=NEW)
    assert_same(ModelRunner(wrapper(inner)).generate(PROMPT, max_new_tokens=NEW), expected)


class TestPeft:
    @pytest.fixture
    def peft(self):
        return pytest.importorskip("peft")

    def gpt(self):
        return writer("GPT2", GPT)

    def test_lora_gives_what_the_adapted_model_inside_gives(self, peft):
        config = peft.LoraConfig(
            task_type="CAUSAL_LM", target_modules=["c_attn"], fan_in_fan_out=True
        )
        model = peft.get_peft_model(self.gpt(), config).eval()
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                nn.init.normal_(parameter)
        seen = ModelRunner(model).generate(PROMPT, max_new_tokens=NEW)
        assert_same(seen, ModelRunner(model.base_model.model).generate(PROMPT, max_new_tokens=NEW))
        with model.disable_adapter():
            off = ModelRunner(model).generate(PROMPT, max_new_tokens=NEW)
        assert_same(off, ModelRunner(self.gpt()).generate(PROMPT, max_new_tokens=NEW))
        ours, theirs = (one.layers[0].weights_for([0], [3]) for one in (seen, off))
        assert np.abs(np.asarray(ours - theirs)).max() > 1e-3

    def test_prompt_tuning_has_rows_of_its_learned_positions_too(self, peft):
        config = peft.PromptTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=3)
        model = peft.get_peft_model(self.gpt(), config).eval()
        seen = ModelRunner(model).generate(PROMPT, max_new_tokens=NEW)
        assert len(seen.tokens) == 3 + len(PROMPT) + NEW
        assert seen.tokens.text[:7] == ("0", "1", "2", "5", "6", "7", "8")
        assert seen.tokens.ids is None
        assert seen.tokens.segments == (0,) * 7 + (1,) * NEW
        written = [step.id for step in seen.steps[:-1]]
        ids = torch.tensor([PROMPT + written])
        with torch.no_grad():
            learned = model.get_prompt(1)
            table = model.base_model.get_input_embeddings()
            vectors = torch.cat([learned, table(ids)], 1)
            model.base_model.set_attn_implementation("eager")
            whole = model.base_model(inputs_embeds=vectors, output_attentions=True)
        for layer, expected in zip(seen.layers, whole.attentions, strict=True):
            np.testing.assert_allclose(layer.weights_for(), expected[0], atol=2e-6)
        shares = whole.logits[0].softmax(-1)
        for step in seen.steps:
            assert step.probability == pytest.approx(float(shares[step.position].max()), abs=1e-5)

    def test_a_learned_prefix_of_keys_is_refused_with_the_reason(self, peft):
        config = peft.PrefixTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=3)
        model = peft.get_peft_model(self.gpt(), config).eval()
        with pytest.raises(InputError, match=r"attend to the text alone, got 3 keys from before"):
            ModelRunner(model).generate(PROMPT, max_new_tokens=NEW)


class OwnLoop(nn.Module):
    """A model in the manner of teaching code: it writes with a loop of its own and no cache."""

    window = 32

    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def forward(self, idx, targets=None):
        return self.inner(idx, use_cache=False).logits, None

    @torch.no_grad()
    def generate(self, idx, max_new_tokens, temperature=1.0, top_k=None):
        for _ in range(max_new_tokens):
            logits, _ = self(idx[:, -self.window :])
            row = logits[:, -1] / temperature
            if top_k is not None:
                least = row.topk(min(top_k, row.shape[-1])).values[:, -1:]
                row = row.masked_fill(row < least, -torch.inf)
            idx = torch.cat([idx, torch.multinomial(row.softmax(-1), 1)], 1)
        return idx


class LastRowOnly(OwnLoop):
    def forward(self, idx, targets=None):
        return self.inner(idx, use_cache=False).logits[:, -1:], None


class CallsParts(OwnLoop):
    """Its loop calls forward without the module's call, so that no step can be told apart."""

    @torch.no_grad()
    def generate(self, idx, max_new_tokens):
        for _ in range(max_new_tokens):
            hidden = self.inner.model(idx, use_cache=False).last_hidden_state
            idx = torch.cat([idx, self.inner.lm_head(hidden)[:, -1].argmax(-1)[None]], 1)
        return idx


class TestOwnLoop:
    @pytest.mark.parametrize("cls", [OwnLoop, LastRowOnly])
    @pytest.mark.parametrize("weights", [True, False])
    def test_rows_and_steps_are_those_of_a_model_with_a_cache(self, cls, weights):
        inner = writer("Llama", GROUPED)
        expected = ModelRunner(inner).generate(PROMPT, max_new_tokens=NEW)
        seen = ModelRunner(cls(inner)).generate(PROMPT, max_new_tokens=NEW, weights=weights)
        assert_same(seen, expected)

    def test_what_was_drawn_at_random_is_what_the_steps_say(self):
        torch.manual_seed(0)
        model = OwnLoop(writer("Llama", GROUPED))
        seen = ModelRunner(model).generate(PROMPT, max_new_tokens=NEW, top_k=None, temperature=3.0)
        assert [step.id for step in seen.steps[:-1]] == list(seen.tokens.ids[4:])
        with torch.no_grad():
            shares = model(torch.tensor([seen.tokens.ids]))[0][0].softmax(-1)
        for step in seen.steps:
            expected = float(shares[step.position, step.id])
            assert step.probability == pytest.approx(expected, abs=1e-6)

    def test_a_text_beyond_its_window_is_refused(self):
        model = OwnLoop(writer("Llama", GROUPED))
        model.window = 6
        with pytest.raises(InputError, match=r"fit into what the model reads at once, .* 6 tokens"):
            ModelRunner(model).generate(PROMPT, max_new_tokens=NEW)

    def test_an_argument_that_its_loop_does_not_take_is_refused(self):
        model = OwnLoop(writer("Llama", GROUPED))
        with pytest.raises(InputError, match=r"got 'num_beams'\. Choose from idx, max_new_tokens"):
            ModelRunner(model).generate(PROMPT, num_beams=2)

    def test_a_loop_that_calls_parts_of_the_model_is_refused(self):
        model = CallsParts(writer("Llama", GROUPED))
        with pytest.raises(InputError, match="call one module with the text so far"):
            ModelRunner(model).generate(PROMPT, max_new_tokens=NEW)


class Captioner(nn.Module):
    """Reads a picture into vectors, which its language model writes after."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.eye = nn.Sequential(nn.Flatten(2), nn.Linear(16, GROUPED["hidden_size"]))
        self.language_model = writer("Llama", GROUPED)

    def forward(self, pixel_values):
        return self.language_model(inputs_embeds=self.eye(pixel_values))

    def generate(self, pixel_values, **options):
        vectors = self.eye(pixel_values)
        return self.language_model.generate(inputs_embeds=vectors, **options)


def test_a_captioning_model_is_followed_inside_its_language_model():
    model = Captioner().eval()
    picture = torch.randn(1, 3, 4, 4)
    seen = ModelRunner(model).generate({"pixel_values": picture}, max_new_tokens=NEW)
    with torch.no_grad():
        written = model.generate(picture, max_new_tokens=NEW + 1, do_sample=False)[0].tolist()
    assert [step.id for step in seen.steps] == written
    assert seen.tokens.text[:3] == ("0", "1", "2")
    with torch.no_grad():
        table = model.language_model.get_input_embeddings()
        vectors = torch.cat([model.eye(picture), table(torch.tensor([written[:-1]]))], 1)
        model.language_model.set_attn_implementation("eager")
        whole = model.language_model(inputs_embeds=vectors, output_attentions=True)
    for layer, expected in zip(seen.layers, whole.attentions, strict=True):
        np.testing.assert_allclose(layer.weights_for(), expected[0], atol=2e-6)


def test_a_list_of_prompts_gives_a_list_of_captures():
    runner = ModelRunner(writer("Llama", GROUPED))
    found = runner.generate([PROMPT, PROMPT[:2]], max_new_tokens=NEW, top=2)
    for one, prompt in zip(found, (PROMPT, PROMPT[:2]), strict=True):
        assert_same(one, runner.generate(prompt, max_new_tokens=NEW))
        assert len(one.steps[0].top) == 2


def test_what_cannot_write_is_refused_before_any_work():
    bert = transformers.BertModel(transformers.BertConfig(**TEXT))
    peak(bert)
    for model in (bert, Passing(bert)):
        with pytest.raises(InputError, match=r"model must be able to write, got \w+\. Load it"):
            ModelRunner(model).generate(PROMPT)
