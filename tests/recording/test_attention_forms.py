"""`from_arrays`: the forms in which people have attention, each read as what it is."""

from __future__ import annotations

import numpy as np
import pandas
import pytest
import torch
import transformers

from attn_widget.errors import InputError
from attn_widget.recording.from_arrays import from_arrays
from attn_widget.recording.model_runner import ModelRunner
from attn_widget.widget.widget import AttentionWidget
from tests.models import minilm
from tests.recording.families import GPT, SEQ


def shares(*shape):
    weights = np.random.default_rng(0).random(shape) + 0.1
    return weights / weights.sum(-1, keepdims=True)


def refused(attention, words, **options):
    with pytest.raises(InputError) as error:
        from_arrays(attention, **options)
    assert str(error.value).startswith(words), str(error.value)
    return error.value.code


PROMPT = torch.tensor([[5, 6, 7, 8]])
WRITE = dict(
    max_new_tokens=4, min_new_tokens=4, do_sample=False, output_attentions=True,
    return_dict_in_generate=True,
)  # fmt: skip


@pytest.fixture(scope="module")
def decoder():
    config = transformers.GPT2Config(**GPT, eos_token_id=None, pad_token_id=0, bos_token_id=1)
    torch.manual_seed(0)
    model = transformers.GPT2LMHeadModel(config).eval()
    model.set_attn_implementation("eager")
    return model


@pytest.fixture(scope="module")
def encoder_decoder():
    torch.manual_seed(0)
    model = transformers.BartForConditionalGeneration(transformers.BartConfig(**SEQ)).eval()
    model.set_attn_implementation("eager")
    return model


@pytest.mark.parametrize("options", [{}, {"use_cache": False}, {"cache_implementation": "static"}])
def test_the_steps_of_generate_are_the_rows_of_one_pass_over_the_text(decoder, options):
    written = decoder.generate(PROMPT, **WRITE, **options)
    whole = decoder(written.sequences[:, :-1], output_attentions=True).attentions
    for given in (written, written.attentions):
        seen = from_arrays(given, written.sequences)
        assert seen.attention.shape == (2, 3, 7, 7)
        for ours, theirs in zip(seen.attention, whole, strict=True):
            assert np.abs(ours - theirs[0].detach().numpy()).max() < 1e-6
        # The last token that was written has no row.
        assert seen.tokens.text == tuple(str(i) for i in written.sequences[0, :-1].tolist())


def test_steps_equal_what_a_runner_records(decoder):
    written = decoder.generate(PROMPT, **WRITE)
    recorded = ModelRunner(decoder).generate(PROMPT[0], max_new_tokens=3)
    assert np.abs(from_arrays(written).attention - recorded.attention).max() < 1e-6


def test_steps_of_an_encoder_decoder_have_rows_for_what_it_wrote(encoder_decoder):
    source = torch.tensor([[5, 6, 7, 8, 9]])
    written = encoder_decoder.generate(source, num_beams=1, **WRITE)
    read = written.sequences[:, :-1]
    whole = encoder_decoder(source, decoder_input_ids=read, output_attentions=True)
    cross = from_arrays(written.cross_attentions, written.sequences[0], key_tokens=source)
    own = from_arrays(written.decoder_attentions)
    for seen, theirs in ((cross, whole.cross_attentions), (own, whole.decoder_attentions)):
        for layer, weights in zip(seen.attention, theirs, strict=True):
            assert np.abs(layer - weights[0].detach().numpy()).max() < 1e-6
    assert [t.text for t in cross.axes()] == [
        tuple(map(str, read[0].tolist())), ("5", "6", "7", "8", "9"),
    ]  # fmt: skip
    words = "attention must be of one kind, got a GenerateEncoderDecoderOutput that holds"
    assert "output.cross_attentions" in refused(written, words)


