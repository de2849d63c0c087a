"""A results file belongs to one model, one measure and these texts; else it is refused."""

from __future__ import annotations

import copy
import json
import subprocess
import sys

import numpy as np
import pytest
import torch
import transformers

import attn_widget as aw
from attn_widget.errors import Cancelled, InputError
from attn_widget.heads.identity import identity
from attn_widget.heads.relations import relation_of
from tests.heads.test_search import assert_same
from tests.recording.families import TEXT

TEXTS = [
    torch.randint(3, 40, (1, n), generator=torch.Generator().manual_seed(n)) for n in (6, 7, 8, 9)
]
LIMIT = 0.5


def bert(seed: int = 0) -> torch.nn.Module:
    torch.manual_seed(seed)
    model = transformers.BertModel(transformers.BertConfig(**TEXT | {"vocab_size": 40})).eval()
    for parameter in model.parameters():
        if parameter.ndim > 1:
            torch.nn.init.normal_(parameter, std=0.4)
    return model


@pytest.fixture
def path(tmp_path):
    return tmp_path / "a.jsonl"


def refuses(word: str, path, search) -> None:
    """The search is refused, both are named, and the file stays as it is."""
    before = path.read_bytes()
    with pytest.raises(InputError, match=rf"must be .*same {word}.*, got .*a\.jsonl of .* for "):
        search()
    assert path.read_bytes() == before


def test_another_model_of_the_same_class_is_refused(path):
    aw.search_heads(aw.ModelRunner(bert(0)), TEXTS, "entropy", file=path)
    other = aw.ModelRunner(bert(1))
    refuses("model", path, lambda: aw.search_heads(other, TEXTS, "entropy", file=path))


def weight_data(model):
    model.encoder.layer[1].attention.self.query.weight.data[0, 0] += 1e-6


def numpy_edit(model):
    model.encoder.layer[0].output.dense.bias.detach().numpy()[0] += 1


def buffer(model):
    model.embeddings.position_ids[0, 0] = 1


def attribute(model):
    model.encoder.layer[0].attention.self.scaling = 0.1


def patched_forward(model):
    layer = model.encoder.layer[0].output
    layer.forward = lambda hidden, given: layer.LayerNorm(given)


def hook(model):
    model.encoder.layer[0].output.register_forward_hook(lambda module, args, out: out * 2)


@pytest.mark.parametrize(
    "change", [weight_data, numpy_edit, buffer, attribute, patched_forward, hook]
)
def test_a_change_of_the_model_that_changes_its_numbers_is_refused(path, change):
    runner = aw.ModelRunner(bert())
    aw.search_heads(runner, TEXTS, "entropy", file=path)
    change(runner.model)
    refuses("model", path, lambda: aw.search_heads(runner, TEXTS, "entropy", file=path))


@pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing")  # peft's
def test_adapters_that_are_on_off_or_scaled_are_three_models(path):
    peft = pytest.importorskip("peft")
    model = peft.get_peft_model(bert(), peft.LoraConfig(target_modules=["query", "value"]))
    for name, parameter in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter)
    runner = aw.ModelRunner(model)
    on = aw.search_heads(runner, TEXTS, "entropy", file=path)
    with model.disable_adapter():
        refuses("model", path, lambda: aw.search_heads(runner, TEXTS, "entropy", file=path))
    lora = model.base_model.model.encoder.layer[0].attention.self.query
    lora.scaling["default"] *= 2
    refuses("model", path, lambda: aw.search_heads(runner, TEXTS, "entropy", file=path))
    lora.scaling["default"] /= 2
    assert_same(aw.search_heads(runner, TEXTS, "entropy", file=path), on)


def test_the_same_model_loaded_again_goes_on_with_the_file_and_runs_nothing(path):
    first = aw.search_heads(aw.ModelRunner(bert()), TEXTS, "entropy", file=path)
    again = aw.ModelRunner(copy.deepcopy(bert()))
    written = path.read_bytes()
    assert_same(aw.search_heads(again, TEXTS, "entropy", file=path), first)
    assert path.read_bytes() == written  # nothing was measured again


class KeepsMaps(torch.nn.Module):
    """A model that keeps what it computed last, and counts its runs."""

    def __init__(self) -> None:
        super().__init__()
        self.project, self.last, self.runs, self.factor = torch.nn.Linear(8, 24), None, 0, 1.0

    def mix(self, q, k, v):
        self.last = (q @ k.mT * self.factor).softmax(-1)
        return self.last @ v

    def forward(self, x):
        self.runs += 1
        return self.mix(*self.project(x).chunk(3, -1))


