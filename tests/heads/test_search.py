"""Searches over texts: the mean over texts, also if interrupted, with skipped texts or batched."""

from __future__ import annotations

import gc
import itertools
import json
import pickle
import tracemalloc

import numpy as np
import pytest

import attn_widget as aw
from attn_widget.errors import Cancelled, InputError
from attn_widget.heads.measures import Measured
from attn_widget.heads.running_means import RunningMeans
from tests import models
from tests.conftest import capture_of, softmax_rows

TEXTS = [
    "CCO", "CC(=O)O", "c1ccccc1", "CCN(CC)CC", "OCC1CCCO1", "C=O", "CC(C)(C)OC(=O)N", "N#Cc1ccccc1",
    "CC(=O)Nc1ccc(O)cc1", "O", "ClCCl", "CS(C)=O",
]  # fmt: skip
LONG = "C" * 600  # of 512 positions
BRANCH = r"(?P<key>C)\((?P<query>[=C])"


@pytest.fixture(scope="module")
def runner():
    return aw.ModelRunner(*models.rxnmapper(), name="mapper")


class Counting:
    """A runner that counts what it runs, text by text."""

    def __init__(self, runner, name: str = "mapper"):
        self._runner, self.name, self.seen = runner, name, []

    def run(self, text):
        self.seen.append(text)
        return self._runner.run(text)


def assert_same(a, b, exact: bool = True) -> None:
    """Every number of two searches."""
    for mine, other in ((a.scores, b.scores), (a.low, b.low), (a.high, b.high)):
        assert list(mine) == list(other)
        for x, y in zip(mine.values(), other.values(), strict=True):
            np.testing.assert_allclose(
                x.values, y.values, rtol=0 if exact else 1e-4, atol=0 if exact else 1e-6
            )
            assert (x.name, x.unit, x.attention) == (y.name, y.unit, y.attention)
    for name in (
        "title",
        "n_texts",
        "n_matched",
        "n_pairs",
        "hidden",
        "skipped",
        "n_skipped",
        "position",
    ):
        assert getattr(a, name) == getattr(b, name), name


@pytest.mark.parametrize("batch", [1, 5, 100])
def test_a_search_gives_the_mean_of_what_each_text_gives(runner, batch):
    found = aw.search_heads(runner, TEXTS, ["entropy", "previous", "duplicate"], batch=batch)
    each = [
        aw.head_metrics(runner.run(text), ["entropy", "previous", "duplicate"]) for text in TEXTS
    ]
    for name, scores in found.scores.items():
        values = np.stack([table[name].values for table in each])
        known = ~np.isnan(values).all((1, 2))  # "O" repeats nothing
        np.testing.assert_allclose(scores.values, values[known].mean(0), rtol=1e-4, atol=1e-6)
    assert (found.n_texts, found.n_skipped) == (len(TEXTS), 0)


def test_all_metrics_are_searched_where_none_is_named(runner):
    assert tuple(aw.search_heads(runner, "CCO").scores) == tuple(aw.head_metrics(runner.run("CCO")))


def test_a_function_and_a_mapping_are_metrics_of_a_search_too(runner):
    found = aw.search_heads(runner, TEXTS[:3], {"peak": lambda weights: weights.max((-1, -2))})
    peaks = [
        [layer.weights_for().amax((-1, -2)).numpy() for layer in runner.run(text).layers]
        for text in TEXTS[:3]
    ]
    np.testing.assert_allclose(found.scores["peak"].values, np.mean(peaks, 0), rtol=1e-5)


