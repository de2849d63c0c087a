"""A text recorded while it is generated: its rows equal one pass over the final text."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import transformers

from attn_widget.errors import Cancelled, InputError
from attn_widget.recording.model_runner import ModelRunner
from tests import models
from tests.recording.families import GPT, GROUPED, SEQ, T5, TEXT, VOCAB, peak

PROMPT = [5, 6, 7, 8, 9]
NEW = 7
WINDOW = dict(head_dim=8, sliding_window=4)
# How attention is found and kept differs: routed, grouped, windows, caps, sinks, position biases,
# no cache at all.
WRITERS = {
    "Llama": GROUPED,
    "GPT2": GPT,
    "Mistral": GROUPED | WINDOW,
    "Gemma2": GROUPED | WINDOW | dict(query_pre_attn_scalar=8, attn_logit_softcapping=2.0),
    "GptOss": GROUPED | WINDOW | dict(num_local_experts=2, num_experts_per_tok=1),
    "Bloom": dict(vocab_size=VOCAB, hidden_size=24, n_layer=2, n_head=3),
    "GPTJ": GPT | dict(rotary_dim=4),
    "Falcon": TEXT | dict(alibi=False, new_decoder_architecture=False),
    "OpenAIGPT": GPT,
}
HEADS = {"GPT2": "LMHeadModel", "OpenAIGPT": "LMHeadModel"}


def writer(name: str, small: dict, **options) -> torch.nn.Module:
    """A small model with a language head that does not stop by itself."""
    torch.manual_seed(0)
    config = getattr(transformers, name + "Config")(
        **small | {"eos_token_id": None, "pad_token_id": 0}
    )
    cls = getattr(transformers, name + HEADS.get(name, "ForCausalLM"))
    model = cls._from_config(config, **options).eval()
    peak(model, 0.15)
    return model


@pytest.mark.parametrize("weights", [True, False])
@pytest.mark.parametrize("implementation", ["sdpa", "eager"])
@pytest.mark.parametrize("name", WRITERS)
def test_rows_are_those_of_one_pass_over_the_final_text(name, implementation, weights):
    try:
        model = writer(name, WRITERS[name], attn_implementation=implementation)
    except ValueError:
        pytest.skip("this family has only its eager attention")
    runner = ModelRunner(model)
    if not weights and name in ("Mistral", "Gemma2", "GptOss"):
        with pytest.raises(
            InputError, match=r"weights must be kept where not all keys are.* Pass weights=True"
        ):
            runner.generate(PROMPT, max_new_tokens=NEW, weights=weights)
        return
    seen = runner.generate(PROMPT, max_new_tokens=NEW, weights=weights)
    with torch.no_grad():
        plain = model.generate(torch.tensor([PROMPT]), max_new_tokens=NEW, do_sample=False)
    assert seen.tokens.ids == tuple(plain[0].tolist())
    assert seen.tokens.segments == (0,) * 5 + (1,) * 7
    assert all(
        step.token == step.top[0][0] and step.probability == step.top[0][1] for step in seen.steps
    )
    whole = runner.run(list(seen.tokens.ids), weights=True)
    assert len(whole.layers) == len(seen.layers)
    for ours, theirs in zip(seen.layers, whole.layers, strict=True):
        assert (ours.n_queries, ours.n_keys) == (12, 12)
        np.testing.assert_allclose(ours.weights_for(), theirs.weights_for(), atol=2e-6)
        np.testing.assert_allclose(
            ours.weights_for([1], [3, 9]), theirs.weights_for([1], [3, 9]), atol=2e-6
        )
        assert (ours.weights is not None) or not weights


def test_steps_say_what_was_chosen_and_how_likely_it_was():
    model = writer("Llama", GROUPED)
    seen = ModelRunner(model).generate(PROMPT, max_new_tokens=NEW, top=3)
    with torch.no_grad():
        shares = model(torch.tensor([seen.tokens.ids])).logits[0].softmax(-1)
    assert [step.position for step in seen.steps] == list(range(4, 12))
    for step in seen.steps:
        row = shares[step.position]
        assert step.id == int(row.argmax())
        assert step.probability == pytest.approx(float(row.max()), abs=1e-6)
        assert [p for _, p in step.top] == pytest.approx(row.topk(3).values.tolist(), abs=1e-6)
        assert step.top[0][0] == step.token
    assert [step.id for step in seen.steps[:-1]] == list(seen.tokens.ids[5:])


def test_a_text_that_ends_by_itself_ends_where_its_last_row_is():
    model = writer("Llama", GROUPED)
    ids = ModelRunner(model).generate(PROMPT, max_new_tokens=NEW).tokens.ids
    stop = next(i for i in range(6, 12) if ids[i] not in ids[5:i])
    model.generation_config.eos_token_id = ids[stop]
    seen = ModelRunner(model).generate(PROMPT, max_new_tokens=NEW)
    assert seen.tokens.ids == ids[:stop]
    assert seen.steps[-1].id == ids[stop]


@pytest.mark.parametrize("name", ["T5", "Bart"])
def test_an_encoder_decoder_writes_with_its_decoder(name):
    small = (
        T5 | {"eos_token_id": None}
        if name == "T5"
        else SEQ | {"eos_token_id": None, "forced_eos_token_id": None}
    )
    torch.manual_seed(0)
    config = getattr(transformers, name + "Config")(**small)
    model = getattr(transformers, name + "ForConditionalGeneration")(config).eval()
    peak(model, 0.15)
    model.generation_config.eos_token_id = None
    runner = ModelRunner(model)
    seen = runner.generate(PROMPT, max_new_tokens=NEW)
    target = seen.axes("decoder")[0].ids
    assert len(target) == 8
    whole = runner.run(
        {"input_ids": torch.tensor([PROMPT]), "decoder_input_ids": torch.tensor([target])}
    )
    assert list(seen.groups) == ["encoder", "decoder", "cross"]
    for group in seen.groups:
        for ours, theirs in zip(seen.group(group), whole.group(group), strict=True):
            np.testing.assert_allclose(ours.weights_for(), theirs.weights_for(), atol=2e-6)
    assert [step.position for step in seen.steps] == list(range(8))
    best = whole.logits.argmax(-1).tolist()
    assert [step.id for step in seen.steps] == best


def test_a_trained_translator_writes_the_same_molecule():
    runner = ModelRunner(*models.annalog())
    seen = runner.generate("CC(=O)O", max_new_tokens=6)
    assert seen.axes("cross")[1].text == ("<sos>", "C", "C", "(", "=", "O", ")", "O", "<eos>")
    assert "".join(step.token for step in seen.steps[:-1]) == "".join(
        seen.axes("decoder")[0].text[1:]
    )
    assert seen.group("cross")[0].head_output(3).shape == (7, 32)


def test_options_are_passed_on_to_the_model():
    model = writer("Llama", GROUPED)
    greedy = ModelRunner(model).generate(PROMPT, max_new_tokens=NEW)
    torch.manual_seed(3)
    sampled = ModelRunner(model).generate(
        PROMPT, max_new_tokens=NEW, do_sample=True, temperature=5.0
    )
    assert sampled.tokens.ids != greedy.tokens.ids
    assert sampled.steps[0].probability <= greedy.steps[0].probability
    unlike = ModelRunner(model).generate(PROMPT, max_new_tokens=NEW, no_repeat_ngram_size=1)
    assert len(set(unlike.tokens.ids)) == 12


def test_a_prompt_of_ids_may_be_a_list_a_tensor_or_named():
    runner = ModelRunner(writer("Llama", GROUPED))
    ids = torch.tensor([PROMPT])
    texts = [
        runner.generate(p, max_new_tokens=NEW).tokens.ids
        for p in (PROMPT, ids, (ids,), {"input_ids": ids})
    ]
    assert len(texts[0]) == len(PROMPT) + NEW
    assert texts == texts[:1] * 4


def test_writing_tells_how_far_it_is_and_can_be_stopped_with_nothing_left_behind():
    model = writer("Llama", GROUPED)
    told = []

    def stop(progress):
        told.append((progress.what, progress.done, progress.total))
        if progress.done == 3:
            raise Cancelled("Enough.")

    with pytest.raises(Cancelled):
        ModelRunner(model).generate(PROMPT, max_new_tokens=NEW, progress=stop)
    assert told == [("writing", 1, 7), ("writing", 2, 7), ("writing", 3, 7)]
    assert model.config._attn_implementation == "sdpa"
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())


def test_what_cannot_be_written_is_refused_by_name():
    runner = ModelRunner(writer("Llama", GROUPED))
    with pytest.raises(InputError, match=r"max_new_tokens must be 1 or more, got 0"):
        runner.generate(PROMPT, max_new_tokens=0)
    with pytest.raises(
        InputError, match=r"options must be names of the generation config, got 'temprature'"
    ):
        runner.generate(PROMPT, temprature=1.0)
    with pytest.raises(
        InputError, match=r"num_beams must be 1: a capture follows one sequence, got 4"
    ):
        runner.generate(PROMPT, num_beams=4)
    with pytest.raises(
        InputError, match=r"prompt and max_new_tokens must have at most 64 tokens .* got 65"
    ):
        runner.generate(PROMPT, max_new_tokens=60)
    with pytest.raises(InputError, match=r"prompt must be one text to write after, got 2"):
        runner.generate({"input_ids": torch.tensor([PROMPT, PROMPT])})
    with pytest.raises(InputError, match=r"model must be able to write, got BertModel"):
        ModelRunner(transformers.BertModel(transformers.BertConfig(**TEXT))).generate(PROMPT)