def test_a_model_that_keeps_what_it_computed_last_goes_on_with_the_file(path):
    torch.manual_seed(0)
    runner = aw.ModelRunner(KeepsMaps().eval())
    texts = [torch.randn(1, n, 8) for n in (4, 5)]
    first = aw.search_heads(runner, texts, "entropy", file=path)
    written = path.read_bytes()
    assert_same(aw.search_heads(runner, texts, "entropy", file=path), first)
    assert path.read_bytes() == written
    runner.model.factor = 2.0
    refuses("model", path, lambda: aw.search_heads(runner, texts, "entropy", file=path))


def test_training_mode_and_having_been_run_do_not_make_another_model():
    runner = aw.ModelRunner(bert())
    before = identity(runner, "runner")
    runner.run(TEXTS[0])
    runner.model(TEXTS[0], output_attentions=True)
    runner.model.train()
    assert identity(runner, "runner") == before


class TestMeasure:
    def refused(self, path, first, second, **both):
        runner = aw.ModelRunner(bert())
        aw.search_heads(runner, TEXTS, file=path, **first, **both)
        refuses(
            "measure", path, lambda: aw.search_heads(runner, TEXTS, file=path, **second, **both)
        )

    def test_another_relation_is_refused(self, path):
        self.refused(
            path, {"relation": lambda tokens: [(1, 0)]}, {"relation": lambda tokens: [(4, 2)]}
        )

    def test_the_same_code_with_another_closure_is_refused(self, path):
        def relation(key):
            return lambda tokens: [(4, key)]

        self.refused(path, {"relation": relation(1)}, {"relation": relation(2)})

    def test_the_same_code_with_another_default_is_refused(self, path):
        def relation(given):
            def find(tokens, key=given):
                return [(4, key)]

            return find

        self.refused(path, {"relation": relation(1)}, {"relation": relation(2)})

    def test_a_global_that_the_function_uses_is_part_of_it(self, path, monkeypatch):
        def above(weights):
            return (weights > LIMIT).mean((-1, -2))

        runner = aw.ModelRunner(bert())
        aw.search_heads(runner, TEXTS, above, file=path)
        monkeypatch.setitem(globals(), "LIMIT", 0.1)
        refuses("measure", path, lambda: aw.search_heads(runner, TEXTS, above, file=path))

    def test_a_metric_of_the_same_name_with_another_constant_is_refused(self, path):
        self.refused(
            path,
            {"metric": {"peak": lambda w: w.max((-1, -2))}},
            {"metric": {"peak": lambda w: w.max((-1, -2)) * 2}},
        )

    def test_another_flag_of_the_same_pattern_is_refused(self):
        patterns = [relation_of(p, True) for p in _patterns()]
        assert patterns[0].identity() != patterns[1].identity()

    def test_other_pairs_of_a_text_are_refused(self, path):
        runner = aw.ModelRunner(bert())
        pairs = [[(1, 0)], [(2, 1)], [(3, 2)], [(4, 3)]]
        aw.search_heads(runner, TEXTS, relation=pairs, file=path)
        fewer = aw.search_heads(runner, TEXTS[:2], relation=pairs[:2], file=path)
        assert_same(fewer, aw.search_heads(runner, TEXTS[:2], relation=pairs[:2]))
        pairs[2] = [(3, 1)]
        with pytest.raises(
            InputError, match=r"texts must be those of the search .* another text 2"
        ):
            aw.search_heads(runner, TEXTS, relation=pairs, file=path)

    def test_what_cannot_be_told_from_others_is_refused(self, path):
        numbers = (i for i in range(9))
        with pytest.raises(InputError, match=r"file must be omitted .*generator in it"):
            aw.search_heads(
                aw.ModelRunner(bert()),
                TEXTS,
                relation=lambda tokens: [(4, next(numbers))],
                file=path,
            )


def _patterns():
    import re

    words = r"(?P<key>\w+) (?P<query>\w+)"
    return re.compile(words), re.compile(words, re.IGNORECASE)