class TestManyAtATime:
    def test_a_batch_gives_the_same_as_each_text_alone(self, runner):
        self.compare(runner, TEXTS)

    def test_batches_may_mix_pairs_words_ids_and_texts(self):
        self.compare(
            aw.ModelRunner(*models.minilm()),
            ["A cat.", ("Who?", "A big dog, she said."), ["two", "words"]],
        )

    @pytest.mark.slow
    def test_also_for_a_causal_model(self):
        self.compare(
            aw.ModelRunner(*models.smollm2()),
            ["The keys are on the table.", "No.", "And the old house?"],
        )

    def test_also_for_an_encoder_decoder(self):
        self.compare(aw.ModelRunner(*models.annalog()), ["CCO", "CC(=O)O"])

    def compare(self, runner, texts):
        for text, together in zip(texts, runner.run_many(texts), strict=True):
            alone = runner.run(*text) if isinstance(text, tuple) else runner.run(text)
            assert together.tokens == alone.tokens
            assert together.groups.keys() == alone.groups.keys()
            assert together.model_name == alone.model_name
            for a, b in zip(together.layers, alone.layers, strict=True):
                assert (a.name, a.kind, a.causal, a.mask is None) == (
                    b.name,
                    b.kind,
                    b.causal,
                    b.mask is None,
                )
                for x, y in ((a.weights_for(), b.weights_for()), (a.q, b.q), (a.v, b.v)):
                    np.testing.assert_allclose(x, y, rtol=1e-3, atol=2e-5)
            if alone.logits is not None:
                np.testing.assert_allclose(together.logits, alone.logits, rtol=1e-3, atol=1e-3)

    def test_a_text_that_cannot_be_run_is_returned_as_an_error(self, runner):
        first, error, last = runner.run_many(["CCO", LONG, "CC"])
        assert (len(first.tokens), len(last.tokens)) == (5, 4)
        assert isinstance(error, InputError)
        assert "text must have at most 512 tokens" in error.message

    def test_a_runner_that_was_sent_to_another_process_runs_there(self, runner):
        copy = pickle.loads(pickle.dumps(runner))
        np.testing.assert_array_equal(copy.run("CCO").attention, runner.run("CCO").attention)


def test_a_text_that_is_too_long_is_skipped_counted_and_named(runner, tmp_path):
    texts = [*TEXTS[:5], LONG, *TEXTS[5:]]
    found = aw.search_heads(runner, texts, "entropy", file=tmp_path / "a.jsonl", batch=4)
    assert (found.n_texts, found.n_skipped) == (len(TEXTS), 1)
    ((index, reason),) = found.skipped
    assert index == 5
    assert reason.startswith(
        "text must have at most 512 tokens for this model's positions, got 602"
    )
    assert "1 skipped, first text 5: text must have at most 512" in str(found)
    plain = aw.search_heads(runner, TEXTS, "entropy")
    np.testing.assert_allclose(
        found.scores["entropy"].values, plain.scores["entropy"].values, rtol=1e-5
    )


