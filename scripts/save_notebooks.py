"""Execute notebooks and save them with pictures instead of live widgets.

``python scripts/save_notebooks.py [NOTEBOOK …]`` writes in place; without arguments, all of
``notebooks/``.
"""

from __future__ import annotations

import base64
import io
import os
import sys
import tempfile
from pathlib import Path

import nbformat
from PIL import Image

from attn_widget.cli import execute

COLOURS = 255
LIVE = "application/vnd.jupyter.widget-view+json"
ROOT = Path(__file__).parents[1]
# Numbers must be reproducible with the same packages; progress bars would be saved in the file.
SETTINGS = {
    "OMP_NUM_THREADS": "1",
    "PYTHONHASHSEED": "0",
    "HF_HUB_OFFLINE": "1",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "TQDM_DISABLE": "1",
    "TOKENIZERS_PARALLELISM": "false",
}


def save(notebook: Path) -> None:
    """Execute a notebook and write it back with its outputs, without metadata of the run."""
    with tempfile.TemporaryDirectory() as folder:
        written = execute(
            notebook, Path(folder), startup=Path(__file__).with_name("still_pictures.py")
        )
        document = nbformat.read(written, as_version=4)
    language = {"name": document.metadata.kernelspec.language}
    document.metadata = {"kernelspec": document.metadata.kernelspec, "language_info": language}
    for cell in document.cells:
        cell.metadata.pop("execution", None)
        if cell.cell_type == "code":
            cell.outputs = [
                output for output in cell.outputs if LIVE not in output.get("data", {})
            ]  # progress bars
        for output in cell.get("outputs", []):
            if output.output_type == "stream" and output.name == "stderr":
                raise RuntimeError(
                    f"{notebook.name} must run without warnings, got: {output.text.strip()[:500]}"
                )
            if "image/png" in output.get("data", {}):
                output.data["image/png"] = _in_few_colours(output.data["image/png"])
    nbformat.validate(document)
    nbformat.write(document, notebook)
    print(f"{notebook.relative_to(ROOT)}  {notebook.stat().st_size / 1e3:.0f} kB")


def _in_few_colours(picture: str) -> str:
    """Return a PNG (base64) with a palette: a third of the size, with no visible difference."""
    out = io.BytesIO()
    whole = Image.open(io.BytesIO(base64.b64decode(picture))).convert("RGB")
    whole.quantize(COLOURS, dither=Image.Dither.NONE).save(out, format="PNG", optimize=True)
    return base64.b64encode(out.getvalue()).decode()


def main(names: list[str]) -> None:
    """Save the named notebooks, or all."""
    os.environ.update(SETTINGS)
    for notebook in [Path(name).resolve() for name in names] or sorted(
        (ROOT / "notebooks").glob("*.ipynb")
    ):
        save(notebook)


if __name__ == "__main__":
    main(sys.argv[1:])
