"""Arguments of `ModelRunner.run` and `explore` are used, or refused with what would be."""

from __future__ import annotations

import numpy as np
import pandas
import pytest
import torch

from attn_widget.api import explore
from attn_widget.errors import InputError
from attn_widget.recording.model_runner import ModelRunner
from tests.models import annalog, minilm

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
