"""`ModelRunner`: loaded once, run often, and firm about what it cannot run."""

from __future__ import annotations

import copy
import pickle
import threading
from typing import Protocol

import numpy as np
import pytest
import torch
import transformers

from attn_widget import records
from attn_widget.errors import InputError
from attn_widget.recording.capture import capture
from attn_widget.recording.model_runner import ModelRunner
from attn_widget.records import protocols
from tests.models import MINILM, annalog, minilm, rxnmapper
from tests.recording.families import TEXT, VIT, peak

TEXT_ = "The keys to the cabinet are on the table."


@pytest.fixture
def runner():
    return ModelRunner(*minilm())


def test_a_runner_fits_every_protocol_that_other_packages_ask_for(runner):
    every = [p for p in vars(protocols).values() if getattr(p, "_is_protocol", False)]
    for protocol in every:
        if protocol is not Protocol:
            assert isinstance(runner, protocol), protocol.__name__
    assert not isinstance(object(), records.Runner)


def test_a_name_loads_model_and_tokenizer():
    runner = ModelRunner(MINILM)
    assert runner.name == MINILM
    seen = runner.run(TEXT_)
    assert seen.model_name == MINILM
    assert seen.attention.shape == (6, 12, 12, 12)
    assert seen.tokens.source == (TEXT_,)


def test_a_pair_of_texts_has_two_segments(runner):
    seen = runner.run("The keys.", "A table")
    assert seen.tokens.segments == (0, 0, 0, 0, 0, 1, 1, 1)


def test_every_call_runs_the_model_as_it_is_now():
    model, tokenizer = rxnmapper()
    runner = ModelRunner(copy.deepcopy(model), tokenizer)
    first = runner.run("CCO>>CC=O")
    assert runner.run("CCO>>CC=O") is not first
    for parameter in runner.model.parameters():
        parameter.data[:] = 0  # seen by no version counter and no hook
    flat = runner.run("CCO>>CC=O").attention
    assert np.allclose(flat, 1 / flat.shape[-1], atol=1e-6)
    assert not np.allclose(first.attention, flat, atol=1e-2)


def test_the_former_memory_is_taken_with_a_warning_and_ignored():
    with pytest.warns(DeprecationWarning, match="remember_bytes= is ignored"):
        ModelRunner(*rxnmapper(), remember_bytes=0)


def test_former_names_of_arguments_are_taken_with_a_warning():
    config = transformers.GPT2Config(n_layer=1, n_head=2, n_embd=8, vocab_size=50)
    runner = ModelRunner(transformers.GPT2LMHeadModel(config).eval())
    with pytest.warns(DeprecationWarning, match="of= is now called output="):
        old = runner.gradients([5, 6, 7], of=9)
    new = runner.gradients([5, 6, 7], output=9)
    assert torch.equal(old.layers[0].gradient, new.layers[0].gradient)
    with pytest.warns(DeprecationWarning, match="how= is now called mode="):
        old = dict(runner.ablate([5, 6, 7], how="mean"))
    for heads, prediction in runner.ablate([5, 6, 7], mode="mean"):
        np.testing.assert_array_equal(old[heads].logits, prediction.logits)
    with pytest.raises(InputError, match="output must be given once, got of too"):
        runner.blank_out([5, 6, 7], of=1, output=1)


@pytest.fixture
def hooked():
    """A runner whose model was called with output_attentions, as many tutorials do."""
    model, tokenizer = rxnmapper()
    runner = ModelRunner(copy.deepcopy(model), tokenizer)
    ids = torch.tensor([[12, 5, 6, 13]])
    runner.model(ids, output_attentions=True)
    return runner


def test_a_runner_can_be_sent_after_the_model_gave_output_attentions(hooked):
    hooks = [list(module._forward_hooks) for module in hooked.model.modules()]
    expected = hooked.run([12, 5, 6, 13]).attention
    sent = pickle.loads(pickle.dumps(hooked))
    np.testing.assert_array_equal(sent.run([12, 5, 6, 13]).attention, expected)
    assert [list(module._forward_hooks) for module in hooked.model.modules()] == hooks
    # Where transformers installs hooks, it does so again in the other process.
    ids = torch.tensor([[12, 5, 6, 13]])
    ours, theirs = (r.model(ids, output_hidden_states=True).hidden_states for r in (sent, hooked))
    assert len(ours) == len(theirs) == 13
    assert all(map(torch.equal, ours, theirs))


def test_a_users_hook_is_sent_along(hooked):
    hooked.model.pooler.register_forward_hook(double)
    sent = pickle.loads(pickle.dumps(hooked))
    ids = torch.tensor([[12, 5, 6, 13]])
    assert torch.equal(sent.model(ids).pooler_output, hooked.model(ids).pooler_output)


def double(module, args, output):
    return output * 2


