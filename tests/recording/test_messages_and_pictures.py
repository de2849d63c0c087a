"""What a person gives beside a text: messages, pictures, targets of models that cannot write."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import transformers
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import WhitespaceSplit

from attn_widget.api import explore
from attn_widget.errors import InputError
from attn_widget.recording.model_runner import ModelRunner
from tests.recording.families import SEQ, TEXT, VIT
from tests.recording.test_arguments import PICTURE, refused

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
