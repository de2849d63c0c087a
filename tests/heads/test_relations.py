"""Relations: the known atom-mapping head is ranked first; all forms of pairs are equivalent."""

from __future__ import annotations

import dataclasses
import re

import numpy as np
import pytest

import attn_widget as aw
from attn_widget.errors import InputError, MethodError
from attn_widget.records import Tokens
from tests import models
from tests.conftest import TOKENS, capture_of, softmax_rows

# Equal numbers: the same atom. The first two stand in rxnmapper's README (MIT licence) as its
# output, and are chemically correct: a thiol takes the place of the fluorine beside the
# nitrogen; an ester loses tert-butyl. The others are written down here: an acylation, two
# substitutions at carbon, a hydrolysis.
MAPPED = [
    "CN(C)C=O.F[c:5]1[n:6][cH:7][cH:8][cH:9][c:10]1[F:11].O=C([O-])[O-].[CH3:1][CH:2]([CH3:3])[SH:4].[K+].[K+]>>"
    "[CH3:1][CH:2]([CH3:3])[S:4][c:5]1[n:6][cH:7][cH:8][cH:9][c:10]1[F:11]",
    "C1COCCO1.CC(C)(C)[O:3][C:2](=[O:1])[CH2:4][O:5][NH:6][C:7](=[O:8])[NH:9][CH2:10][c:11]1[cH:12][cH:13][cH:14]"
    "[c:15]2[cH:16][cH:17][cH:18][cH:19][c:20]12.Cl>>[O:1]=[C:2]([OH:3])[CH2:4][O:5][NH:6][C:7](=[O:8])[NH:9]"
    "[CH2:10][c:11]1[cH:12][cH:13][cH:14][c:15]2[cH:16][cH:17][cH:18][cH:19][c:20]12",
    "[CH3:1][C:2](=[O:3])Cl.[NH2:4][CH2:5][CH2:6][CH2:7][Br:8]>>[CH3:1][C:2](=[O:3])[NH:4][CH2:5][CH2:6][CH2:7][Br:8]",
    "[CH3:1][CH2:2][O:3][C:4](=[O:5])[CH2:6]Br.[OH:8][c:9]1[cH:10][cH:11][cH:12][n:13][cH:14]1>>"
    "[CH3:1][CH2:2][O:3][C:4](=[O:5])[CH2:6][O:8][c:9]1[cH:10][cH:11][cH:12][n:13][cH:14]1",
    "CO[C:3](=[O:4])[CH2:5][CH2:6][c:7]1[cH:8][cH:9][cH:10][n:11][cH:12]1.[OH-].[Na+]>>"
    "O[C:3](=[O:4])[CH2:5][CH2:6][c:7]1[cH:8][cH:9][cH:10][n:11][cH:12]1",
]
ATOM = re.compile(r"\[(?P<symbol>[A-Z][a-z]?|[a-z])H?\d?:(?P<number>\d+)\]")


def without_numbers(mapped: str) -> tuple[str, list]:
    """Return the reaction as the model reads it, and (product atom, reactant atom) positions."""
    text, end, reactants, pairs = "", 0, {}, []
    for atom in ATOM.finditer(mapped):
        text += mapped[end : atom.start()]
        span = (len(text), len(text) + len(atom["symbol"]))
        text, end = text + atom["symbol"], atom.end()
        if ">>" in text:
            pairs.append((span, reactants[atom["number"]]))
        else:
            reactants[atom["number"]] = span
    return text + mapped[end:], pairs


REACTIONS = dict(map(without_numbers, MAPPED))


@pytest.fixture(scope="module")
def runner():
    return aw.ModelRunner(*models.rxnmapper())


@pytest.fixture(scope="module")
def atoms(runner):
    return aw.search_heads(runner, list(REACTIONS), relation=REACTIONS.__getitem__)


