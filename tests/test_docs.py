"""The documentation: examples and notebooks run, named files exist, files are short."""

from __future__ import annotations

import doctest
import inspect
import re
from pathlib import Path

import nbformat
import pytest

import attn_widget
from attn_widget.cli import execute, main

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
FUNCTIONS = [n for n in attn_widget.__all__ if inspect.isfunction(getattr(attn_widget, n))]
SOURCES = sorted([*(ROOT / "attn_widget").rglob("*.py"), *(ROOT / "js" / "src").rglob("*.js")])
MAX_LINES = 300

in_readme_and_contributing = pytest.mark.parametrize("document", ["README.md", "CONTRIBUTING.md"])


@pytest.mark.parametrize("name", ["", *attn_widget.__all__])
def test_every_docstring_example_runs(name):
    documented = getattr(attn_widget, name) if name else attn_widget
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
    out: list[str] = []
    # Examples may use the public names without an import.
    names = {n: getattr(attn_widget, n) for n in attn_widget.__all__}
    finder = doctest.DocTestFinder(recurse=bool(name))
    for case in finder.find(documented, name or "attn_widget", globs=names):
        runner.run(case, out=out.append)
    assert runner.failures == 0, "".join(out)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_public_function_documents_its_parameters_and_has_an_example(name):
    doc = inspect.getdoc(getattr(attn_widget, name)) or ""
    for part in ("Parameters\n---", "Raises\n---", ">>> "):
        assert part in doc, f"{name} lacks {part!r}"
    for parameter, how in inspect.signature(getattr(attn_widget, name)).parameters.items():
        if how.kind in (how.VAR_POSITIONAL, how.VAR_KEYWORD):
            continue  # passed on, and documented by the function that receives it
        assert re.search(rf"\b{parameter}\b", doc), f"{name} does not explain {parameter}"


def test_the_readme_python_runs():
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert blocks
    names: dict = {}
    for block in blocks:
        exec(compile(block, "README.md", "exec"), names)


@in_readme_and_contributing
def test_every_link_leads_to_a_file(document):
    links = re.findall(r"\]\((?!https?:)([^)#]+)\)", (ROOT / document).read_text())
    assert [link for link in links if not (ROOT / link).is_file()] == []


def test_the_readme_links_to_every_notebook():
    links = re.findall(r"\]\((?!https?:)([^)#]+)\)", (ROOT / "README.md").read_text())
    assert [path.name for path in NOTEBOOKS if f"notebooks/{path.name}" not in links] == []


def test_the_readmes_pictures_exist():
    pictures = re.findall(r'(?:src(?:set)?="|\]\()(docs/[^")]+)', (ROOT / "README.md").read_text())
    assert pictures
    assert [p for p in pictures if not (ROOT / p).is_file()] == []


def missing_files(text: str) -> list[str]:
    """Return the files and folders that a document names in backticks and that do not exist."""
    words = re.findall(r"`([\w.-]+/[\w./-]*|[\w-]+\.(?:cff|md|toml|txt))`", text)
    # build/ holds what make writes.
    return [w for w in words if not w.startswith("build/") and not (ROOT / w).exists()]


def missing_targets(text: str) -> list[str]:
    """Return the make targets that a document names and that the Makefile lacks."""
    named = re.findall(r"(?:^|`)make ([a-z][\w-]*)", text, re.MULTILINE)
    targets = re.findall(r"^([a-z][\w-]*):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    return [target for target in named if target not in targets]


def missing_parts(layout: str) -> list[str]:
    """Return the files and folders of a layout block that no folder of this name contains."""
    # The layout is the part before three spaces; <name> and {a,b} stand for several files.
    names = [re.split(r"\s{3,}", line.strip())[0] for line in layout.splitlines()]
    parts = re.findall(r"[\w/]+/|\w+\.(?:py|js)\b", " ".join(names))
    return [p for p in parts if not any(ROOT.glob(f"{p}")) and not any(_in_packages(p))]


def _in_packages(part: str):
    for folder in ("attn_widget", "js/src", "tests"):
        yield from (ROOT / folder).rglob(part.rstrip("/"))


@in_readme_and_contributing
def test_every_named_file_exists(document):
    assert missing_files((ROOT / document).read_text()) == []


@in_readme_and_contributing
def test_every_named_make_target_exists(document):
    assert missing_targets((ROOT / document).read_text()) == []


def test_every_folder_of_the_layout_exists():
    text = (ROOT / "CONTRIBUTING.md").read_text()
    (layout,) = re.findall(r"## Layout\n\n```\n(.*?)```", text, re.DOTALL)
    assert "recording/" in layout
    assert missing_parts(layout) == []


def test_missing_files_and_targets_are_found():
    named = missing_files("see `attn_widget/no_such.py`, `NO.md` and `tests/`")
    assert named == ["attn_widget/no_such.py", "NO.md"]
    assert missing_targets("`make test` and `make nothing`\nmake tea") == ["nothing", "tea"]
    layout = "attn_widget/\n  no_such/   errors.py\n  api.py  b.py   text"
    assert missing_parts(layout) == ["no_such/", "b.py"]


def test_every_source_file_is_short():
    lines = {str(p.relative_to(ROOT)): len(p.read_text("utf-8").splitlines()) for p in SOURCES}
    assert "js/src/app.js" in lines
    assert {name: count for name, count in lines.items() if count >= MAX_LINES} == {}


def timed(notebook: Path):
    """Return the parameter of a notebook; slow if it takes a minute: `make test-slow` runs it."""
    slow = any(word in notebook.read_text() for word in ("SmolLM2-135M", "verb_number"))
    return pytest.param(notebook, id=notebook.stem, marks=[pytest.mark.slow] if slow else [])


@pytest.mark.parametrize("notebook", [timed(path) for path in NOTEBOOKS])
def test_every_notebook_executes(notebook, tmp_path):
    document = nbformat.read(execute(notebook, tmp_path), as_version=4)
    outputs = [o for cell in document.cells for o in cell.get("outputs", [])]
    assert any("image/png" in output.get("data", {}) for output in outputs)


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda p: p.stem)
def test_no_notebook_names_a_folder_of_the_machine_that_ran_it(notebook):
    text = notebook.read_text()
    assert not re.search(r"/(home|root|Users|work|tmp)/", text)


def test_a_missing_notebook_is_named(capsys):
    assert main(["demo", "no/such.ipynb"]) == 1
    assert "notebook must be a file, got no/such.ipynb." in capsys.readouterr().err