class TestTexts:
    def test_other_ids_in_the_place_of_a_text_are_refused(self, path):
        runner = aw.ModelRunner(bert())
        aw.search_heads(runner, TEXTS, "entropy", file=path)
        other = [*TEXTS[:2], TEXTS[2] + 1, TEXTS[3]]
        with pytest.raises(
            InputError, match=r"texts must be those of the search .* another text 2"
        ):
            aw.search_heads(runner, other, "entropy", file=path)

    def test_another_capture_is_refused(self, path):
        captures = [aw.ModelRunner(bert(seed)).run(TEXTS[0]) for seed in (0, 1)]
        aw.search_heads(None, captures[:1], "entropy", file=path)
        with pytest.raises(
            InputError, match=r"texts must be those of the search .* another text 0"
        ):
            aw.search_heads(None, captures[1:], "entropy", file=path)

    @pytest.mark.parametrize("n", [1, 2, 3])
    def test_fewer_texts_give_the_numbers_of_these_texts_alone(self, path, n):
        runner = aw.ModelRunner(bert())
        aw.search_heads(runner, TEXTS, "entropy", file=path)
        found = aw.search_heads(runner, TEXTS[:n], "entropy", file=path)
        assert found.n_texts == n
        assert_same(found, aw.search_heads(runner, TEXTS[:n], "entropy"))
        # They shared passes with others before, so that they were measured again.
        assert path.read_bytes().count(b'"text":') == len(TEXTS) + n

    # Of five texts in the file, those are measured again that now share passes with others.
    @pytest.mark.parametrize(("batch", "again"), [(1, 0), (3, 2), (32, 5)])
    def test_more_texts_give_the_numbers_of_a_new_search_to_the_last_digit(
        self, path, batch, again
    ):
        runner = aw.ModelRunner(bert())
        texts = [text[0].tolist() for text in TEXTS * 2]  # lists of ids share passes
        masks = [{"input_ids": t, "attention_mask": torch.ones_like(t)} for t in TEXTS * 2]
        for given in (texts, masks):
            aw.search_heads(runner, given[:5], "entropy", file=path, batch=batch)
            found = aw.search_heads(runner, given, "entropy", file=path, batch=batch)
            assert_same(found, aw.search_heads(runner, given, "entropy", batch=batch))
            assert path.read_bytes().count(b'"text":') == 8 + again
            path.unlink()

    def test_a_search_that_was_stopped_goes_on_to_the_last_digit(self, path):
        runner = aw.ModelRunner(bert())
        given = [{"input_ids": t, "attention_mask": torch.ones_like(t)} for t in TEXTS * 3]

        def stop(progress):
            if progress.done >= 8:
                raise Cancelled("enough")

        with pytest.raises(Cancelled):
            aw.search_heads(runner, given, "entropy", batch=4, file=path, progress=stop)
        before = path.read_bytes()
        found = aw.search_heads(runner, given, "entropy", batch=4, file=path)
        assert_same(found, aw.search_heads(runner, given, "entropy", batch=4))
        assert path.read_bytes().startswith(before)  # what was measured was not measured again
        assert path.read_bytes().count(b'"text":') == 12

    @pytest.mark.parametrize("finished_first", [True, False])
    def test_the_interval_of_a_single_text_is_that_of_a_new_search(self, path, finished_first):
        runner = aw.ModelRunner(bert())
        relation = [[(1, 0), (3, 2), (4, 1)]] * 4
        aw.search_heads(runner, TEXTS, relation=relation, file=path)
        if not finished_first:  # then the sums of the queries of another text are in the file
            lines = [json.loads(line) for line in path.read_text().splitlines()]
            for line in lines:
                line.pop("parts", None)
                if "text" in line:  # as if it had been measured alone
                    line["batch"] = identity([line["hash"]], "texts")
            path.write_text("".join(json.dumps(line) + "\n" for line in lines))
        found = aw.search_heads(runner, TEXTS[:1], relation=relation, file=path)
        new = aw.search_heads(runner, TEXTS[:1], relation=relation)
        assert not np.isnan(new.low["share"].values).any()
        assert_same(found, new)


def test_a_file_of_another_version_is_refused(path):
    runner = aw.ModelRunner(bert())
    aw.search_heads(runner, TEXTS, "entropy", file=path)
    content = path.read_text()
    path.write_text(content.replace("head search 2", "head search 1", 1))
    refuses("format", path, lambda: aw.search_heads(runner, TEXTS, "entropy", file=path))
    path.write_text(content.replace(aw.__version__, "0.0.9", 1))
    refuses("version", path, lambda: aw.search_heads(runner, TEXTS, "entropy", file=path))


def test_the_hash_is_the_same_in_another_process():
    code = (
        "import attn_widget as aw\n"
        "from attn_widget.heads.identity import identity\n"
        "from tests.heads.test_results_file import bert\n"
        "print(identity(aw.ModelRunner(bert()), 'runner'))\n"
    )
    found = {
        subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True, text=True, check=True, env={"PYTHONHASHSEED": seed, **_path()},
        ).stdout.split()[-1]
        for seed in ("1", "2")
    }  # fmt: skip
    assert len(found) == 1


def _path() -> dict[str, str]:
    import os

    return {
        name: value for name, value in os.environ.items() if name != "PYTHONHASHSEED"
    } | {"PYTHONPATH": os.pathsep.join(["", *sys.path])}  # fmt: skip