class TestAtomMapping:
    def test_the_head_that_rxnmapper_uses_is_found_first(self, atoms):
        _, head = atoms.best
        assert head == 5  # rxnmapper/core.py: config.get("head", 5)
        assert [row["head"] for row, _ in zip(atoms.rows(), range(6), strict=False)] == [5] * 6
        assert [row["head"] for row, _ in zip(atoms.rows("share"), range(6), strict=False)] == [
            5
        ] * 6

    def test_it_finds_nearly_all_atoms_where_other_heads_and_positions_find_few(self, atoms):
        assert atoms.n_pairs == sum(map(len, REACTIONS.values())) == 62
        assert (
            atoms.scores["hits"].values[10, 5] > 0.95
        )  # the layer that rxnmapper reads: config.get("layers", [10])
        assert atoms.median() < 0.1
        assert atoms.position[1] < 0.5

    def test_the_intervals_of_this_head_and_of_the_median_head_do_not_meet(self, atoms):
        layer, head = atoms.best
        assert atoms.low["share"].values[layer, head] > np.median(atoms.high["share"].values)
        for low, mean, high in zip(
            *(t["share"].values for t in (atoms.low, atoms.scores, atoms.high)), strict=True
        ):
            assert (low <= mean + 1e-9).all()
            assert (mean <= high + 1e-9).all()

    def test_says_so_when_printed(self, atoms):
        lines = str(atoms).splitlines()
        assert lines[0].endswith(": 62 queries in 5 of 5 texts")
        assert lines[2].startswith(f"{atoms.best[0]}.5")
        assert lines[-1].startswith("without any head, always the key ")
        assert f"{atoms.position[1]:.3f}" in lines[-1]


def test_the_numbers_are_those_of_loops_over_pairs(runner, atoms):
    hits, shares = [], []
    for text, pairs in REACTIONS.items():
        capture = runner.run(text)
        at = {span: i for i, span in enumerate(capture.tokens.spans) if span}
        plain = [i for i in range(len(capture.tokens)) if not capture.tokens.special[i]]
        for query, key in pairs:
            rows = capture.attention[:, :, at[query]]
            shares.append(rows[..., at[key]])
            hits.append(
                [
                    [max(plain, key=lambda i, r=row: r[i]) == at[key] for row in layer]
                    for layer in rows
                ]
            )
    np.testing.assert_allclose(
        atoms.scores["share"].values, np.mean(shares, 0), rtol=1e-4, atol=1e-6
    )
    np.testing.assert_allclose(atoms.scores["hits"].values, np.mean(hits, 0), atol=1e-9)


@pytest.fixture
def words():
    """Attention of 5 tokens, `[CLS] key s turn [SEP]`, of which two are one word."""
    tokens = Tokens(
        text=("[CLS]", "key", "s", "turn", "[SEP]"), special=(True, False, False, False, True),
        spans=(None, (0, 3), (3, 4), (5, 9), None), source=("keys turn",),
    )  # fmt: skip
    return capture_of(softmax_rows(np.random.default_rng(1), 3, 2, TOKENS, TOKENS), tokens)


def test_a_pattern_a_function_and_spans_name_the_same_words(words):
    ways = [r"(?P<key>\w+) (?P<query>\w+)", lambda text: [((5, 9), (0, 4))], [((5, 9), (0, 4))]]
    found = [aw.search_heads(None, words, relation=way).scores["share"].values for way in ways]
    for values in found:
        np.testing.assert_allclose(values, words.attention[:, :, 3, [1, 2]].sum(-1))


def test_a_query_of_several_tokens_is_the_mean_of_theirs(words):
    found = aw.search_heads(None, words, relation=[((0, 4), (5, 9))])
    np.testing.assert_allclose(
        found.scores["share"].values, words.attention[:, :, [1, 2], 3].mean(-1)
    )


def test_positions_count_tokens_also_from_the_end(words):
    found = aw.search_heads(None, words, relation=[(3, 1), (-2, 2)])
    assert found.n_pairs == 1  # one query, two keys
    np.testing.assert_allclose(
        found.scores["share"].values, words.attention[:, :, 3, [1, 2]].sum(-1)
    )


def test_special_tokens_compete_only_where_they_are_asked_for():
    tokens = Tokens(("[CLS]", "a", "b"), special=(True, False, False))
    capture = capture_of(np.array([[[[1, 0, 0], [0.6, 0.3, 0.1], [0.6, 0.3, 0.1]]]]), tokens)
    assert aw.search_heads(None, capture, relation=[(2, 1)]).scores["hits"].values.tolist() == [
        [1.0]
    ]
    assert aw.search_heads(None, capture, relation=[(2, 0)]).scores["hits"].values.tolist() == [
        [1.0]
    ]
    assert aw.search_heads(None, capture, relation=[(2, 2)]).scores["hits"].values.tolist() == [
        [0.0]
    ]


def test_each_text_may_have_pairs_of_its_own(words, capture):
    found = aw.search_heads(None, [words, capture], relation=[[(1, 2)], [(3, 4), (4, 4)]])
    rows = [
        words.attention[:, :, 1, 2],
        capture.attention[:, :, 3, 4],
        capture.attention[:, :, 4, 4],
    ]
    np.testing.assert_allclose(found.scores["share"].values, np.mean(rows, 0))


