"""Tokenizers and models that people have: of any library, in any wrapper."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import torch
import transformers
from torch import nn

from attn_widget.api import explore
from attn_widget.errors import InputError
from attn_widget.recording.capture import capture
from attn_widget.recording.model_runner import ModelRunner
from tests.models import minilm
from tests.recording.families import TEXT
from tests.recording.test_arguments import refused

CHARACTERS = {c: i for i, c in enumerate("abcdefghijklmnopqrstuvwxyz ")}


class OwnGPT(nn.Module):
    """A decoder as in lectures: its ids are called ``idx``."""

    def __init__(self, n=300):
        super().__init__()
        self.wte, self.wpe = nn.Embedding(n, 16), nn.Embedding(64, 16)
        self.c_attn, self.lm_head = nn.Linear(16, 48), nn.Linear(16, n)

    def forward(self, idx, targets=None):
        b, t = idx.size()
        x = self.wte(idx) + self.wpe(torch.arange(t))
        q, k, v = (y.view(b, t, 2, 8).transpose(1, 2) for y in self.c_attn(x).split(16, 2))
        y = nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.lm_head(y.transpose(1, 2).reshape(b, t, 16)), None


@pytest.fixture(scope="module")
def gpt():
    torch.manual_seed(0)
    return OwnGPT().eval()


def encode(text):
    return [CHARACTERS[c] for c in text]


def decode(ids):
    return "".join(list(CHARACTERS)[i] for i in ids)


class Own:
    """An object with the two methods."""

    encode, decode = staticmethod(encode), staticmethod(decode)


@pytest.mark.parametrize(
    "tokenizer",
    [
        CHARACTERS,
        {i: c for c, i in CHARACTERS.items()},
        (CHARACTERS, {i: c for c, i in CHARACTERS.items()}),
        (encode, decode),
        Own(),
        (lambda text: torch.tensor([encode(text)]), decode),
    ],
    ids=["table", "inverse table", "two tables", "two functions", "object", "tensors"],
)
def test_ids_of_any_tokenizer_go_to_the_first_argument(gpt, tokenizer):
    seen = ModelRunner(gpt, tokenizer).run("the keys")
    assert seen.tokens.text == ("t", "h", "e", "␣", "k", "e", "y", "s")
    assert seen.tokens.ids == tuple(encode("the keys"))
    assert seen.tokens.words == (0, 0, 0, None, 1, 1, 1, 1)
    assert seen.tokens.source == ("the keys",)
    direct = capture(gpt, torch.tensor([encode("the keys")]))
    np.testing.assert_array_equal(seen.attention, direct.attention)
    assert direct.tokens.text == tuple(str(i) for i in encode("the keys"))


def test_a_function_alone_gives_ids_that_are_shown_as_numbers(gpt):
    assert ModelRunner(gpt, encode).run("the").tokens.text == ("19", "7", "4")
    assert explore(gpt, encode, "the").capture.tokens.ids == (19, 7, 4)


def test_a_text_longer_than_an_own_models_positions_is_refused(gpt):
    with pytest.raises(InputError, match=r"text must have at most 64 tokens .* got 70\."):
        ModelRunner(gpt, CHARACTERS).run("a" * 70)
    assert len(ModelRunner(gpt, CHARACTERS).run("a" * 70, truncate=True).tokens) == 64


def test_a_runner_with_a_table_can_be_sent():
    runner = ModelRunner(nn.TransformerEncoderLayer(16, 2, 16), CHARACTERS)
    sent = pickle.loads(pickle.dumps(runner))
    assert sent.tokenizer("the")["input_ids"] == encode("the")


def test_a_table_of_words_reads_words(gpt):
    table = {"the": 3, "keys": 5}
    assert ModelRunner(gpt, table).run("keys the").tokens.ids == (5, 3)
    refused(
        lambda: ModelRunner(gpt, table).run("a key"),
        "text must be written in the tokenizer's 2 words, got 'a'.",
    )
    refused(
        lambda: ModelRunner(gpt, CHARACTERS).run("The"),
        "text must be written in the tokenizer's 27 characters, got 'T'.",
    )


def test_what_a_plain_tokenizer_cannot_do_is_refused(gpt):
    runner = ModelRunner(gpt, CHARACTERS)
    refused(lambda: runner.run("the", "key"), "pair must be left out for a tokenizer that reads on")
    refused(lambda: runner.run(["the", "key"]), "text must be one text for this tokenizer")
    refused(
        lambda: ModelRunner(gpt, 3.5), "tokenizer must have encode and decode, or be a function"
    )


def test_tiktoken_encodings_are_read_with_their_bytes_and_special_tokens(gpt):
    tiktoken = pytest.importorskip("tiktoken")
    ranks = {bytes([i]): i for i in range(256)} | {b"th": 256, b"the": 257, b" k": 258}
    tokenizer = tiktoken.Encoding(
        "own", pat_str=r"\s?\w+|\s+", mergeable_ranks=ranks, special_tokens={"<|end|>": 280}
    )
    seen = ModelRunner(gpt, tokenizer).run("the key naï<|end|>").tokens
    assert seen.text == ("the", "k", "e", "y", "␣", "n", "a", "<C3>", "<AF>", "<|end|>")
    assert seen.special == (False,) * 9 + (True,)
    assert seen.spans[7] == seen.spans[8] == (10, 11)
    assert seen.words == (0, 1, 1, 1, None, 2, 2, 2, 2, None)


def test_a_tokenizer_of_the_tokenizers_library_is_read_as_that_of_transformers():
    model, tokenizer = minilm()
    seen = ModelRunner(model, tokenizer.backend_tokenizer).run("The keybearer")
    expected = ModelRunner(model, tokenizer).run("The keybearer")
    assert seen.tokens.text == expected.tokens.text
    assert seen.tokens.words == expected.tokens.words
    np.testing.assert_array_equal(seen.attention, expected.attention)


class Annotated(nn.Module):
    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def forward(self, batch: dict):
        return self.inner(**batch)


class Unpacking(Annotated):
    def forward(self, batch):
        return self.inner(**batch)


class Reading(Annotated):
    def forward(self, batch):
        return self.inner(batch["input_ids"], batch["attention_mask"])


class Passing(Annotated):
    def forward(self, *args, **kwargs):
        return self.inner(*args, **kwargs)


@pytest.mark.parametrize("wrapper", [Annotated, Unpacking, Reading, Passing, nn.DataParallel])
def test_wrappers_are_called_as_what_they_hold(wrapper):
    model, tokenizer = minilm()
    expected = ModelRunner(model, tokenizer).run("The key is old.")
    seen = ModelRunner(wrapper(model).eval(), tokenizer).run("The key is old.")
    np.testing.assert_array_equal(seen.attention, expected.attention)
    assert seen.tokens == expected.tokens


def test_ids_reach_a_wrapped_model_under_its_own_name(gpt):
    seen = ModelRunner(Passing(gpt).eval(), CHARACTERS).run("the")
    assert seen.tokens.text == ("t", "h", "e")


def test_a_pipeline_brings_its_model_and_its_tokenizer():
    model, tokenizer = minilm()
    pipe = transformers.pipeline("feature-extraction", model=model, tokenizer=tokenizer)
    expected = ModelRunner(model, tokenizer).run("The key")
    np.testing.assert_array_equal(ModelRunner(pipe).run("The key").attention, expected.attention)
    assert explore(pipe, text="The key").capture.tokens == expected.tokens


def test_a_sentence_transformer_brings_its_tokenizer(tmp_path):
    library = pytest.importorskip("sentence_transformers")
    model, tokenizer = minilm()
    model.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    whole = library.SentenceTransformer(str(tmp_path), device="cpu")
    seen = ModelRunner(whole).run("The key is old.")
    expected = ModelRunner(model, tokenizer).run("The key is old.")
    assert np.abs(seen.attention - expected.attention).max() < 1e-6
    assert seen.tokens == expected.tokens


def test_inputs_go_to_the_device_where_an_offloaded_model_runs():
    accelerate = pytest.importorskip("accelerate")
    model, tokenizer = minilm()
    expected = ModelRunner(model, tokenizer).run("The key")
    small = transformers.BertModel(model.config).eval()
    small.load_state_dict(model.state_dict())
    accelerate.cpu_offload(small, execution_device=torch.device("cpu"))
    seen = ModelRunner(small, tokenizer).run("The key")
    assert np.abs(seen.attention - expected.attention).max() < 1e-6


def test_floating_inputs_take_the_dtype_of_floating_parameters():
    class Quantised(nn.Module):
        """Its first parameter holds bytes."""

        def __init__(self):
            super().__init__()
            self.codes = nn.Parameter(torch.zeros(4, dtype=torch.uint8), requires_grad=False)
            self.scale = nn.Parameter(torch.ones(1, dtype=torch.bfloat16))

        def forward(self, x):
            self.seen = x.dtype

    model = Quantised()
    with pytest.raises(Exception, match="Quantised"):
        ModelRunner(model).run({"x": torch.zeros(1, 3)})
    assert model.seen is torch.bfloat16


def test_a_folder_without_its_vocabulary_is_named_when_a_text_is_run(tmp_path):
    from tokenizers import Tokenizer
    from tokenizers.models import WordPiece

    config = transformers.BertConfig(**TEXT)
    transformers.BertModel(config).save_pretrained(tmp_path)
    table = {"[UNK]": 0, "[CLS]": 1, "[SEP]": 2, "key": 3, "a": 4, "b": 5, "c": 6}
    empty = Tokenizer(WordPiece(table, unk_token="[UNK]"))
    transformers.PreTrainedTokenizerFast(tokenizer_object=empty, unk_token="[UNK]").save_pretrained(
        tmp_path
    )
    runner = ModelRunner(tmp_path)
    with pytest.warns(UserWarning, match=r"does not know most of this text: 2 of 2 tokens are"):
        runner.run(["old", "doors"])


def test_a_tensor_of_three_axes_is_a_picture_only_for_what_reads_pictures():
    layer = nn.TransformerEncoderLayer(16, 2, 16, batch_first=True)
    for n_items in (1, 3):
        vectors = torch.randn(n_items, 5, 16)
        seen = ModelRunner(layer).run(vectors)
        np.testing.assert_array_equal(seen.attention, capture(layer, vectors).attention)


def test_what_holds_no_model_is_refused():
    with pytest.raises(InputError, match=r"model must be a torch\.nn\.Module or the name"):
        ModelRunner(object())
