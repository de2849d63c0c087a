"""Every family of transformers is exact, or says why not: run by `make test-sweep`."""

from __future__ import annotations

from pathlib import Path

import pytest
import transformers

from tests.sweep.families import family_names
from tests.sweep.pool import results
from tests.sweep.table import table

pytestmark = pytest.mark.slow

LEAST_EXACT = 320


@pytest.fixture(scope="module")
def swept(tmp_path_factory):
    """What became of each model; the table is printed, and kept in build/sweep.md."""
    folder = tmp_path_factory.mktemp("sweep")
    found = [one for some in results(family_names(), folder) for one in some]
    text = f"transformers {transformers.__version__}\n\n{table(found)}\n"
    Path("build").mkdir(exist_ok=True)
    Path("build/sweep.md").write_text(text)
    print(text)
    return found


def of(swept, *outcomes):
    """The models that came to an outcome, with the reason."""
    return {f"{o['family']} {o['model']}": o["why"] for o in swept if o["outcome"] in outcomes}


def test_no_family_shows_a_number_that_was_not_computed_or_hides_a_layer(swept):
    assert of(swept, "wrong") == {}


def test_no_family_ends_in_an_error_that_says_nothing(swept):
    assert of(swept, "unexplained") == {}


def test_what_is_refused_says_why(swept):
    assert [name for name, why in of(swept, "refused").items() if not why] == []


def test_most_families_of_the_library_are_exact(swept):
    assert len(of(swept, "exact", "exact, parts refused")) >= LEAST_EXACT


def test_every_family_of_the_library_has_a_result(swept):
    assert {one["family"] for one in swept} == set(family_names())