def test_the_positional_baseline_is_the_distance_that_is_correct_most_often(capture):
    found = aw.search_heads(None, capture, relation=[(1, 0), (2, 0), (3, 1), (4, 2)])
    assert found.position == (-2, 0.75)
    assert "always the key 2 before: 0.750" in str(found)


def test_one_text_has_intervals_over_its_pairs_and_one_pair_has_none(capture):
    several = aw.search_heads(None, capture, relation=[(1, 0), (2, 1), (3, 1), (4, 2)])
    low, mean, high = (t["share"].values for t in (several.low, several.scores, several.high))
    assert (low < mean).all()
    assert (mean < high).all()
    assert np.isnan(aw.search_heads(None, capture, relation=[(1, 0)]).low["share"].values).all()


def test_intervals_cover_the_truth_about_as_often_as_they_say():
    rng, inside = np.random.default_rng(5), 0
    tokens = Tokens(("a", "b"))
    for _ in range(60):
        shares = rng.beta(2, 5, 40)  # the mean over all texts is 2/7
        captures = [capture_of(np.array([[[[1, 0], [s, 1 - s]]]]), tokens) for s in shares]
        found = aw.search_heads(
            None, captures, relation=[[(1, 0)]] * 40, seed=int(rng.integers(1000))
        )
        inside += found.low["share"].values.item() <= 2 / 7 <= found.high["share"].values.item()
    assert 52 <= inside <= 60


@pytest.mark.parametrize(
    ("relation", "words"),
    [
        ([(1, 5)], "key of the relation must be 0 to 4, got 5 at pair 0 of text 0"),
        ([(1, 0), (-6, 0)], "query of the relation must be 0 to 4, got -6 at pair 1 of text 0"),
        (
            [((40, 44), 0)],
            "relation must give a query that covers a token, got characters 40 to 44 at pair 0",
        ),
        ([3], r"relation must give pairs \(query, key\), got 3 at pair 0 of text 0"),
        ([("a", 0)], "relation must give a query as a position or as"),
        (r"(?P<key>\d+) (?P<query>\d+)", r"got 0 matches of '.*' in 1 texts"),
        (
            lambda text: [],
            r"relation must match at least once, got 0 matches of '<lambda>' in 1 texts",
        ),
        (r"\w+", r"relation must have the groups query and key, got '\\\\w\+'"),
        ("(", r"relation must be a regular expression, got '\('"),
        ([], r"relation must be pairs, a regular expression or a function, got \[\]"),
        (7, "relation must be pairs, a regular expression or a function, got 7"),
    ],
    ids=lambda v: "",
)
def test_a_relation_without_pairs_is_refused(capture, relation, words):

    with pytest.raises(InputError, match=words):
        aw.search_heads(None, capture, relation=relation)


def test_keys_that_a_causal_model_hides_are_counted_and_refused_where_all_are_hidden(capture):
    layers = tuple(dataclasses.replace(layer, causal=True) for layer in capture.layers)
    causal = dataclasses.replace(capture, layers=layers)
    assert aw.search_heads(None, causal, relation=[(1, 0), (1, 2), (2, 3)]).hidden == 1
    with pytest.raises(InputError, match="got 2 of 2 after the query of a causal model"):
        aw.search_heads(None, causal, relation=[(1, 2), (2, 3)])


def test_attention_between_streams_takes_positions_and_no_pattern(cross_capture):
    found = aw.search_heads(None, cross_capture, relation=[(4, 6)])
    np.testing.assert_allclose(found.scores["share"].values, cross_capture.attention[:, :, 4, 6])
    with pytest.raises(
        MethodError, match="relation must be a function or pairs for attention between two streams"
    ):
        aw.search_heads(None, cross_capture, relation=r"(?P<key>a)(?P<query>b)")


def test_pairs_for_fewer_texts_than_there_are_are_refused(words, capture):
    with pytest.raises(
        InputError, match="relation must hold the pairs of every text, got 1 for text 1"
    ):
        aw.search_heads(None, [words, capture], relation=[[(1, 2)]])


def test_a_pattern_needs_a_text(cross_capture):
    bare = capture_of(softmax_rows(np.random.default_rng(0), 1, 1, 3, 3), Tokens(("a", "b", "c")))
    with pytest.raises(
        InputError, match="relation must be pairs where a capture has no text, got a pattern"
    ):
        aw.search_heads(None, bare, relation=r"(?P<key>a)(?P<query>b)")
