"""One entry of a comparison: it is built, trained, measured and drawn, and an error becomes its status."""

import os
import traceback
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxgen import data as datasets
from jaxgen import viz
from jaxgen.atomic import write_json
from jaxgen.cli.ahead import Ahead
from jaxgen.cli.beside import as_figures
from jaxgen.cli.equal import steps_of
from jaxgen.cli.sites import sites_png
from jaxgen.data import Dataset
from jaxgen.evaluation import Baselines, Reference, density_grid, evaluate, failures, gaps_of, mean_nfe, reference, table_figures, too_good
from jaxgen.evaluation.tracks import MAX_STAGES, as_followed, track
from jaxgen.model import Model
from jaxgen.training import PATIENCE, Entry, Fitted, TrainingDiverged, compile_fit, fit, steps_for, verdict
from jaxgen.transform import Density
from jaxgen.viz.atlas.of_entry import Densities, panel_of, points_of
from jaxgen.viz.of_entry import picture
from jaxgen.zoo import Prepared, count_params, exact, num_sampling_params, prepare

BATCH = 256
STAGES = 160
"""How many stages the panels of the atlas keep in all, so that they and the pictures stay below 8 MB."""


class Budget(NamedTuple):
    """Say how much a comparison measures.

    Attributes:
        samples: The number of samples of a model.
        events: The number of test events whose density is taken.
        draws: The number of draws of a bound.
        grid: The number of points on a side of the grid of densities.
        points: The most points of distances whose cost grows with the square.
    """

    samples: int
    events: int
    draws: int
    grid: int
    points: int


FULL, QUICK = Budget(10_000, 10_000, 500, 64, 2_000), Budget(2_000, 2_000, 20, 40, 500)


