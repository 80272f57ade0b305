"""`jaxgen atlas`: one page on which trained models move the same noise at once."""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np

from jaxgen import zoo
from jaxgen.cli import arguments
from jaxgen.cli.events import load_for
from jaxgen.cli.pixels import classes_of, labelled, levels_of
from jaxgen.cli.sample import in_reading
from jaxgen.training import Entry, Fitted
from jaxgen.viz.atlas import Panel, Tiles, images_panel, points_panel, write_atlas


def atlas(
    runs: tuple[Path, ...],
    /,
    *,
    out: Path = Path("atlas.html"),
    reading: str | None = None,
    label: str | None = None,
    seed: int = 0,
) -> int:
    """Write one page that plays the transformations of trained models at once and marks the same noise in all of them.

    Args:
        runs: Run folders that `jaxgen train` wrote, of models of vectors or of images.
        out: The page, which opens without a network.
        reading: Reading of the parameters, such as ode, for the models that have it; the others are read as usual.
        label: For models of images with labels, the name of the class to draw; the others draw as usual. By default the first one.
        seed: Seed of the noise that is not shared, such as that on the way of a stochastic sampler.
    """
    if not runs:
        raise ValueError("RUNS: none given; accepted: one or more run folders that jaxgen train wrote.")
    arguments.seed(seed)
    if out.suffix not in (".html", ".htm"):
        raise ValueError(f"--out {out}: accepted: a file that ends in .html.")
    arguments.file("--out", out)
    loaded = [(run, *zoo.load(run)) for run in runs]
    for run, entry, _ in loaded:
        _check(run, entry)
    if reading is not None and not any(reading in entry.readings for _, entry, _ in loaded):
        known = sorted({name for _, entry, _ in loaded for name in entry.readings})
        raise ValueError(f"--reading {reading}: accepted: {', '.join(known)}, the readings of these models.")
    if label is not None and not any(classes_of(entry) for _, entry, _ in loaded):
        raise ValueError(f"--label {label}: all models were trained without labels; accepted: a model of images with labels among them.")
    panels: list[Panel | Tiles] = []
    names = _names(runs)
    for name, (run, entry, fitted) in zip(names, loaded, strict=True):
        entry = in_reading(entry, reading if reading in entry.readings else None)
        panels.append(_panel(jax.random.key(seed), name, run, entry, fitted, label))
        print(f"{name}: {entry.card.name} ({entry.card.reading})", flush=True)
    wide = [p.label.name for p in panels if isinstance(p, Panel) and p.wide]
    notes = [f"Events of {', '.join(wide)} have more than two coordinates; the first two are shown."] if wide else []
    write_atlas(out, "jaxgen atlas", panels, notes=notes)
    print(f"{len(panels)} models in {out}, {out.stat().st_size / 1e6:.1f} MB")
    return 0


def _check(run: Path, entry: Entry) -> None:
    config = entry.card.config
    images = len(config["event_shape"]) == 3
    if config["cond_shape"] is not None and not (images and classes_of(entry)):
        raise ValueError(f"{run}: this model takes conditions; accepted: a model without conditions, or one of images with labels.")
    if not images and config["name"] in zoo.DISCRETE:
        raise ValueError(f"{run}: the events of this model are codes; accepted: a model of numbers or of images.")
    if zoo.schema_of(entry) is not None and any(column.kind == "category" for column in _columns(entry)):
        raise ValueError(f"{run}: this model has columns of categories; accepted: a model of numbers or of images.")


def _columns(entry: Entry) -> tuple[Any, ...]:
    schema = zoo.schema_of(entry)
    return () if schema is None else schema.event


def _names(runs: tuple[Path, ...]) -> list[str]:
    """Return the names of the folders, with the folders above them where names would be the same."""
    names = [run.resolve().name for run in runs]
    return [name if names.count(name) == 1 else str(run) for name, run in zip(names, runs, strict=True)]


def _panel(key: jax.Array, name: str, run: Path, entry: Entry, fitted: Fitted, label: str | None) -> Panel | Tiles:
    figures = _figures(run)
    if len(entry.card.config["event_shape"]) == 3:
        classes = classes_of(entry)
        cond = labelled(entry, (label or classes[0],), 1)[0] if classes else None
        shown = images_panel(key, entry, fitted, name, levels_of(entry), cond)
        facts = figures | ({"class": label or classes[0]} if classes else {})
    else:
        source = entry.card.config.get("source")
        if source is None:
            raise ValueError(f"{run}: its config does not say which data it was trained on; accepted: a folder that jaxgen train wrote.")
        shown = points_panel(key, entry, fitted, _events(entry, source), name, str(source["data"]))
        facts = figures
    return shown._replace(label=shown.label._replace(facts={**shown.label.facts, **facts}))


def _events(entry: Entry, source: Mapping[str, Any]) -> np.ndarray:
    """Return the test rows in the units of the model, which are those of the data."""
    dataset = load_for(entry.card.config["name"], source, schema=zoo.schema_of(entry))
    rows = dataset.test
    return rows if dataset.units is None else dataset.units.restore(rows).astype(np.float32)


def _figures(run: Path) -> dict[str, str]:
    """Return what `jaxgen evaluate` wrote of a run, as text."""
    try:
        figures = json.loads((run / "evaluation.json").read_text(encoding="utf-8"))
        nll = figures.get("nll")
        return {} if nll is None else {"NLL": f"{nll:.3f}"}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, AttributeError, TypeError) as error:
        print(f"{run / 'evaluation.json'}: cannot be read and is left out: {error}", file=sys.stderr)
        return {}
