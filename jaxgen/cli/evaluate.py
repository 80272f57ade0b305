"""`jaxgen evaluate`: the figures of a run folder on the test part of its data."""

import math
from pathlib import Path
from typing import Any

import jax
import numpy as np
from rich.console import Console
from rich.table import Table

from jaxgen import evaluation, zoo
from jaxgen.cli import arguments
from jaxgen.cli.events import load_for
from jaxgen.cli.features import figures_by_features
from jaxgen.cli.sample import in_reading
from jaxgen.data import Dataset
from jaxgen.training import Entry
from jaxgen.transform import Density
from jaxgen.zoo.store import write_json


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
    """Likelihood and sample distances on the test split, printed and written to evaluation.json in the run folder.

    Args:
        run: a run folder that `jaxgen train` wrote.
        data: the data to compare with; by default what the model was trained on.
        data_dir: for a named image set, the folder that has its files; by default as for training.
        classifier: for images, the folder of a classifier in whose features samples are compared; trained there where it is missing.
        num_samples: how many samples and at most how many test events.
        num_draws: draws for each event where the density is a bound or an estimate.
        reading: which reading of the parameters, such as ode; the default one otherwise.
        seed: of samples and draws.
    """
    arguments.count("--num-samples", num_samples, 2)
    arguments.count("--num-draws", num_draws)
    arguments.seed(seed)
    entry, fitted = zoo.load(run)
    entry = in_reading(entry, reading)
    for option, value in (("--num-samples", num_samples), ("--num-draws", num_draws)):
        arguments.memory(option, value, *entry.config["event_shape"])
    source, dataset = _source(entry, data, data_dir, classifier)
    real = _reference(dataset, num_samples, seed)
    figures, samples, _ = evaluation.evaluate(
        jax.random.key(seed), entry.model, fitted.params, real, num_samples=num_samples, num_events=num_samples, num_draws=num_draws
    )
    figures |= _bits(figures, entry, dataset)
    if classifier is not None:
        figures |= figures_by_features(classifier, entry.name, source, samples, real.cond)
    figures["nfe"] = evaluation.mean_nfe(jax.random.key(seed), entry.model, fitted.params, real.cond)
    result = {"model": entry.name, "reading": entry.reading, "data": source["data"], **figures}
    write_json(run / "evaluation.json", {k: v if not isinstance(v, float) or np.isfinite(v) else None for k, v in result.items()})
    table = Table("figure", "value")
    for key, value in result.items():
        if value is not None:
            table.add_row(key, f"{value:.5g}" if isinstance(value, float) else str(value))
    Console().print(table)
    return 0


def _source(entry: Entry, data: str | None, data_dir: Path | None, classifier: Path | None) -> tuple[dict[str, Any], Dataset]:
    """What the run was trained on, or `data` in its place, and the data set; its events must be the model's."""
    source = entry.config.get("source", {})
    name = data or source.get("data")
    if name is None:
        raise ValueError("--data: this run does not say what it was trained on; name a data set or a file.")
    source = {**source, "data": name, **({"data_dir": str(data_dir)} if data_dir else {})}
    dataset = load_for(entry.name, source)
    if list(dataset.event_shape) != entry.config["event_shape"]:
        raise ValueError(f"--data {name}: its events have shape {dataset.event_shape}; the model's {tuple(entry.config['event_shape'])}.")
    if classifier is not None and dataset.levels is None:
        raise ValueError(f"--classifier {classifier}: --data {name} holds no images; a classifier compares images.")
    return source, dataset


def _bits(figures: dict[str, Any], entry: Entry, dataset: Dataset) -> dict[str, Any]:
    """Of images with a likelihood, bits per dimension and their kind."""
    if dataset.levels is None or figures["nll"] is None:
        return {}
    # Densities of a run are in the units of its pixels, so the NLL is that of a code in nats but for its length; one of dequantised
    # pixels bounds the probability of the whole ones.
    kind = entry.model.transform.density
    bits = figures["nll"] / (math.prod(dataset.event_shape) * math.log(2))
    return {"bits_per_dim": bits, "bits_kind": str(kind if dataset.units is None else max(kind, Density.LOWER_BOUND))}


def _reference(dataset: Dataset, most: int, seed: int) -> evaluation.Reference:
    """Test events and training events as the independent real sample, in the data's own units."""
    units, cond = dataset.units, dataset.test_cond
    if cond is not None and units is not None and units.cond_loc is not None and units.cond_scale is not None:
        cond = (units.cond_loc + units.cond_scale * np.asarray(cond, np.float64)).astype(np.float32)
    # At random, as some sets are sorted by class.
    rng = np.random.default_rng(seed)
    rows = rng.permutation(len(dataset.test))[:most]
    again = rng.permutation(len(dataset.train))[: len(rows)]
    test, train = ((x if units is None else units.restore(x).astype(np.float32)) for x in (dataset.test[rows], dataset.train[again]))
    return evaluation.reference(
        test,
        train,
        cond=None if cond is None else cond[rows],
        log_prob=dataset.log_prob,
        entropy=dataset.entropy,
        mode=dataset.mode,
        mode_weights=dataset.mode_weights,
        seed=seed,
    )