class TestFile:
    @pytest.fixture
    def path(self, tmp_path):
        return tmp_path / "results" / "search.jsonl"

    @pytest.mark.parametrize(
        "what",
        [{"metric": ["entropy", "induction"]}, {"relation": BRANCH}],
        ids=["metric", "relation"],
    )
    def test_an_interrupted_search_goes_on_and_ends_with_the_same_numbers(self, runner, path, what):
        def stop(progress):
            if progress.done >= 6:
                raise Cancelled("enough")

        texts = [*TEXTS[:4], LONG, *TEXTS[4:]]
        with pytest.raises(Cancelled):
            aw.search_heads(Counting(runner), texts, batch=3, file=path, progress=stop, **what)
        second = Counting(runner)
        resumed = aw.search_heads(second, texts, batch=3, file=path, **what)
        assert second.seen == texts[6:]
        assert_same(resumed, aw.search_heads(Counting(runner), texts, batch=3, **what))
        third = Counting(runner)
        assert_same(aw.search_heads(third, iter(texts), file=path, **what), resumed)
        assert third.seen == []

    def test_a_line_that_a_crash_cut_short_is_run_again(self, runner, path):
        whole = aw.search_heads(Counting(runner), TEXTS, "entropy", batch=2, file=path)
        content = path.read_bytes()
        torn = content[: content[:-1].rindex(b"\n") + 1] + b'{"text": 11, ' + b"x" * 100_000
        for left in (content[:-1], content[:-40], content[: content.index(b"\n") - 3], b"", torn):
            path.write_bytes(left)
            again = Counting(runner)
            assert_same(aw.search_heads(again, TEXTS, "entropy", batch=2, file=path), whole)
            assert 1 <= len(again.seen) <= len(TEXTS)
            assert path.read_bytes() == content

    def test_a_text_that_the_file_holds_twice_is_counted_once(self, runner, path):
        whole = aw.search_heads(Counting(runner), TEXTS, "entropy", file=path)
        lines = path.read_bytes().splitlines(keepends=True)
        path.write_bytes(b"".join([*lines, lines[-1]]))
        assert_same(aw.search_heads(Counting(runner), TEXTS, "entropy", file=path), whole)

    @pytest.mark.parametrize(
        ("name", "what", "words"),
        [
            (
                "other",
                {"metric": "entropy"},
                "file must be of the same model, got .* of 'mapper' for 'other'",
            ),
            (
                "mapper",
                {"metric": "same"},
                "file must be of the same measure, got .* of 'entropy' for 'same'",
            ),
            ("mapper", {"relation": BRANCH}, "file must be of the same measure"),
            (
                "mapper",
                {"metric": "entropy", "attention": "self"},
                "same attention, got .* of None for 'self'",
            ),
        ],
        ids=["model", "metric", "relation", "attention"],
    )
    def test_a_file_of_another_search_is_refused_and_both_are_named(
        self, runner, path, name, what, words
    ):
        aw.search_heads(Counting(runner), TEXTS[:2], "entropy", file=path)
        before, other = path.read_bytes(), Counting(runner, name)
        with pytest.raises(InputError, match=words):
            aw.search_heads(other, TEXTS[:2], file=path, **what)
        assert other.seen == []
        assert path.read_bytes() == before

    def test_another_text_in_the_place_of_one_that_was_measured_is_refused(self, runner, path):
        aw.search_heads(Counting(runner), TEXTS[:3], "entropy", file=path)
        with pytest.raises(
            InputError, match=r"texts must be those of the search that began .*, got another text 1"
        ):
            aw.search_heads(Counting(runner), [TEXTS[0], "CCC", TEXTS[2]], "entropy", file=path)

    @pytest.mark.parametrize(
        "content", ['{"format": "something else"}\n', "[1, 2]\n", "not json\n", "one line"]
    )
    def test_a_file_that_is_no_results_file_is_refused_and_left_alone(
        self, runner, tmp_path, content
    ):
        path = tmp_path / "notes.txt"
        path.write_text(content)
        with pytest.raises(
            InputError, match=r"file must be a results file of search_heads, got .*notes"
        ):
            aw.search_heads(runner, TEXTS, "entropy", file=path)
        assert path.read_text() == content

    def test_holds_one_line_of_json_per_text_after_its_head(self, runner, path):
        aw.search_heads(runner, TEXTS[:3], "entropy", file=path)
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        assert lines[0]["model"] == "mapper"
        assert [line["text"] for line in lines if "text" in line] == [0, 1, 2]


def test_neither_order_nor_who_ran_a_text_changes_its_part_in_the_intervals():
    rng = np.random.default_rng(0)
    texts = [Measured(rng.random((1, 2, 3)), np.ones((1, 2, 3))) for _ in range(30)]
    orders = (range(30), reversed(range(30)), rng.permutation(30).tolist())
    searches = [RunningMeans(seed=4) for _ in orders]
    for means, order in zip(searches, orders, strict=True):
        for i in order:
            means.add(i, texts[i])
    for means in searches[1:]:
        np.testing.assert_allclose(means.interval(), searches[0].interval(), rtol=1e-12)
    assert not np.allclose(searches[0].interval(), _of_seed(5, texts).interval(), rtol=1e-6)


def _of_seed(seed: int, texts) -> RunningMeans:
    means = RunningMeans(seed)
    for i, one in enumerate(texts):
        means.add(i, one)
    return means


