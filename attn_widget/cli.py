"""``attn-widget demo``: execute a notebook on a real model, keep what it shows, and open it."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

QUICKSTART = Path("notebooks/01_quickstart.ipynb")


def main(arguments: list[str] | None = None) -> int:
    """Run the command line and return its exit status: 0 done, 1 refused with one line that says why."""
    parser = argparse.ArgumentParser(prog="attn-widget", description="What is this model looking at?")
    commands = parser.add_subparsers(dest="command", required=True)
    demo = commands.add_parser("demo", help="execute a notebook, write it with its pictures, open it in JupyterLab")
    demo.add_argument("notebook", nargs="?", type=Path, default=QUICKSTART)
    demo.add_argument("--out", type=Path, default=Path("build"), help="folder for the executed notebook")
    demo.add_argument("--no-open", action="store_true", help="stop after writing")
    options = parser.parse_args(arguments)
    try:
        return _demo(options.notebook, options.out, open_lab=not options.no_open and sys.stdout.isatty())
    except (FileNotFoundError, ImportError) as error:
        print(error, file=sys.stderr)
        return 1


def _demo(notebook: Path, out: Path, *, open_lab: bool) -> int:
    if not notebook.is_file():
        raise FileNotFoundError(
            f"notebook must be a file, got {notebook}. Run this in a clone of the project, or name a notebook."
        )
    written = execute(notebook, out)
    print(f"executed  {notebook}\nwritten   {written}")
    if not open_lab:
        print(f"open it   {Path(sys.executable).parent / 'jupyter'} lab {written}")
        return 0
    as_root = ["--allow-root"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []  # Jupyter refuses without it
    return subprocess.call([sys.executable, "-m", "jupyter", "lab", *as_root, str(written)])


def execute(notebook: Path, out: Path) -> Path:
    """Return the path of the executed copy of a notebook, with widget state, so that it shows without running.

    Raises
    ------
    ImportError
        If nbclient or ipykernel is not installed; the message has the line that installs them.
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
    os.environ.setdefault("PYDEVD_DISABLE_FILE_VALIDATION", "1")  # else frozen modules warn on every start
    quiet = ["--IPKernelApp.log_level=ERROR"]  # new kernels warn of their own transport at every start
    NotebookClient(document, timeout=600, kernel_name=kernel, extra_arguments=quiet).execute()
    out.mkdir(parents=True, exist_ok=True)
    written = out / notebook.name
    nbformat.write(document, written)
    return written