def test_beams_and_batches_are_refused_with_both_lines(encoder_decoder):
    written = encoder_decoder.generate(PROMPT, num_beams=3, **WRITE)
    code = refused(written.cross_attentions, "attention must be of one sequence, got 3 (beams, or")
    first, second = code.split("\n    # or: ")
    assert first.startswith("model.generate(**inputs, num_beams=1,")
    batch = encoder_decoder.generate(PROMPT.repeat(2, 1), num_beams=1, **WRITE).decoder_attentions
    seen = from_arrays(eval(second, {"attentions": batch, "item": 1}))
    alone = encoder_decoder.generate(PROMPT, num_beams=1, **WRITE).decoder_attentions
    assert np.abs(seen.attention - from_arrays(alone).attention).max() < 1e-6


def test_steps_with_rows_missing_are_refused():
    def step(queries, keys):
        return (torch.full((1, 2, queries, keys), 1 / keys),)

    refused((step(2, 5), step(1, 6)), "attention must begin with the whole prompt, got 2 queries")
    refused((step(3, 3), step(2, 5)), "attention must have one query more at each step, got 2")
    refused((step(3, 3), ()), "attention must be")
    refused(((None,), (None,)), "attention must hold an array per step and layer, got None at step")


def test_one_layer_one_matrix_and_a_batch_axis_of_one_are_taken():
    square = shares(3, 2, 5, 5)
    assert from_arrays(square[1]).attention.shape == (1, 2, 5, 5)
    np.testing.assert_array_equal(from_arrays(square[1]).attention[0], square[1])
    np.testing.assert_array_equal(from_arrays(square[1, 0]).attention, square[1, :1][None])
    np.testing.assert_array_equal(from_arrays([square[1, 0]]).attention, square[1, :1][None])
    np.testing.assert_array_equal(from_arrays(square[1, 0].tolist()).attention[0, 0], square[1, 0])
    np.testing.assert_array_equal(from_arrays(square[:, None]).attention, square)
    np.testing.assert_array_equal(from_arrays(torch.tensor(square[:, None])).attention, square)
    heads = [[square[i, h] for h in range(2)] for i in range(3)]
    np.testing.assert_array_equal(from_arrays(heads).attention, square)


def test_what_could_be_read_in_two_ways_is_refused_with_both_lines():
    batch = shares(2, 4, 7)  # (batch, head, key), or (head, query, key)
    for given in (batch, [batch]):
        code = refused(
            given, "attention must have axes that can be told apart, got shape (2, 4, 7)"
        )
        first, second = code.split("\n    # or: ")
        scope = {"attention": batch, "item": 1, "labels": list("abcdefg")}
        scope["aw"] = type("aw", (), {"from_arrays": staticmethod(from_arrays)})
        assert eval(first, scope).attention.shape == (1, 2, 4, 7)
        assert eval(second, scope).attention.shape == (1, 4, 1, 7)
    assert from_arrays([batch], list("abcd")).attention.shape == (1, 2, 4, 7)
    matrices = [shares(5, 5), shares(5, 5)]
    assert "# layers" in refused(matrices, "attention must be (head, query, key) in every layer")
    code = refused(
        shares(1, 3, 2, 5, 5), "attention must be of one item, got shape (1, 3, 2, 5, 5)"
    )
    assert code == "aw.from_arrays(attention[:, item])\n    # or: aw.from_arrays(attention[0])"


def test_weights_per_word_are_one_row():
    code = refused([0.9, 0.1], "attention must have 2 to 5 axes, got shape (2,).")
    assert code == 'aw.from_arrays([weights], ["query"], key_tokens=labels)'
    seen = from_arrays([[0.9, 0.1]], ["query"], key_tokens=["a", "b"])
    assert seen.attention.tolist() == [[[[0.9, 0.1]]]]


def test_a_cache_of_activations_gives_its_attention_in_the_order_of_its_layers():
    cache = {f"blocks.{i}.attn.hook_pattern": shares(1, 2, 4, 4) + 0 * i for i in (10, 2)}
    cache["blocks.10.attn.hook_pattern"] = np.eye(4)[None, None].repeat(2, 1)
    cache |= {f"blocks.{i}.attn.hook_q": np.random.randn(1, 4, 2, 8) for i in (2, 10)}
    cache |= {f"blocks.{i}.ln1.hook_scale": np.full((1, 4, 1), 0.7) for i in (2, 10)}
    seen = from_arrays(cache)
    np.testing.assert_array_equal(seen.attention[0], cache["blocks.2.attn.hook_pattern"][0])
    np.testing.assert_array_equal(seen.attention[1], np.eye(4)[None].repeat(2, 0))
    cache["other.attn"] = shares(1, 2, 4, 4)
    refused(
        cache, "attention must be a mapping that holds one kind of attention, got blocks.#.attn"
    )
    refused({"a": np.ones(3)}, "attention must be a mapping that holds attention, in rows that sum")


