"""The command line: ``demo`` executes a notebook, ``html`` writes a page."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

from attn_widget.errors import AttnWidgetError

QUICKSTART = Path("notebooks/01_quickstart.ipynb")


def main(arguments: list[str] | None = None) -> int:
    """Run the command line and return its exit status: 0, or 1 after an error in one line."""
    parser = argparse.ArgumentParser(
        prog="attn-widget", description="Attention of transformers, in notebooks and pages."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    demo = commands.add_parser(
        "demo", help="execute a notebook, write it with its pictures, open it in JupyterLab"
    )
    demo.add_argument("notebook", nargs="?", type=Path, default=QUICKSTART)
    demo.add_argument(
        "--out", type=Path, default=Path("build"), help="folder for the executed notebook"
    )
    demo.add_argument("--no-open", action="store_true", help="stop after writing")
    page = commands.add_parser(
        "html", help="run a model on a text and write a page that shows it without Python"
    )
    page.add_argument(
        "model", help="a folder, a model that an installed package contains, or one on the hub"
    )
    page.add_argument("text")
    page.add_argument("-o", "--out", type=Path, required=True, help="the file to write")
    page.add_argument("--pair", help="the second sentence, for models that take two")
    for name, kind in (("view", str), ("method", str), ("layer", int), ("head", int)):
        page.add_argument(f"--{name}", type=kind, help=f"the {name} that the page opens with")
    options = parser.parse_args(arguments)
    try:
        if options.command == "html":
            return _html(options)
        return _demo(
            options.notebook, options.out, open_lab=not options.no_open and sys.stdout.isatty()
        )
    except (AttnWidgetError, OSError, ImportError) as error:
        print(error, file=sys.stderr)
        return 1


def _html(options: argparse.Namespace) -> int:
    from attn_widget import explore

    given = {name: getattr(options, name) for name in ("view", "method", "layer", "head")}
    start = {name: value for name, value in given.items() if value is not None}
    widget = explore(options.model, text=options.text, pair=options.pair, **start)
    written = widget.to_html(options.out)
    print(f"written   {written} ({written.stat().st_size / 1e6:.2f} MB)")
    return 0


def _demo(notebook: Path, out: Path, *, open_lab: bool) -> int:
    if not notebook.is_file():
        raise FileNotFoundError(
            f"notebook must be a file, got {notebook}. "
            "Run this in a clone of the project, or name a notebook."
        )
    written = execute(notebook, out)
    print(f"executed  {notebook}\nwritten   {written}")
    if not open_lab:
        print(f"open it   {Path(sys.executable).parent / 'jupyter'} lab {written}")
        return 0
    is_root = hasattr(os, "geteuid") and os.geteuid() == 0
    as_root = ["--allow-root"] if is_root else []  # Jupyter refuses root without it
    return subprocess.call([sys.executable, "-m", "jupyter", "lab", *as_root, str(written)])


def execute(notebook: Path, out: Path, *, startup: Path | None = None) -> Path:
    """Execute a notebook and return the path of the copy, which contains the widget state.

    Parameters
    ----------
    notebook
        The file to execute.
    out
        The folder of the copy.
    startup
        A file that the kernel runs before the first cell.

    Raises
    ------
    ImportError
        If nbclient or ipykernel is not installed; the message tells how to install them.
    """
    try:
        import nbformat
        from nbclient import NotebookClient
    except ImportError as error:
        raise ImportError(
            "demo needs JupyterLab and nbclient. Install them: pip install jupyterlab nbclient"
        ) from error
    document = nbformat.read(notebook, as_version=4)
    kernel = document.metadata.get("kernelspec", {}).get("name", "python3")
    # Without this, frozen modules warn at every start.
    os.environ.setdefault("PYDEVD_DISABLE_FILE_VALIDATION", "1")
    # New kernels warn about their own transport at every start.
    arguments = ["--IPKernelApp.log_level=ERROR"]
    if startup is not None:
        arguments.append(f"--IPKernelApp.exec_files={startup.resolve()}")
    # In the notebook's own folder, like Jupyter: it imports and reads files from there.
    resources = {"metadata": {"path": str(notebook.parent)}}
    NotebookClient(
        document, timeout=600, kernel_name=kernel, extra_arguments=arguments, resources=resources
    ).execute()
    out.mkdir(parents=True, exist_ok=True)
    written = out / notebook.name
    nbformat.write(document, written)
    return written