def stages_for(num: int) -> int:
    """Return how many stages of each of `num` models the atlas of a comparison keeps.

    >>> stages_for(1), stages_for(13), stages_for(60)
    (17, 12, 2)
    """
    return max(2, min(MAX_STAGES, STAGES // num))


class Run(NamedTuple):
    """Hold what all entries of a comparison share.

    Attributes:
        data: The name or path of the data.
        dataset: The data.
        real: Test events, and others that give the floors.
        budget: How much is measured.
        steps: The number of training steps, or None for each model's own.
        quick: Whether every model is trained for a short time.
        num_params: The number of parameters that sampling needs.
        out: The run folder.
        settings: The options that a resumed run has to have as well.
        beside: The likelihoods of simple densities; None for data whose entropy is known and for codes.
        stages: How many stages of a model the atlas keeps.
    """

    data: str
    dataset: Dataset
    real: Reference
    budget: Budget
    steps: int | None
    quick: bool
    num_params: int
    out: Path
    settings: dict[str, Any]
    beside: Baselines | None
    stages: int


class Built(NamedTuple):
    """Hold an entry whose training is compiled.

    Attributes:
        prepared: The entry with the data in its coordinates.
        batch: The number of events of a batch.
        steps: The number of training steps.
        key: The random key of the training.
        compile_seconds: The seconds that compiling has taken.
    """

    prepared: Prepared
    batch: int
    steps: int
    key: jax.Array
    compile_seconds: float


def build(run: Run, item: tuple[str, int]) -> Built:
    """Build an entry and compile its training.

    Args:
        run: What all entries share.
        item: The name of the model, and the seed.
    """
    name, seed = item
    levels: dict[str, Any] = {} if run.dataset.levels is None else {"levels": run.dataset.levels}
    prepared = prepare(name, run.dataset, num_params=run.num_params, **levels)
    entry, batch = prepared.entry, min(BATCH, len(run.dataset.train))
    steps = steps_for(entry.card.num_steps, len(run.dataset.train), batch)
    given = run.steps or steps_of(run.settings["equal"], run.settings["amount"], run.quick, entry, prepared.data.train, batch)
    steps = given or (max(20, steps // 15) if run.quick else steps)
    # The key depends on the name, so that a model's result does not change when another model joins the zoo.
    key = jax.random.fold_in(jax.random.key(seed), zlib.crc32(name.encode()))
    return Built(prepared, batch, steps, key, compile_fit(key, entry, prepared.data.train, steps, batch_size=batch))


def one_entry(run: Run, name: str, seed: int, ahead: Ahead[tuple[str, int], Built], then: Callable[[], None] | None) -> dict[str, Any]:
    """Build, train and measure one entry. An error becomes the status of this entry and does not stop the others.

    Args:
        run: What all entries share.
        name: The name of the model.
        seed: The seed.
        ahead: What builds entries, this one perhaps ahead.
        then: A function that is called when nothing more is timed, so that what it begins slows nothing that is measured.

    Returns:
        The row of `results.json`.
    """
    result: dict[str, Any] = {"model": name, "seed": seed, "status": "ok", "settings": run.settings}
    try:
        prepared, batch, steps, key, compile_seconds = ahead.take((name, seed))
        entry = prepared.entry
        result |= {"family": entry.card.family, "objective": entry.card.objective, "reading": entry.card.reading, "num_steps": steps}
        result |= {"accent": entry.card.style.accent, "sentence": entry.card.style.sentence}
        held_out = {} if run.dataset.log_prob is not None else {"valid": prepared.data.valid, "patience": PATIENCE}
        fitted = fit(key, entry, prepared.data.train, steps, batch_size=batch, **held_out)
        result["verdict"] = str(verdict(fitted.history) or "")
        if fitted.status == "interrupted":
            raise KeyboardInterrupt
        result["num_params"] = num_sampling_params(entry.model)
        result["num_aux_params"] = count_params(fitted.params) + count_params(fitted.aux) - result["num_params"]
        entry, fitted = prepared.standardised(fitted)
        result["density"] = str(entry.model.transform.kind)
        result["train_seconds"] = fitted.history["train_seconds"]
        result["compile_seconds"] = compile_seconds + fitted.history["compile_seconds"]
        _measure(run, entry, fitted, jax.random.fold_in(key, 1), result, seed, then)
    except TrainingDiverged as error:
        result["status"] = f"failed: {error}"
    except Exception as error:  # an entry that fails is a red row of the page, and the others go on
        # A ValueError is most likely an argument that this model cannot take, and its message says so.
        if not isinstance(error, ValueError) or os.environ.get("JAXGEN_TRACEBACK"):
            traceback.print_exc()
        result["status"] = f"failed: {type(error).__name__}: {error}"
    return result


def _measure(
    run: Run, entry: Entry, fitted: Fitted, key: jax.Array, result: dict[str, Any], seed: int, then: Callable[[], None] | None
) -> None:
    pictures = run.out / "pictures"
    pictures.mkdir(exist_ok=True)
    file, levels = pictures / picture_name(entry.card.name, seed), run.dataset.levels
    if levels is not None:
        result["nfe"] = mean_nfe(key, entry.model, fitted.params)
        _figures(run, entry, fitted, key, result, None, then)
        file.write_bytes(sites_png(jax.random.fold_in(key, 0), entry, fitted.params, run.real.x, levels))
        return
    model, real, plane = entry.model, run.real, run.dataset.train.shape[1] == 2
    tracks = track(jax.random.fold_in(key, 0), model, fitted.params, real.x, run.stages)
    result["nfe"] = tracks.nfe
    size = _effort(run.budget, model.transform.kind, tracks.nfe)[2]
    # The densities of a chain are dear, so its points in the atlas tell none.
    points = points_of(tracks) if model.transform.kind is Density.EXACT or tracks.nfe <= 2 else real.x[:0]
    grid = density_grid(real.x, size) if plane else None
    log_density = _figures(run, entry, fitted, key, result, points if grid is None else np.concatenate([points, grid[2]]), then)
    densities = None if log_density is None else Densities.parted(log_density, len(points), size if plane else None)
    density = None if densities is None or grid is None or densities.on_grid is None else (*grid[:2], densities.on_grid.reshape(size, size))
    row = picture(entry, fitted, as_followed(tracks), real.x, density, result["density"])
    file.write_bytes(viz.figure_png(viz.draw_row(row)))
    write_json(file.with_suffix(".json"), panel_of(entry, fitted, real.x, tracks, densities).as_json())


def _figures(
    run: Run,
    entry: Entry,
    fitted: Fitted,
    key: jax.Array,
    result: dict[str, Any],
    also: np.ndarray | None,
    then: Callable[[], None] | None,
) -> np.ndarray | None:
    """Measure the default reading and the others; return the log densities of the default one at `also`."""
    model, real = entry.model, run.real
    others = [(reading, m) for reading, m in entry.readings.items() if m is not model and not run.quick]
    events, draws, _ = _effort(run.budget, model.transform.kind, result["nfe"])
    figures, samples, log_density = evaluate(
        jax.random.fold_in(key, 1),
        model,
        fitted.params,
        real,
        num_samples=run.budget.samples,
        num_events=events,
        num_draws=draws,
        also=also,
        when_timed=None if others else then,
    )
    result |= {**figures, **as_figures(run.beside), **_of_columns(run.dataset, samples)}
    found = failures(model, fitted.params, samples, real, history=fitted.history, seed=result["seed"])
    result["detectors"] = [finding._asdict() for finding in found]
    why = too_good(result, real.entropy)
    if why is not None:
        result["status"] = f"failed: {why}"
    result["readings"] = {
        reading: {"density": str(m.transform.kind), **_other_reading(run, m, fitted, key, then if m is others[-1][1] else None)}
        for reading, m in others
    }
    return log_density


def _of_columns(dataset: Dataset, samples: np.ndarray) -> dict[str, float]:
    """The errors of a table's columns and pairs, and how well a classifier tells samples from data, beside the floors; {} for other data."""
    if dataset.schema is None or not dataset.schema.event or dataset.units is None:
        return {}
    x, test, train = (exact(dataset.schema, dataset.units.restore(rows)) for rows in (samples, dataset.test, dataset.train))
    figures = table_figures(x[: len(test)], test, train, dataset.schema)
    return {name: value for name, value in figures.items() if isinstance(value, float) and np.isfinite(value)}


def _other_reading(run: Run, model: Model, fitted: Fitted, key: jax.Array, then: Callable[[], None] | None) -> dict[str, Any]:
    """Evaluate a reading that is not the default one on fewer samples."""
    events, draws, _ = _effort(run.budget, model.transform.kind, 100)
    num = {"num_samples": run.budget.samples // 5, "num_events": min(events, 2_000), "num_draws": draws}
    figures, _, _ = evaluate(key, model, fitted.params, run.real, **num, when_timed=then)
    return {**figures, "nfe": mean_nfe(key, model, fitted.params)}


def _effort(budget: Budget, kind: Density, nfe: float) -> tuple[int, int, int]:
    """The numbers of test events, of draws and of grid points for a kind of density: draws are cheap for one pass, and dear for a chain."""
    if kind is Density.EXACT:
        return budget.events, 1, budget.grid
    if nfe <= 2:
        return budget.events // 5, budget.draws, budget.grid * 3 // 4
    return budget.events // 5, min(4, budget.draws), budget.grid // 2


def reference_of(data: str, dataset: Dataset, budget: Budget) -> Reference:
    """Draw fresh test events, and as many independent real events that give the floors.

    Args:
        data: The name or path of the data.
        dataset: The data.
        budget: How many events there are.
    """
    test = dataset.test
    if data in (*datasets.NAMES, *datasets.DISCRETE) and data not in ("digits", "text"):
        again = datasets.draw(data, 1, budget.samples)
        test = datasets.draw(data, 2, budget.samples)
    else:
        again = dataset.train[: len(test)]
    return reference(
        test,
        again,
        log_prob=dataset.log_prob,
        entropy=dataset.entropy,
        mode=dataset.mode,
        mode_weights=dataset.mode_weights,
        max_points=budget.points,
        gaps=gaps_of(dataset),
    )


def picture_name(model: str, seed: int) -> str:
    """Return the name of the picture of an entry.

    Args:
        model: The name of the model.
        seed: The seed.

    >>> picture_name("gan", 0)
    'gan-0.png'
    """
    return f"{model}-{seed}.png"
