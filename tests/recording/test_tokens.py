"""Token strings a person can read, whatever kind of tokenizer made them."""

from __future__ import annotations

import pytest
import torch
import transformers
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from attn_widget.recording.inputs import tokens as make
from tests.models import minilm, smollm2

CORPUS = ["the keys to the cabinet are on the table", "naïve café 🙂", "unbelievable keys"] * 20


def trained(kind):
    """A small tokenizer of a kind, trained here."""
    special = ["<s>", "</s>", "<unk>"]
    if kind == "byte-level":
        tokenizer = Tokenizer(models.BPE())
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        tokenizer.decoder = decoders.ByteLevel()
        alphabet = pre_tokenizers.ByteLevel.alphabet()
        trainer = trainers.BpeTrainer(
            vocab_size=320, special_tokens=special, initial_alphabet=alphabet
        )
    elif kind == "sentencepiece":
        tokenizer = Tokenizer(models.Unigram())
        tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
        tokenizer.decoder = decoders.Metaspace()
        trainer = trainers.UnigramTrainer(vocab_size=60, special_tokens=special, unk_token="<unk>")
    else:
        tokenizer = Tokenizer(models.WordPiece(unk_token="<unk>"))
        tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
        tokenizer.decoder = decoders.WordPiece()
        trainer = trainers.WordPieceTrainer(vocab_size=60, special_tokens=special)
    tokenizer.train_from_iterator(CORPUS, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", unk_token="<unk>"
    )


@pytest.mark.parametrize("kind", ["byte-level", "sentencepiece", "word pieces"])
def test_token_text_holds_no_marks_and_spells_the_source(kind):
    tokenizer = trained(kind)
    text = "the keys to the table"
    found = make.from_encoding(tokenizer, tokenizer(text, return_tensors="pt"), source=(text,))
    assert not any(mark in token for token in found.text for mark in ("Ġ", "▁", "##"))
    assert "".join(found.text).replace("␣", "") == text.replace(" ", "")
    for token, span in zip(found.text, found.spans, strict=True):
        assert token in (text[slice(*span)], "␣")
    assert found.words[-1] == 4
    assert found.source == (text,)


def test_bytes_that_are_no_character_alone_are_shown_as_bytes():
    tokenizer = trained("byte-level")
    found = make.from_encoding(tokenizer, tokenizer("😀", return_tensors="pt"))
    assert " ".join(found.text).replace("> <", " ") == "<F0 9F 98 80>"
    assert len(found) > 1


def test_white_space_is_made_visible():
    tokenizer = trained("byte-level")
    found = make.from_encoding(tokenizer, tokenizer("a\n\tb", return_tensors="pt"))
    assert "⏎" in found.text
    assert "⇥" in found.text


def test_word_pieces_lose_their_mark_and_keep_their_word():
    _, tokenizer = minilm()
    text = "The keybearer's table."
    found = make.from_encoding(tokenizer, tokenizer(text, return_tensors="pt"), source=(text,))
    assert found.text[0] == "[CLS]"
    assert found.special == (True, *(False,) * (len(found) - 2), True)
    pieces = [t for t, w in zip(found.text, found.words, strict=True) if w == 1]
    assert "".join(pieces) == "keybearer"
    assert len(pieces) > 1
    assert found.words[0] is None
    assert text[slice(*found.spans[-2])] == "."


def test_two_texts_are_two_segments_with_their_own_spans_and_words():
    _, tokenizer = minilm()
    texts = ("The keys.", "A table")
    found = make.from_encoding(tokenizer, tokenizer(*texts, return_tensors="pt"), source=texts)
    assert found.text == ("[CLS]", "the", "keys", ".", "[SEP]", "a", "table", "[SEP]")
    assert found.segments == (0, 0, 0, 0, 0, 1, 1, 1)
    assert found.words == (None, 0, 1, 2, None, 3, 4, None)
    assert texts[1][slice(*found.spans[6])] == "table"


def test_an_unknown_word_is_no_special_token():
    _, tokenizer = minilm()
    found = make.from_encoding(tokenizer, tokenizer("🙂 keys", return_tensors="pt"))
    assert found.text[1] == "[UNK]"
    assert found.special == (True, False, False, True)


