"""README and documents tell the truth: the table is the zoo, the snippet runs, picture and links are there; examples are doctests."""

import re
from pathlib import Path

import jax
import pytest

import jaxgen

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
ZOO = (ROOT / "docs" / "reference" / "zoo.md").read_text(encoding="utf-8")
TABLE = [
    [cell.strip() for cell in line.strip("|").split("|")] for line in ZOO.splitlines() if line.startswith("| `") and line.count("|") == 6
]
ROWS = {cells[0].strip("`"): cells[1:] for cells in TABLE}


IMAGE_TABLE = [
    [cell.strip() for cell in line.strip("|").split("|")] for line in ZOO.splitlines() if line.startswith("| `") and line.count("|") == 5
]


def block(first_line: str) -> str:
    """The fenced Python block that starts with this line."""
    found = re.search(rf"```python\n({re.escape(first_line)}\n.*?)```", README, re.DOTALL)
    assert found, f"README.md has no Python block that starts with {first_line!r}"
    return found.group(1)


def test_table_lists_the_zoo():
    assert list(ROWS) == list(jaxgen.zoo.NAMES)


def shown(entry) -> str:
    kinds = {reading: str(model.transform.kind) for reading, model in entry.readings.items()}
    assert next(iter(kinds)) == entry.card.reading
    return ", ".join(f"{reading}: {kind}" for reading, kind in kinds.items()) if len(kinds) > 1 else kinds[entry.card.reading]


@pytest.mark.parametrize("name", jaxgen.zoo.NAMES)
def test_table_row_is_the_entry(name):
    entry = jaxgen.zoo.build(name, event_shape=(2,))
    family, _, objective, density = ROWS[name]
    assert (family, objective, density) == (entry.card.family, entry.card.objective, shown(entry))


def test_image_table_is_the_zoo_of_images():
    entries = [jaxgen.zoo.build(name, event_shape=(28, 28, 1)) for name in jaxgen.zoo.IMAGES]
    rows = [[f"`{e.card.name}`", e.card.family, jaxgen.zoo.pixels(e.card.name), shown(e)] for e in entries]
    assert [row for row in IMAGE_TABLE if row[0].strip("`") in jaxgen.zoo.IMAGES and row[2] in ("discrete", "continuous")] == rows


def test_sequence_table_is_the_zoo_of_sequences():
    entries = [jaxgen.zoo.build(name, event_shape=(8,)) for name in jaxgen.zoo.DISCRETE]
    rows = [[f"`{e.card.name}`", "uniform", e.card.objective, shown(e)] for e in entries]
    assert [row for row in IMAGE_TABLE if row[0].strip("`") in jaxgen.zoo.DISCRETE and row[1] == "uniform"] == rows


@pytest.mark.parametrize("name", jaxgen.zoo.NAMES)
def test_table_names_the_base(name):
    """Read off the base itself: the leaves of its noise, and its support and tail at one point far out."""
    base = jaxgen.zoo.build(name, event_shape=(2,)).model.base
    noise = base.sample(seed=jax.random.key(0))
    far = jax.tree.map(lambda a: 0 * a + 9.0, noise)
    per_number = float(base.log_prob(far)) / sum(a.size for a in jax.tree.leaves(noise))
    # log densities of one number at 9: -41.4 of a Gaussian, -9.0 of a logistic, -inf of a uniform.
    law = "uniform" if per_number == float("-inf") else "Gaussian" if per_number < -40 else "logistic"
    leaves = {
        ("latent", "noise"): " latent and noise",
        ("increments", "x0"): " start and increments",
        ("choice", "parts"): " choice, Gaussian noise",
    }
    assert ROWS[name][1] == law + (leaves[tuple(sorted(noise))] if isinstance(noise, dict) else "")


def test_snippet_runs_as_printed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    snippet = block("import jax, jaxgen")
    assert "num_steps=2_000" in snippet
    names: dict = {}
    exec(snippet.replace("num_steps=2_000", "num_steps=20"), names)
    assert names["x"].shape == (1000, 2) and (tmp_path / "picture.png").stat().st_size > 10_000
    assert names["lp"].value.shape == (len(names["data"].test),) and names["lp"].density is jaxgen.Density.EXACT
    assert names["fitted"].status == "finished" and names["entry"].card.name == "nsf"


def test_the_first_page_can_be_read_in_a_minute():
    assert len(README.splitlines()) <= 150
    assert sum(bool(line.strip()) for line in block("import jax, jaxgen").splitlines()) <= 12


def test_own_transform_is_about_thirty_lines():
    example = block(">>> import jax")
    assert 25 <= sum(line.startswith((">>>", "...")) for line in example.splitlines()) <= 40


def test_links_lead_somewhere():
    local = [target for target in re.findall(r"\]\(([^)]+)\)", README) if "://" not in target]
    assert local
    assert [target for target in local if not (ROOT / target).exists()] == []


def test_picture_is_small():
    assert 10_000 < (ROOT / "notebooks" / "picture.png").stat().st_size < 300_000
