"""Notebooks as pages of the site, and as the `.ipynb` files that their badges open.

`python docs/hooks/notebook_pages.py FOLDER` writes the `.ipynb` files. With `JAXGEN_RUN_NOTEBOOKS=1` the notebooks are run, and their pages have
pictures; it takes minutes, so the checks leave it out and the release does it.
"""

import os
import sys
from pathlib import Path
from typing import Any

import jupytext
import nbformat

ROOT = Path(__file__).resolve().parents[2]
INSTALL = "%pip install -q jaxgen"


def as_page(path: Path) -> str:
    """Return the Markdown of one notebook: its text, its code and, if it was run, what the code showed."""
    return "\n\n".join(block for cell in _read(path).cells for block in _blocks(cell)) + "\n"


def as_ipynb(path: Path) -> str:
    """Return one notebook in Jupyter's own format, with a cell before its code that installs the library where it is missing, as in Colab."""
    notebook = _read(path)
    first = next(i for i, cell in enumerate(notebook.cells) if cell.cell_type == "code")
    notebook.cells.insert(first, nbformat.v4.new_code_cell(INSTALL))
    return nbformat.writes(notebook)


def _read(path: Path) -> Any:
    notebook = jupytext.read(path)
    if os.environ.get("JAXGEN_RUN_NOTEBOOKS"):
        from nbclient import NotebookClient

        NotebookClient(notebook, timeout=600, kernel_name="python3", resources={"metadata": {"path": str(ROOT)}}).execute()
    return notebook


def _blocks(cell: Any) -> list[str]:
    if cell.cell_type == "markdown":
        return [cell.source]
    return [f"```python\n{cell.source}\n```", *(_shown(output) for output in cell.get("outputs", []))]


def _shown(output: Any) -> str:
    data = output.get("data", {})
    if "image/png" in data:
        return f"![What this cell draws](data:image/png;base64,{data['image/png'].strip()})"
    return f"```text\n{(output.get('text') or data.get('text/plain', '')).rstrip()}\n```"


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for source in sorted((ROOT / "notebooks").glob("*.py")):
        (folder / f"{source.stem}.ipynb").write_text(as_ipynb(source), encoding="utf-8")