def test_a_models_output_gives_its_attention_or_the_line_that_works(decoder):
    returned = decoder(PROMPT, output_attentions=True)
    expected = [layer[0].detach().numpy() for layer in returned.attentions]
    np.testing.assert_array_equal(from_arrays(returned).attention, expected)
    words = "attention must be weights, got a CausalLMOutputWithCrossAttentions that holds none."
    assert refused(decoder(PROMPT), words) == "aw.capture(model, inputs)"


def test_masked_cells_are_no_numbers():
    cells = np.full((1, 1, 2, 2), 0.85)
    masked = np.ma.masked_array(cells, mask=[[[[0, 1], [0, 0]]]])
    words = (
        "attention must hold a number in every cell, got a masked cell at layer 0, head 0, query"
    )
    assert refused(masked, words) == "aw.from_arrays(attention.filled(0))"
    refused([masked[0]], words)
    whole = np.ma.masked_array(np.full((2, 2), 0.5))
    assert from_arrays(whole).attention.tolist() == [[[[0.5, 0.5], [0.5, 0.5]]]]
    half = np.ma.masked_array(cells, mask=[[[[0, 1], [1, 0]]]])
    assert from_arrays(half.filled(0)).attention[0, 0].tolist() == [[0.85, 0], [0, 0.85]]


def test_a_table_brings_its_labels():
    table = pandas.DataFrame([[0.5, 0.5, 0], [0.2, 0.8, 0]], ["a", "b"], ["x", "y", "z"])
    seen = from_arrays(table)
    assert [tokens.text for tokens in seen.axes()] == [("a", "b"), ("x", "y", "z")]
    assert seen.attention.tolist() == [[[[0.5, 0.5, 0], [0.2, 0.8, 0]]]]
    square = from_arrays(pandas.DataFrame([[0.5, 0.5], [0.2, 0.8]]))
    assert square.tokens.text == ("0", "1")
    assert square.layers[0].kind == "self"


def test_ids_and_pieces_are_readable_with_a_tokenizer():
    _, tokenizer = minilm()
    ids = tokenizer("The keybearer's door", return_tensors="pt")["input_ids"]
    expected = tokenizer("The keybearer's door", return_tensors="pt")
    weights = np.full((1, 1, ids.shape[1], ids.shape[1]), 1 / ids.shape[1])
    pieces = tokenizer.convert_ids_to_tokens(ids[0])
    for given in (ids, ids[0], ids[0].tolist(), list(ids[0]), pieces, expected):
        tokens = from_arrays(weights, given, tokenizer=tokenizer).tokens
        assert tokens.text == ("[CLS]", "the", "key", "be", "are", "r", "'", "s", "door", "[SEP]")
        assert tokens.words == (None, 0, 1, 1, 1, 1, 2, 3, 4, None)
        assert tokens.special == (True, *(False,) * 8, True)
        assert tokens.ids == tuple(ids[0].tolist())


def test_ids_without_a_tokenizer_give_their_numbers():
    weights = np.full((1, 1, 3, 3), 1 / 3)
    ids = torch.tensor([101, 7, 102])
    for given in (ids, ids[None], list(ids), ids.numpy(), list(ids.numpy())):
        assert from_arrays(weights, given).tokens.text == ("101", "7", "102")
    assert from_arrays(weights, ["[CLS]", "em", "##bed"]).tokens.text == ("[CLS]", "em", "##bed")


def test_a_widget_of_bare_attention_names_the_line_that_makes_a_capture():
    with pytest.raises(InputError, match=r"^capture must be a Capture, got tuple\.") as error:
        AttentionWidget((torch.full((1, 1, 2, 2), 0.5),))
    assert error.value.code == "aw.AttentionWidget(aw.from_arrays(attention, tokens))"
