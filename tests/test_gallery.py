"""The gallery is a program: each picture of the page is written by the lines above it. `-m notebook` runs it."""

import os
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "tutorials" / "gallery.md"
TEXT = PAGE.read_text(encoding="utf-8")
PICTURES = re.findall(r"!\[[^\]]+\]\((gallery/[\w.]+)\)", TEXT)


def blocks():
    return re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)


def test_each_picture_stands_below_the_lines_that_write_it():
    parts = re.split(r"!\[[^\]]+\]\(gallery/([\w.]+)\)", TEXT)
    assert len(PICTURES) >= 6 and parts[-1].strip() == ""
    for lines, name in zip(parts[::2], parts[1::2], strict=False):
        assert re.findall(r'savefig\(\s*"([\w.]+)"', lines) == [name]


def test_pictures_are_there_and_small():
    assert {path.name for path in PAGE.with_suffix("").iterdir()} == {Path(picture).name for picture in PICTURES}
    sizes = {picture: (PAGE.parent / picture).stat().st_size for picture in PICTURES}
    assert all(5_000 < size < 300_000 for size in sizes.values()), sizes


@pytest.mark.notebook
def test_the_page_draws_its_pictures(tmp_path, monkeypatch):
    folder = Path(os.environ.get("JAXGEN_GALLERY", tmp_path)).resolve()
    monkeypatch.chdir(folder)
    names: dict = {}
    for number, block in enumerate(blocks()):
        exec(compile(block, f"<gallery.md, block {number}>", "exec"), names)
    assert {path.name for path in folder.iterdir()} == {Path(picture).name for picture in PICTURES}