def test_a_tokenizer_from_a_gguf_file_reads_as_text():
    _, tokenizer = smollm2()
    text = "The keys, naïve 🙂"
    found = make.from_encoding(tokenizer, tokenizer(text, return_tensors="pt"), source=(text,))
    plain = [i for i, special in enumerate(found.special) if not special]
    assert "".join(found.text[i] for i in plain) == text.replace(" ", "")
    assert [found.words[i] for i in plain[:3]] == [0, 1, 2]


def test_ids_without_an_encoding_are_aligned_with_their_source():
    _, tokenizer = minilm()
    text = "The keys are keys"
    ids = tokenizer(text)["input_ids"]
    found = make.from_encoding(tokenizer, {"input_ids": [ids]}, source=(text,))
    assert [text[slice(*span)] for span in found.spans if span] == text.split()
    assert found.words == (None, 0, 1, 2, 3, None)


def test_ids_without_a_tokenizer_are_shown_as_numbers():
    assert make.from_encoding(None, {"input_ids": [[7, 8]]}).text == ("7", "8")


def test_an_unknown_word_shows_the_text_it_stands_for():
    _, tokenizer = minilm()
    text = "keys 🙂 doors"
    found = make.from_encoding(tokenizer, tokenizer(text, return_tensors="pt"), source=(text,))
    assert found.text == ("[CLS]", "keys", "🙂", "doors", "[SEP]")
    assert found.ids[2] == tokenizer.unk_token_id
    assert found.special == (True, False, False, False, True)


def test_specials_of_a_pair_belong_to_the_text_before_them_without_token_types():
    _, tokenizer = minilm()
    encoding = tokenizer("It ran.", "It was fast.", return_tensors="pt")
    types = tuple(encoding["token_type_ids"][0].tolist())
    assert make.from_encoding(tokenizer, encoding).segments == types
    # Models that read no token types are tokenized with types that are all 0.
    encoding["token_type_ids"] = torch.zeros_like(encoding["token_type_ids"])
    assert make.from_encoding(tokenizer, encoding).segments == types
    del encoding["token_type_ids"]
    assert make.from_encoding(tokenizer, encoding).segments == types


def test_of_several_columns_of_token_types_the_first_is_the_sentence():
    columns = torch.zeros(1, 4, 7, dtype=torch.long)
    columns[0, 2:, 0] = 1
    columns[0, :, 1] = torch.arange(4)
    encoding = transformers.BatchEncoding(
        {"input_ids": torch.tensor([[5, 6, 7, 8]]), "token_type_ids": columns}
    )
    assert make.from_encoding(None, encoding).segments == (0, 0, 1, 1)
    columns[0, 0, 0] = 2
    assert make.from_encoding(None, encoding).segments == (0, 0, 0, 0)


def test_bytes_of_a_byte_tokenizer_stand_for_their_character():
    tokenizer = transformers.ByT5Tokenizer()
    text = "naïve 🙂s"
    found = make.from_encoding(tokenizer, tokenizer(text, return_tensors="pt"), source=(text,))
    shown = ("n", "a", "<C3>", "<AF>", "v", "e", "␣", "<F0>", "<9F>", "<99>", "<82>", "s")
    assert found.text == (*shown, "</s>")
    assert [text[slice(*span)] for span in found.spans[:-1]] == [*"naïïve ", *"🙂🙂🙂🙂s"]
    assert found.words == (0,) * 6 + (None,) + (1,) * 5 + (None,)


@pytest.mark.parametrize("text", ["नमस्ते दुनिया", "กินน้ำ ที่บ้าน", "میروم آنجا"])
def test_words_are_not_cut_at_combining_marks(text):
    tokenizer = trained("byte-level")
    found = make.from_encoding(tokenizer, tokenizer(text, return_tensors="pt"), source=(text,))
    words = {}
    for word, span in zip(found.words, found.spans, strict=True):
        words.setdefault(word, []).append(span)
    spelt = [text[spans[0][0] : spans[-1][1]].strip() for spans in words.values()]
    assert spelt == text.split()


def test_a_mark_after_a_letter_does_not_take_in_the_punctuation():
    tokenizer = trained("byte-level")
    text = "दुनिया। ok"
    found = make.from_encoding(tokenizer, tokenizer(text, return_tensors="pt"), source=(text,))
    of = dict(zip(found.spans, found.words, strict=True))
    assert of[(0, 1)] != of[(6, 7)]


def test_frames_say_when_they_begin():
    found = make.frames(3, 0.25)
    assert found.text == ("0.00 s", "0.25 s", "0.50 s")
    assert found.seconds == 0.25
    assert make.frames(3, None).text == ("0", "1", "2")
