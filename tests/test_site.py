"""The site of the documents holds every public name; pages and links are whole. Only the laws of the built pages need mkdocs."""

import doctest
import importlib
import os
import re
import subprocess
import sys
import types
from pathlib import Path

import pytest

import jaxgen

ROOT = Path(__file__).resolve().parents[1]
CONFIG = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
API = ROOT / "docs" / "reference" / "api"
NOT_OURS = {"jaxgen.types": {"Array", "Bool", "DTypeLike", "Float", "PyTree"}}
"""Names that a module passes on from other libraries, whose own documents hold them."""
BEYOND = ("jaxgen.evaluation.calibration", "jaxgen.evaluation.oracles", "jaxgen.types")
"""Public modules that no `__all__` names, because they are imported by their own names."""


def rooms(module: types.ModuleType = jaxgen) -> list[str]:
    """The public modules: the package, and what each `__all__` names."""
    inner = [getattr(module, name) for name in getattr(module, "__all__", ())]
    ours = [value for value in inner if isinstance(value, types.ModuleType) and value.__name__.startswith(f"{module.__name__}.")]
    return [module.__name__, *(name for value in ours for name in rooms(value))]


ROOMS = sorted({*rooms(), *BEYOND})


def public_names(room: str) -> set[str]:
    """What a room's page has to hold: its `__all__`, or what its file defines; modules have pages of their own."""
    module = importlib.import_module(room)
    values = vars(module) if not hasattr(module, "__all__") else {name: getattr(module, name) for name in module.__all__}
    defined = hasattr(module, "__all__")
    names = {n for n, value in values.items() if defined or (not n.startswith("_") and getattr(value, "__module__", None) == room)}
    return {name for name in names if not isinstance(values[name], types.ModuleType)} - NOT_OURS.get(room, set())


# --- Without mkdocs ---


def test_every_public_module_has_a_page_and_a_place_in_the_reference():
    assert sorted(path.stem for path in API.glob("*.md")) == ROOMS and len(ROOMS) > 30
    assert sorted(re.findall(r": reference/api/(\S+)\.md", CONFIG)) == ROOMS


@pytest.mark.parametrize("room", ROOMS)
def test_a_page_asks_for_all_public_names_of_its_module(room):
    """The directive has no options, so that no page can leave a name out; the filter of all of them is `__all__`."""
    title, *directives = (line for line in (API / f"{room}.md").read_text(encoding="utf-8").splitlines() if line)
    assert title.startswith("# ") and title.endswith(f": `{room}`") and directives == [f"::: {room}"]
    assert re.findall(r"^\s+filters: (.*)$", CONFIG, re.MULTILINE) == ["public"] and public_names(room)


def test_every_page_of_the_documents_has_a_place_on_the_site():
    nav = set(re.findall(r": (\S+\.md)$|- (\S+/index\.md)$", CONFIG[CONFIG.index("\nnav:") :], re.MULTILINE))
    places = {a or b for a, b in nav}
    pages = {path.relative_to(ROOT / "docs").as_posix() for path in (ROOT / "docs").rglob("*.md")}
    notebooks = {f"tutorials/{path.stem}.md" for path in (ROOT / "notebooks").glob("*.py")}
    assert places == pages | notebooks | {"index.md", "contributing.md", "changelog.md"}


def test_every_notebook_is_listed_with_what_it_answers():
    index = (ROOT / "docs" / "tutorials" / "index.md").read_text(encoding="utf-8")
    assert re.findall(r"^\| \[.+\]\(\.\./\.\./(\S+)\) \| .+ \|$", index, re.MULTILINE) == [
        f"notebooks/{path.name}" for path in sorted((ROOT / "notebooks").glob("*.py"))
    ]


def hook(name: str) -> types.ModuleType:
    sys.path.insert(0, str(ROOT / "docs" / "hooks"))
    try:
        return importlib.import_module(name)
    finally:
        sys.path.pop(0)


@pytest.mark.parametrize("name", ["pages", "examples"])
def test_the_examples_of_the_hooks_hold(name):
    if name == "examples":
        pytest.importorskip("griffe", reason="the site's tools are not installed: pip install .[docs]")
    failures, tried = doctest.testmod(hook(name))
    assert tried and not failures


# --- The built site ---


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The folder of the built site: the one that `.ci/run` has built, or a new one."""
    if "JAXGEN_SITE" in os.environ:
        return Path(os.environ["JAXGEN_SITE"])
    pytest.importorskip("mkdocs", reason="the site's tools are not installed: pip install .[docs]")
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, env={**os.environ, "NO_MKDOCS_2_WARNING": "1"})
    return folder


def read(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def test_the_reference_holds_every_public_name(site):
    lacking = {}
    for room in ROOMS:
        headings = set(re.findall(r'<h[2-6] id="([^"]+)"', read(site / "reference" / "api" / room / "index.html")))
        lacking[room] = sorted(name for name in public_names(room) if f"{room}.{name}" not in headings)
    assert {room: names for room, names in lacking.items() if names} == {}


def test_types_in_signatures_lead_to_their_own_entries(site):
    page = read(site / "reference" / "api" / "jaxgen.transforms" / "index.html")
    assert 'href="../jaxgen/#jaxgen.Transform"' in page and 'class="gp">&gt;&gt;&gt; ' in page


def test_no_link_of_the_site_is_dead(site):
    """mkdocs checks the links of Markdown; this law reads all links of the pages as a browser does, those of docstrings too."""
    dead = []
    for page in site.rglob("*.html"):
        for link in set(re.findall(r'(?:href|src)="([^"#:]+)(?:#[^"]*)?"', read(page))):
            target = site / link.lstrip("/") if link.startswith("/") else page.parent / link
            if not (target / "index.html" if target.is_dir() else target).exists():
                dead.append((page.relative_to(site).as_posix(), link))
    assert dead == []
