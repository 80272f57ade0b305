"""Notebooks parse and compile on every run; `-m notebook` executes them from top to bottom."""

import os
import re
import tomllib
from pathlib import Path

import jupytext
import pytest

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.py"))


def parametrize_notebooks(test):
    return pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)(test)


@parametrize_notebooks
def test_notebook_reads_as_one(path):
    cells = jupytext.read(path).cells
    kinds = {cell.cell_type for cell in cells}
    assert kinds == {"code", "markdown"} and len(cells) >= 12
    assert cells[0].cell_type == "markdown" and cells[0].source.startswith("# ")
    for number, cell in enumerate(cells):
        assert cell.source.strip(), f"cell {number} is empty"
        if cell.cell_type == "code":
            compile(cell.source, f"{path.name}, cell {number}", "exec")


@parametrize_notebooks
def test_notebook_round_trips(path):
    """What jupytext would write back is what is in the repository, so editing it as a notebook gives small diffs."""
    notebook = jupytext.read(path)
    again = jupytext.reads(jupytext.writes(notebook, fmt="py:percent"), fmt="py:percent")
    assert [cell.source for cell in again.cells] == [cell.source for cell in notebook.cells]


@parametrize_notebooks
def test_notebook_begins_with_its_answer_and_opens_in_colab(path):
    """A title, a paragraph that one can read alone, and the badge; `nanojaxgen.py` is a file to read and has no line to spare."""
    title, answer, *rest = jupytext.read(path).cells[0].source.split("\n\n")
    assert re.fullmatch(r"# [^\n]+", title) and len(answer) > 150 and answer.rstrip().endswith((".", ":"))
    repository = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["urls"]["Homepage"].split("github.com/")[1]
    opens = f"https://colab.research.google.com/github/{repository}/blob/gh-pages/notebooks/{path.stem}.ipynb"
    assert path.stem == "nanojaxgen" or re.fullmatch(rf"\[!\[Open in Colab\]\(https://\S+\)\]\({re.escape(opens)}\)", rest[-1])


@pytest.mark.notebook
@parametrize_notebooks
def test_notebook_runs(path, monkeypatch):
    from nbclient import NotebookClient

    # The kernel finds the checkout whether or not the package is installed.
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")])))
    notebook = jupytext.read(path)
    NotebookClient(notebook, timeout=600, kernel_name="python3", resources={"metadata": {"path": str(ROOT)}}).execute()
    assert all(cell.execution_count for cell in notebook.cells if cell.cell_type == "code")
    warnings = [out.text for cell in notebook.cells for out in cell.get("outputs", []) if out.get("name") == "stderr"]
    assert warnings == []