def test_two_threads_may_share_a_runner(runner):
    found = {}
    texts = [f"{TEXT_} {i}" for i in range(4)]

    def look(text):
        found[text] = runner.run(text)

    threads = [threading.Thread(target=look, args=(text,)) for text in texts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for text in texts:
        assert found[text].tokens.source == (text,)
        alone = ModelRunner(*minilm()).run(text)
        assert np.array_equal(found[text].attention, alone.attention)


def test_a_model_in_training_mode_is_run_in_eval_mode_and_put_back(runner):
    expected = runner.run(TEXT_).attention
    model = runner.model.train()
    model.encoder.layer[2].eval()
    flags = [module.training for module in model.modules()]
    try:
        assert np.array_equal(ModelRunner(*minilm()).run(TEXT_).attention, expected)
        assert [module.training for module in model.modules()] == flags
    finally:
        model.eval()


@pytest.mark.parametrize("text", ["", "  \n"])
def test_an_empty_text_is_refused(runner, text):
    with pytest.raises(
        InputError, match=r"text must hold at least one character, got .*Write something\."
    ):
        runner.run(text)
    with pytest.raises(InputError, match=r"pair must hold at least one character, got"):
        runner.run(TEXT_, text)


def test_a_text_longer_than_the_positions_is_refused_and_truncated_only_when_asked(runner):
    text = "key " * 600
    with pytest.raises(InputError) as error:
        runner.run(text)
    assert str(error.value) == (
        "text must have at most 512 tokens for this model's positions, got 602. "
        "Shorten it, or pass truncate=True to keep the first 512 tokens."
    )
    seen = runner.run(text, truncate=True, weights=False)
    assert len(seen.tokens) == 512
    assert seen.tokens.text[-1] == "[SEP]"


def test_positions_behind_a_padding_row_are_counted_right():
    from attn_widget.recording.inputs.encode import positions_of

    roberta = transformers.RobertaModel(
        transformers.RobertaConfig(**TEXT | {"max_position_embeddings": 34})
    )
    assert positions_of(roberta) == 32
    t5 = transformers.T5Model(
        transformers.T5Config(vocab_size=9, d_model=8, d_kv=4, d_ff=8, num_layers=1, num_heads=2)
    )
    assert positions_of(t5) is None
    assert positions_of(torch.nn.Linear(2, 2)) is None


def test_a_tokenizer_of_another_model_is_refused():
    small = transformers.BertModel(transformers.BertConfig(**TEXT))
    with pytest.raises(InputError) as error:
        ModelRunner(small, minilm()[1]).run("keys")
    assert str(error.value) == (
        "tokenizer must fit the model, got id 6309 ('keys') where the model's embedding has "
        "99 rows. Use the tokenizer that this model was trained with."
    )


def test_a_text_without_a_tokenizer_is_refused():
    with pytest.raises(
        InputError, match=r"tokenizer must be given to run a text, got None\."
    ) as error:
        ModelRunner(minilm()[0]).run(TEXT_)
    assert error.value.code == "aw.ModelRunner(model, tokenizer)"


def test_what_is_no_model_is_refused():
    with pytest.raises(
        InputError, match=r"model must be a torch.nn.Module or the name of one, got int\."
    ):
        ModelRunner(3)


def test_what_is_no_input_is_refused(runner):
    with pytest.raises(InputError, match=r"text must be a text, words, ids, a picture.*got float"):
        runner.run(0.5)


def test_words_and_ids_and_own_labels_are_taken():
    runner = ModelRunner(*minilm())
    words = runner.run(["keys", "cabinets"])
    assert words.tokens.words[1:-1] == (0, 1)
    ids = runner.run([101, 6309, 102], tokens=["start", "KEY", "end"])
    assert ids.tokens.text == ("start", "KEY", "end")
    assert runner.run([101, 6309, 102]).tokens.text == ("[CLS]", "keys", "[SEP]")
    with pytest.raises(InputError, match="ids must have at most 512 tokens"):
        runner.run([101] * 513)
    with pytest.raises(InputError, match="got id 40000 where the model's embedding has 30522 rows"):
        runner.run([40000])


def test_a_tensor_without_a_name_is_told_by_its_place():
    model, tokenizer = minilm()
    ids = tokenizer(["The keys."] * 2, return_tensors="pt")["input_ids"]
    named, plain = (
        capture(model, x, tokenizer=tokenizer, item=1) for x in ({"input_ids": ids}, ids)
    )
    assert plain.tokens.text == named.tokens.text == ("[CLS]", "the", "keys", ".", "[SEP]")
    np.testing.assert_array_equal(plain.attention, named.attention)
    with pytest.raises(InputError, match=r"item must be 0 to 1, got 2"):
        capture(model, ids, item=2)
    seen = []
    handle = model.register_forward_pre_hook(lambda m, args: seen.append(len(args)))
    capture(model, ids)
    handle.remove()
    assert seen == [1]  # and is passed as it was given
    decoder = ModelRunner(*annalog())
    ids = decoder.tokenizer("CC(=O)O", return_tensors="pt")["input_ids"]
    np.testing.assert_array_equal(
        decoder.run(ids, target="CO").attention, decoder.run("CC(=O)O", target="CO").attention
    )


def test_a_model_in_bfloat16_works():
    model, tokenizer = rxnmapper()
    model = copy.deepcopy(model).to(torch.bfloat16)
    seen = ModelRunner(model, tokenizer).run("CCO>>CC=O")
    assert seen.dtype == "bfloat16"
    full = ModelRunner(*rxnmapper()).run("CCO>>CC=O")
    assert np.abs(seen.attention - full.attention).max() < 0.15


def test_inputs_follow_the_model_to_its_device(runner):
    class Moved(torch.nn.Module):
        """A model on the meta device cannot run, but shows where its inputs were put."""

        def __init__(self):
            super().__init__()
            self.weight = torch.nn.Parameter(torch.zeros(2, device="meta", dtype=torch.bfloat16))

        def forward(self, x, ids):
            self.places = (x.device.type, x.dtype, ids.device.type, ids.dtype)

    model = Moved()
    with pytest.raises(Exception, match="got none in Moved"):
        ModelRunner(model).run({"x": torch.zeros(1, 3), "ids": torch.zeros(1, 3, dtype=torch.long)})
    assert model.places == ("meta", torch.bfloat16, "meta", torch.int64)


def test_an_encoder_decoder_reads_a_target_or_writes_one():
    runner = ModelRunner(*annalog())
    written = runner.run("CC(=O)Oc1ccccc1C(=O)O")
    assert written.streams["decoder"].text[0] == "<sos>"
    assert len(written.streams["decoder"]) > 5
    given = runner.run("CC(=O)Oc1ccccc1C(=O)O", target="CC(=O)N")
    assert given.streams["decoder"].text == ("<sos>", *"CC(=O)N", "<eos>")
    assert {group: layers[0].weights_for().shape for group, layers in given.groups.items()} == {
        "encoder": (8, 23, 23),
        "decoder": (8, 9, 9),
        "cross": (8, 9, 23),
    }
    ids = runner.run("CCO", target=[2, 5, 5])
    assert ids.streams["decoder"].ids == (2, 5, 5)


def test_a_decoder_that_wrote_is_shown_over_all_it_read_and_wrote():
    _, tokenizer = minilm()
    config = transformers.LlamaConfig(**TEXT | {"vocab_size": len(tokenizer), "eos_token_id": None})
    model = transformers.LlamaForCausalLM(config).eval()
    peak(model)
    seen = ModelRunner(model, tokenizer).generate("The keys", max_new_tokens=5)
    assert seen.tokens.segments == (0,) * 4 + (1,) * 5
    assert seen.tokens.text[:3] == ("[CLS]", "the", "keys")
    assert seen.layers[0].n_queries == 9
    # Each written token is the one that was chosen at the step of the row before it.
    assert [step.id for step in seen.steps[:-1]] == list(seen.tokens.ids[4:])


def test_a_picture_is_cut_into_patches_and_shown_as_the_model_saw_it():
    processor = (
        getattr(transformers, "ViTImageProcessorPil", None) or transformers.ViTImageProcessor
    )
    reader = processor(size={"height": 16, "width": 16}, image_mean=[0.5] * 3, image_std=[0.25] * 3)
    picture = np.zeros((32, 48, 3), np.uint8)
    picture[:, 24:] = (200, 100, 0)
    runner = ModelRunner(transformers.ViTModel(transformers.ViTConfig(**VIT)), reader)
    seen = runner.run(picture)
    assert seen.tokens.grid == (4, 4)
    assert seen.image.shape == (16, 16, 3)
    assert seen.image.dtype == np.uint8
    assert np.abs(seen.image[8, 14].astype(int) - (200, 100, 0)).max() <= 1
    with pytest.raises(InputError, match="tokenizer must be an image processor to run a picture"):
        ModelRunner(*minilm()).run(picture)


def test_a_sound_at_another_rate_is_refused_with_how_to_resample():
    reader = transformers.Wav2Vec2FeatureExtractor(sampling_rate=16000)
    from tests.recording.families import FAMILIES, build

    model = build(next(one for one in FAMILIES if one.name == "wav2vec2"))
    seen = ModelRunner(model, reader).run(np.sin(np.arange(800.0)), sampling_rate=16000)
    assert seen.tokens.seconds == pytest.approx(0.05 / len(seen.tokens))
    with pytest.raises(
        InputError, match=r"sampling_rate must be 16000 Hz for this model, got 8000"
    ) as error:
        ModelRunner(model, reader).run(np.zeros(800), sampling_rate=8000)
    assert error.value.code == "scipy.signal.resample_poly(samples, 16000, 8000)"
    with pytest.raises(InputError, match="text must be one axis of samples"):
        ModelRunner(model, reader).run(np.zeros((2, 800)), sampling_rate=16000)
    with pytest.raises(InputError, match="tokenizer must be a feature extractor to run a sound"):
        ModelRunner(*minilm()).run(np.zeros(800), sampling_rate=16000)