class TestStreaming:
    def test_texts_are_read_only_as_they_are_needed(self, runner):
        read = []

        def endless():
            for i in itertools.count():
                read.append(i)
                yield "C" * (i % 7 + 1)

        def stop(progress):
            assert progress.total == 0  # length unknown
            assert len(read) == progress.done
            if progress.done >= 20:
                raise Cancelled("enough")

        with pytest.raises(Cancelled):
            aw.search_heads(runner, endless(), "entropy", batch=4, progress=stop)
        assert len(read) == 20

    def test_progress_counts_texts_and_knows_how_many_there_are(self, runner):
        seen = []
        aw.search_heads(
            runner, TEXTS, "entropy", batch=5, progress=lambda p: seen.append((p.done, p.total))
        )
        assert seen == [(5, 12), (10, 12), (12, 12)]

    def test_a_bar_is_shown_where_it_is_asked_for(self, runner, capfd):
        aw.search_heads(runner, TEXTS, "entropy", progress=True)
        assert "12/12" in capfd.readouterr().err

    def test_memory_does_not_grow_with_the_texts(self, runner):
        def peak(n: int) -> int:
            tracemalloc.start()
            texts = (TEXTS[i % len(TEXTS)] for i in range(n))
            # What only the garbage collector frees is not held by the search.
            collect = {"progress": lambda progress: gc.collect()}
            aw.search_heads(Counting(runner), texts, "previous", batch=4, **collect)
            size = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
            return size

        peak(12)
        grows_by = (peak(48) - peak(12)) / 36
        assert grows_by < 10_000  # bytes a text; a capture's objects alone are more than 20,000


@pytest.mark.parametrize(
    ("texts", "options", "words"),
    [
        ([], {}, "texts must hold at least one text, got none"),
        (iter(()), {"relation": BRANCH}, "texts must hold at least one text, got none"),
        (7, {}, "texts must be a text or an iterable of texts, got int"),
        (
            [LONG, LONG],
            {},
            "texts must hold one that can be run, got 2 skipped; "
            "text 0: text must have at most 512",
        ),
        (["O", "N"], {"relation": BRANCH}, "got 0 matches of .* in 2 texts"),
        (["O"], {"metric": "entropie"}, "names must be among entropy"),
        (
            ["O"],
            {"metric": "entropy", "relation": BRANCH},
            "metric must be left out with a relation, got 'entropy'",
        ),
        (["O"], {"batch": 0}, "batch must be a whole number of 1 or more, got 0"),
        (["O"], {"engine": "dask"}, "engine must be None or \"ray\", got 'dask'"),
        (["O"], {"workers": 2}, "workers must be left out in one process, got 2"),
    ],
    ids=lambda v: "",
)
def test_what_cannot_be_searched_is_refused(runner, texts, options, words):
    with pytest.raises(InputError, match=words):
        aw.search_heads(runner, texts, **options)


def test_texts_without_a_runner_are_refused():
    with pytest.raises(InputError, match="runner must be able to run texts, got NoneType"):
        aw.search_heads(None, ["CCO"])


def test_captures_of_two_models_are_refused(capture, tokens):
    other = capture_of(softmax_rows(np.random.default_rng(2), 2, 3, 5, 5), tokens)
    with pytest.raises(
        InputError, match=r"texts must be of one model, got \(2, 3\) layers and heads at text 1"
    ):
        aw.search_heads(None, [capture, other], "entropy")


class TestFound:
    @pytest.fixture
    def found(self, runner):
        return aw.search_heads(runner, TEXTS, relation=BRANCH)

    def test_ranks_heads_and_becomes_a_data_frame(self, found):
        frame = found.to_pandas()
        assert list(frame.columns) == [
            "layer", "head", "hits", "hits_low", "hits_high", "share", "share_low", "share_high",
        ]  # fmt: skip
        assert (frame["hits"].diff().dropna() <= 0).all()
        assert (frame["layer"][0], frame["head"][0]) == found.best
        assert found.median() == np.median(found.scores["hits"].values)

    def test_says_how_many_texts_matched(self, found):
        assert f"{found.n_pairs} queries in {found.n_matched} of 12 texts" in str(found)
        assert 0 < found.n_matched < 12

    def test_shows_a_pattern_in_html_as_text(self, found):
        assert "(?P<key>" not in found._repr_html_()
        assert "(?P&lt;key&gt;" in found._repr_html_()

    def test_is_drawn(self, found):
        assert len([axes for axes in found.plot().axes if axes.images]) == 2
