"""A hook of mkdocs: pages that are made from files outside `docs/`, and links that work on the site as they do in the repository."""

import posixpath
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).parent))  # mkdocs runs a hook as a file that belongs to no package

from notebook_pages import as_page

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[2]
PAGES = {"README.md": "index.md", "CONTRIBUTING.md": "contributing.md", "CHANGELOG.md": "changelog.md"}
NOTEBOOKS = {f"notebooks/{path.name}": f"tutorials/{path.stem}.md" for path in sorted((ROOT / "notebooks").glob("*.py"))}
COPIES = {**PAGES, **NOTEBOOKS, "notebooks/picture.png": "picture.png"}
"""Where a file of the repository stands on the site, if it is not under `docs/`."""
SOURCES = {place: source for source, place in COPIES.items()}


def on_files(files: "Files", config: "MkDocsConfig") -> "Files":
    """Add the files that lie outside `docs/`; a notebook becomes a page."""
    from mkdocs.structure.files import File

    for source, place in COPIES.items():
        path = ROOT / source
        content = as_page(path) if source in NOTEBOOKS else path.read_bytes()
        files.append(File.generated(config, place, content=content))
    return files


def on_page_markdown(markdown: str, page: "Page", config: "MkDocsConfig", files: "Files") -> str:
    """Point the relative links of one page to where their files stand on the site, and to the repository if they are not on it."""
    here = page.file.src_uri
    return re.sub(r"\]\(([^()\s]+)\)", lambda link: f"]({moved(link.group(1), here, config.repo_url)})", markdown)


def moved(link: str, here: str, repository: str) -> str:
    """Return the target of a link as the site needs it.

    Args:
        link: What stands between the parentheses, relative to the file in the repository.
        here: The page's place on the site.
        repository: Where files are shown that are not on the site.

    >>> moved("docs/how-to/data.md", "index.md", "https://example.org")
    'how-to/data.md'
    >>> moved("../../CONTRIBUTING.md#set-up", "how-to/data.md", "https://example.org")
    '../contributing.md#set-up'
    >>> moved("../../constraints.txt", "how-to/data.md", "https://example.org")
    'https://example.org/blob/main/constraints.txt'
    """
    path, anchor = re.fullmatch(r"([^#]*)(#.*)?", link).groups(default="")
    source = SOURCES.get(here, f"docs/{here}")
    target = posixpath.normpath(posixpath.join(posixpath.dirname(source), path))
    if not path or "://" in path or not (ROOT / target).exists():
        return link
    if target in COPIES or target.startswith("docs/"):
        place = COPIES.get(target, target.removeprefix("docs/"))
        return posixpath.relpath(place, posixpath.dirname(here) or ".") + anchor
    return f"{repository}/blob/main/{target}{anchor}"
