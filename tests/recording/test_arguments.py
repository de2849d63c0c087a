"""Arguments of `ModelRunner.run` and `explore` are used, or refused with what would be."""

from __future__ import annotations

import numpy as np
import pandas
import pytest
import torch
import transformers
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import WhitespaceSplit

from attn_widget.api import explore
from attn_widget.errors import InputError
from attn_widget.recording.model_runner import ModelRunner
from tests.models import annalog, minilm
from tests.recording.families import SEQ, TEXT, VIT

TWO = ["A cat sat.", "A dog ran fast."]
PICTURE = np.random.default_rng(0).integers(0, 255, (16, 24, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def runner():
    return ModelRunner(*minilm())


def refused(function, words, code=None):
    with pytest.raises(InputError) as error:
        function()
    assert str(error.value).startswith(words), str(error.value)
    assert code is None or error.value.code == code


def test_a_list_of_texts_gives_a_list_of_captures_and_words_give_one(runner):
    captures = runner.run(TWO)
    assert [c.tokens.source for c in captures] == [(text,) for text in TWO]
    for text, capture in zip(TWO, captures, strict=True):
        np.testing.assert_array_equal(capture.attention, runner.run(text).attention)
    assert runner.run(["A", "cat", "sat."]).tokens.words == (None, 0, 1, 2, 2, None)
    assert [len(c.tokens) for c in runner.run(pandas.Series(TWO))] == [6, 7]
    assert len(runner.run(TWO[:1])) == 1


def test_a_list_of_ids_or_of_words_gives_a_list_of_captures(runner):
    ids = runner.tokenizer(TWO)["input_ids"]
    assert [c.tokens.ids for c in runner.run(ids)] == [tuple(one) for one in ids]
    assert [len(c.tokens) for c in runner.run([["a", "cat"], ["dog"]])] == [4, 3]


@pytest.mark.filterwarnings("ignore:the tokenizer does not know")
@pytest.mark.parametrize(
    "texts", [["Hello.", "A dog ran."], ["Stop!", "Go!"], ["他来了。", "我走。"]]
)
def test_strings_that_could_be_words_or_texts_are_refused_with_both_lines(runner, texts):
    line = 'runner.run(" ".join(texts))  # or: [runner.run(text) for text in texts]'
    refused(lambda: runner.run(texts), "text must be words without white space, or texts", line)
    first, second = line.split("  # or: ")
    scope = {"runner": runner, "texts": texts}
    assert eval(first, scope).tokens.source == (" ".join(texts),)
    assert len(eval(second, scope)) == 2


def test_what_runs_one_text_refuses_a_list(runner):
    for function in (runner.gradients, runner.generate, lambda t: list(runner.ablate(t))):
        with pytest.raises(
            InputError, match=r"text must be one text, got a list of 2|must be able"
        ):
            function(TWO)
    refused(lambda: explore(runner, text=TWO), "text must be one text, got a list of 2.")
    refused(lambda: runner.run(TWO, "A bird."), "pair must be left out beside a list of texts")
    refused(lambda: runner.run(tuple(TWO)), "text must be one text or a list, got a tuple")


def test_arguments_that_would_not_be_used_are_refused(runner):
    ids = runner.tokenizer("a cat", return_tensors="pt")
    for given in (["A", "cat"], [101, 102], dict(ids), ids):
        refused(lambda given=given: runner.run(given, "A dog"), "pair must be left out beside")
    for given in (["A", "cat"], [101, 102], ids):
        refused(lambda given=given: runner.run(given, images=PICTURE), "images must be left out")
    refused(lambda: runner.run("a", sampling_rate=16000), "sampling_rate must be left out beside a")
    refused(lambda: runner.run(ids, truncate=True), "truncate must be left out beside a mapping")
    refused(
        lambda: runner.run("a", images=PICTURE),
        "images must be left out for a tokenizer that reads no pictures",
    )
    refused(
        lambda: runner.run("a", max_new_tokens=3),
        "max_new_tokens must be left out for a model without a decoder that reads ids, got 3.",
        "runner.generate(text, max_new_tokens=3)",
    )


@pytest.mark.parametrize("target", ["b", 1])
def test_a_target_of_a_model_without_decoder_is_refused_and_output_named(runner, target):
    words = "target must be left out for a model without a decoder that reads ids, got"
    line = f"runner.gradients(text, output={target!r})"
    refused(lambda: runner.run("a", target=target), words, line)
    refused(lambda: runner.gradients("a", target=target), words, line)


def test_a_decoder_takes_a_text_or_ids_and_no_class():
    runner = ModelRunner(*annalog())
    refused(
        lambda: runner.run("CCO", target=3),
        "target must be a text or ids that the decoder reads, got 3.",
        "runner.gradients(text, output=3)",
    )
    refused(
        lambda: runner.run("CCO", target="CO", max_new_tokens=4),
        "max_new_tokens must be left out beside a target",
    )
    given = {"input_ids": torch.tensor([[2, 5, 3]]), "decoder_input_ids": torch.tensor([[2, 5]])}
    refused(lambda: runner.run(given, target="CO"), "target must be left out beside decoder_input")
    assert len(runner.run("CCO", max_new_tokens=2).streams["decoder"]) == 3
    with pytest.raises(InputError, match="max_new_tokens must be 1 or more, got 0"):
        runner.run("CCO", max_new_tokens=0)


def test_running_an_encoding_leaves_it_as_it_was():
    runner = ModelRunner(*annalog())
    encoding = runner.tokenizer("CCO", return_tensors="pt")
    before = set(encoding)
    runner.run(encoding, target="CO")
    assert set(encoding) == before


def test_a_misspelt_argument_is_refused_with_the_nearest_one(runner):
    with pytest.raises(
        InputError, match=r"^arguments of run must be .* got 'tagret'\. Use 'target'"
    ):
        runner.run("a", tagret="b")
    with pytest.raises(InputError, match=r"got 'tokns'\. Use 'tokens'\."):
        runner.run("a", tokns="b")
    with pytest.raises(InputError, match=r"^arguments of explore .* got 'veiw'\. Use 'view'\."):
        explore(runner, text="a", veiw="matrix")
    with pytest.raises(InputError, match=r"got 'tagret'\. Use 'target'\."):
        explore(runner, text="a", tagret="b")


def test_tokens_of_a_stream_that_does_not_exist_are_refused(runner):
    with pytest.raises(InputError, match=r"tokens must be of the model's streams '', got 'no such"):
        runner.run("a", tokens={"no such stream": ["a"]})
    two = ModelRunner(*annalog())
    with pytest.raises(InputError, match=r"got 'decodr'\. Use 'decoder'\."):
        two.run("CCO", target="CO", tokens={"decodr": list("abcd")})
    seen = two.run("CCO", target="CO", tokens={"decoder": list("abcd")})
    assert seen.streams["decoder"].text == tuple("abcd")


def test_explore_passes_the_arguments_of_run():
    w = explore(*annalog(), "CCO", target="CO", layer=1)
    assert w.capture.streams["decoder"].text == ("<sos>", "C", "O", "<eos>")
    assert w.layer == 1
    refused(
        lambda: explore(*minilm(), "a", target=1),
        "target must be left out for a model without a decoder",
    )


def test_ids_are_cut_where_that_is_asked(runner):
    assert len(runner.run([101] * 600, truncate=True, weights=False).tokens) == 512
    with pytest.raises(InputError, match="got id -1 where the model's embedding has 30522 rows"):
        runner.run([-1])


def test_ids_on_one_axis_are_taken_from_any_library(runner):
    encoding = runner.tokenizer("the keys", return_tensors="pt")
    expected = runner.run("the keys")
    one_axis = encoding["input_ids"][0]
    for ids in (one_axis, one_axis.numpy(), pandas.Series(one_axis.tolist()), one_axis.int()):
        seen = runner.run(ids)
        assert seen.tokens.text == expected.tokens.text
        np.testing.assert_array_equal(seen.attention, expected.attention)
    refused(
        lambda: runner.run(pandas.DataFrame({"text": TWO})),
        "text must be one column, got a table of ['text'].",
        "runner.run(table['text'])",
    )


CHAT = "{% for m in messages %}<s> {{ m.role }} {{ m.content }} {% endfor %}"
CHAT += "{% if add_generation_prompt %}<s> assistant{% endif %}"
WORDS = [
    "<pad>",
    "<s>",
    "</s>",
    "<unk>",
    "<image>",
    "user",
    "assistant",
    "hello",
    "you",
    "what",
    "is",
    "in",
    "it",
    "?",
]


def words_tokenizer(**options):
    inner = Tokenizer(WordLevel({w: i for i, w in enumerate(WORDS)}, unk_token="<unk>"))
    inner.pre_tokenizer = WhitespaceSplit()
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=inner, unk_token="<unk>", pad_token="<pad>", bos_token="<s>",
        eos_token="</s>", additional_special_tokens=["<image>"],
        model_input_names=["input_ids", "attention_mask"], **options,
    )  # fmt: skip


def test_messages_are_read_by_the_chat_template_in_run_generate_and_explore():
    config = transformers.LlamaConfig(**TEXT | {"eos_token_id": None})
    model = transformers.LlamaForCausalLM(config).eval()
    tokenizer = words_tokenizer(chat_template=CHAT)
    runner = ModelRunner(model, tokenizer)
    messages = [{"role": "user", "content": "hello you"}]
    assert runner.run(messages).tokens.text == ("<s>", "user", "hello", "you")
    assert explore(runner, text=messages).capture.tokens.text == ("<s>", "user", "hello", "you")
    written = runner.generate(messages, max_new_tokens=1)
    assert written.tokens.text[:6] == ("<s>", "user", "hello", "you", "<s>", "assistant")
    assert len(written.tokens) == 7
    with pytest.raises(InputError, match=r"tokenizer must have a chat template to read messages"):
        ModelRunner(model, words_tokenizer()).run(messages)


def vision_processor():
    kind = getattr(transformers, "CLIPImageProcessorPil", None) or transformers.CLIPImageProcessor
    return kind(size={"shortest_edge": 16}, crop_size={"height": 16, "width": 16})


def test_channels_may_stand_first_and_colours_may_be_floats():
    model = transformers.ViTModel(transformers.ViTConfig(**VIT)).eval()
    runner = ModelRunner(model, vision_processor())
    expected = runner.run(PICTURE)
    assert expected.tokens.grid == (4, 4)
    first = np.ascontiguousarray(PICTURE.transpose(2, 0, 1))
    for picture in (first, torch.tensor(first), torch.tensor(first) / 255, PICTURE / 255):
        seen = runner.run(picture)
        np.testing.assert_array_equal(seen.image, expected.image)
        np.testing.assert_array_equal(seen.attention, expected.attention)
    assert len(runner.run([PICTURE, first])) == 2
    refused(lambda: runner.run(torch.randn(3, 16, 16)), "text must hold colours of 0 to 255, or of")
    refused(lambda: runner.run(PICTURE[:3]), "text must have one axis of colours, got shape (3,")


def test_a_picture_beside_a_text_is_joined_to_it_by_the_processor():
    config = transformers.LlavaConfig(
        vision_config=transformers.CLIPVisionConfig(**VIT | {"num_hidden_layers": 3}),
        text_config=transformers.LlamaConfig(**TEXT),
        image_token_index=4,
    )
    model = transformers.LlavaForConditionalGeneration(config).eval()
    processor = transformers.LlavaProcessor(
        image_processor=vision_processor(), tokenizer=words_tokenizer(), patch_size=4,
        vision_feature_select_strategy="default", num_additional_image_tokens=1,
    )  # fmt: skip
    runner = ModelRunner(model, processor)
    text = "user <image> what is in it ?"
    inputs = processor(text=text, images=PICTURE, return_tensors="pt")
    expected = runner.run(inputs)
    for seen in (
        runner.run(text, images=PICTURE),
        explore(model, processor, text, images=PICTURE).capture,
    ):
        for ours, theirs in zip(seen.layers, expected.layers, strict=True):
            assert torch.equal(ours.weights_for(), theirs.weights_for())
        assert seen.image.shape == (16, 16, 3)
        assert seen.streams["text"].text[:3] == ("user", "<image>", "<image>")
        assert seen.streams["vision"].grid == (4, 4)
    refused(
        lambda: runner.run("what is in it ?", images=PICTURE),
        "text must hold '<image>' once for each picture, got 0 for 1.",
        "runner.run('<image>' + text, images=images)",
    )
    refused(
        lambda: ModelRunner(model.model.language_model, processor).run(text, images=PICTURE),
        "images must be left out for a model that takes no pictures",
    )


def test_an_encoder_decoder_that_cannot_write_reads_what_its_forward_makes():
    runner = ModelRunner(
        transformers.BartModel(transformers.BartConfig(**SEQ)).eval(), words_tokenizer()
    )
    seen = runner.run("hello you what")
    ids = runner.tokenizer("hello you what")["input_ids"]
    # BART shifts the text by one and begins with its start token.
    assert seen.streams["decoder"].ids == (1, *ids[:-1])
    assert seen.streams["encoder"].ids == tuple(ids)
    given = runner.run("hello you what", target=[1, *ids[:-1]])
    for ours, theirs in zip(seen.layers, given.layers, strict=True):
        assert torch.equal(ours.weights_for(), theirs.weights_for())
    refused(
        lambda: runner.run("hello you", max_new_tokens=3),
        "max_new_tokens must be left out for a model that cannot write",
    )


def test_heads_of_an_encoder_decoder_and_its_encoder_alone_are_run():
    small = transformers.BartConfig(**SEQ)
    classifier = transformers.BartForSequenceClassification(small).eval()
    seen = ModelRunner(classifier, words_tokenizer()).run("hello you </s>")
    assert list(seen.groups) == ["encoder", "decoder", "cross"]
    encoder = ModelRunner(transformers.BartModel(small).eval().get_encoder(), words_tokenizer())
    assert list(encoder.run("hello you </s>").groups) == ["self"]
    refused(lambda: encoder.run("hello", target="you"), "target must be left out for a model")


def test_a_decoder_without_any_input_asks_for_a_target():
    small = dict(vocab_size=99, d_model=8, d_kv=4, d_ff=8, num_layers=1, num_heads=2)
    runner = ModelRunner(
        transformers.T5Model(transformers.T5Config(**small, decoder_start_token_id=0)).eval(),
        words_tokenizer(),
    )
    refused(
        lambda: runner.run("hello you"),
        "target must be given for a model that cannot write one and whose forward makes none",
        "runner.run(text, target=target)",
    )
    assert runner.run("hello you", target="what").streams["decoder"].text == ("<pad>", "what")


def test_a_tokenizer_that_knows_little_of_the_text_is_named():
    model = transformers.BertModel(transformers.BertConfig(**TEXT)).eval()
    with pytest.warns(UserWarning, match=r"does not know most of this text: 2 of 3 tokens are <un"):
        ModelRunner(model, words_tokenizer()).run("a cat hello")
