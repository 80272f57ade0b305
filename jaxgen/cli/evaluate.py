"""`jaxgen evaluate`: measure a trained model on the test part of its data."""

from pathlib import Path
from typing import Any

import jax
import numpy as np
from rich.console import Console
from rich.table import Table

from jaxgen import evaluation, zoo
from jaxgen.atomic import write_json
from jaxgen.cli import arguments
from jaxgen.cli import columns as columns_of
from jaxgen.cli.beside import as_figures, baselines_of
from jaxgen.cli.events import load_for
from jaxgen.cli.features import figures_by_features
from jaxgen.cli.run_folder import plain
from jaxgen.cli.sample import in_reading
from jaxgen.data import Dataset
from jaxgen.training import Entry
from jaxgen.zoo.known_cells import as_gaps
from jaxgen.zoo.tables import exact


def evaluate(
    run: Path,
    /,
    *,
    data: str | None = None,
    data_dir: Path | None = None,
    classifier: Path | None = None,
    num_samples: int = 10_000,
    num_draws: int = 500,
    reading: str | None = None,
    seed: int = 0,
) -> int:
    """Measure the likelihood of test data and the distances of samples to them; print the figures and write evaluation.json.

    For a table the errors of columns and of pairs of columns, a classifier that tells samples from data, and the distance to the closest training
    row are measured as well, each beside that of data in the place of samples, and written as the page evaluation.html.

    Args:
        run: Run folder that `jaxgen train` wrote; evaluation.json is written there.
        data: Data set or file to compare with. By default it is the one that the model was trained on.
        data_dir: Folder with the files of a named image set. By default it is the one of the training.
        classifier: For images, folder of a classifier in whose features samples are compared. If the folder holds
            none, one is trained there.
        num_samples: Number of samples, and largest number of test events.
        num_draws: Number of draws for each event if the density is a bound or an estimate.
        reading: Reading of the parameters, such as ode. Give a wrong name to see which readings the model has.
        seed: Seed of samples and draws.
    """
    arguments.count("--num-samples", num_samples, 2)
    arguments.count("--num-draws", num_draws)
    arguments.seed(seed)
    entry, fitted = zoo.load(run)
    entry = in_reading(entry, reading)
    for option, value in (("--num-samples", num_samples), ("--num-draws", num_draws)):
        arguments.memory(option, value, *entry.card.config["event_shape"])
    source, dataset = source_of(entry, data, data_dir, classifier)
    real = evaluation.reference_of(dataset, num_samples, seed)
    figures, samples, _ = evaluation.evaluate(
        jax.random.key(seed), entry.model, fitted.params, real, num_samples=num_samples, num_events=num_samples, num_draws=num_draws
    )
    if dataset.levels is not None and figures["nll"] is not None:
        kind, discrete = entry.model.transform.kind, dataset.units is None
        bits = evaluation.bits_of_nll(figures["nll"], figures["nll_stderr"], kind, dataset.event_shape, discrete=discrete)
        figures |= {"bits_per_dim": bits.value, "bits_kind": str(bits.kind)}
    figures |= as_figures(baselines_of(dataset, most=num_samples)) if figures["nll"] is not None else {}
    if dataset.schema is not None and dataset.schema.event:
        table = _table_figures(dataset, samples, num_samples, seed)
        columns_of.write_page(run / "evaluation.html", entry.card.name, source["data"], {**figures, **table})
        figures |= table
    if classifier is not None:
        figures |= figures_by_features(classifier, entry.card.name, source, samples, real.cond)
    figures["nfe"] = evaluation.mean_nfe(jax.random.key(seed), entry.model, fitted.params, real.cond)
    result = {"model": entry.card.name, "reading": entry.card.reading, "data": source["data"], **figures}
    found = evaluation.failures(entry.model, fitted.params, samples, real, history=fitted.history, seed=seed)
    write_json(run / "evaluation.json", plain({**result, "detectors": [finding._asdict() for finding in found]}))
    _print({**result, **{f"detector: {finding.name}": ("ALARM: " if finding.alarm else "silent: ") + finding.text for finding in found}})
    return 0


def _print(result: dict[str, Any]) -> None:
    table = Table("figure", "value")
    for key, value in result.items():
        if value is not None and not isinstance(value, dict | list):
            table.add_row(key, f"{value:.5g}" if isinstance(value, float) else str(value))
    Console().print(table)


def _table_figures(dataset: Dataset, samples: np.ndarray, num: int, seed: int) -> dict[str, Any]:
    """The figures of a table, of the rows in the units of the data."""
    assert dataset.schema is not None and dataset.units is not None
    test, train = (exact(dataset.schema, dataset.units.restore(rows)) for rows in (dataset.test, dataset.train))
    return evaluation.table_figures(samples, test[:num], train, dataset.schema, seed)


def source_of(entry: Entry, data: str | None, data_dir: Path | None, classifier: Path | None) -> tuple[dict[str, Any], Dataset]:
    """Return what the run was trained on, or `data` in its place, and the data set.

    Args:
        entry: The entry of the run.
        data: The name of a data set or a file, or None for that of the training.
        data_dir: The folder of a named image set, or None for that of the training.
        classifier: The folder of a classifier that compares images, or None.

    Returns:
        The source, as the run's config holds it, and the data set.

    Raises:
        ValueError: There is no name, the events have another shape than the model's, or a classifier is asked for other data than images.
    """
    source = entry.card.config.get("source", {})
    name = data or source.get("data")
    if name is None:
        raise ValueError("--data: this run does not say what it was trained on; accepted: the name of a data set, or a file.")
    source = {**source, "data": name, **({"data_dir": str(data_dir)} if data_dir else {})}
    schema = zoo.schema_of(entry)
    dataset = load_for(entry.card.name, source, schema=schema)
    if schema is not None and zoo.takes_gaps(entry):
        # To such a model a missing category is a gap, as a missing number is.
        splits = {split: as_gaps(schema, getattr(dataset, split)) for split in ("train", "valid", "test")}
        dataset = dataset._replace(**splits)
    wanted = tuple(entry.card.config["event_shape"]) if schema is None or not schema.event else (len(schema.event),)
    if dataset.event_shape != wanted:
        raise ValueError(f"--data {name}: its events have shape {dataset.event_shape}; accepted: {wanted}, the shape of the model's.")
    if classifier is not None and (dataset.levels is None or len(dataset.event_shape) != 3):
        raise ValueError(f"--classifier {classifier}: --data {name} holds no images; accepted: images, which a classifier compares.")
    return source, dataset
