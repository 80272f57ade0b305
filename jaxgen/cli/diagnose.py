"""`jaxgen diagnose`: what limits a trained model, and which known failures it shows."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np
from rich.console import Console
from rich.table import Table

from jaxgen import evaluation, zoo
from jaxgen.atomic import write_json
from jaxgen.cli import arguments
from jaxgen.cli.evaluate import source_of
from jaxgen.cli.finite import require_finite
from jaxgen.cli.run_folder import plain
from jaxgen.cli.sample import in_reading
from jaxgen.data import Dataset
from jaxgen.evaluation.detectors import Finding
from jaxgen.evaluation.diagnosis import Diagnosis, diagnose_bridge
from jaxgen.model import sample
from jaxgen.training import Entry, Fitted


def diagnose(
    run: Path,
    /,
    *,
    data: str | None = None,
    data_dir: Path | None = None,
    num_samples: int = 10_000,
    reading: str | None = None,
    seed: int = 0,
) -> int:
    """Say what limits a trained model: the mass between separated modes beside its bounds, then known failures; write diagnosis.json.

    Args:
        run: Run folder that `jaxgen train` wrote; diagnosis.json is written there.
        data: Data set or file to compare with. By default it is the one that the model was trained on.
        data_dir: Folder with the files of a named image set. By default it is the one of the training.
        num_samples: Number of samples, and largest number of test events.
        reading: Reading of the parameters, such as ode. Give a wrong name to see which readings the model has.
        seed: Seed of samples and splits.
    """
    arguments.count("--num-samples", num_samples, 200)
    arguments.seed(seed)
    entry, fitted = zoo.load(run)
    entry = in_reading(entry, reading)
    arguments.memory("--num-samples", num_samples, *entry.card.config["event_shape"])
    _, dataset = source_of(entry, data, data_dir, None)
    real = evaluation.reference_of(dataset, num_samples, seed)
    key = jax.random.key(seed)
    cond = None if real.cond is None else real.cond[np.arange(num_samples) % len(real.cond)]
    samples = np.asarray(sample(key, entry.model, fitted.params, num_samples, cond))
    require_finite(f"diagnose {run}: samples", samples, gaps=_has_gaps(dataset))
    bridge = _bridge(key, entry, fitted, dataset, real, num_samples)
    train = dataset.train if dataset.units is None else dataset.units.restore(dataset.train[:20_000]).astype(np.float32)
    found = evaluation.failures(entry.model, fitted.params, samples, real, train=train, history=fitted.history, seed=seed)
    _print(entry, bridge, found)
    figures = bridge if isinstance(bridge, str) else figures_of(bridge)
    write_json(run / "diagnosis.json", plain({"model": entry.card.name, "bridge": figures, "detectors": [f._asdict() for f in found]}))
    return 0


def _bridge(key: jax.Array, entry: Entry, fitted: Fitted, dataset: Dataset, real: evaluation.Reference, num: int) -> Diagnosis | str:
    if len(dataset.event_shape) != 1:
        return "The bridge is not measured: the events are images, among which distances to sets of events say little."
    if _has_gaps(dataset):
        return "The bridge is not measured: the table has gaps, from which there is no distance."
    if any(dataset.num_categories):
        return "The bridge is not measured: the events hold categories, which no continuous map reaches."
    if real.cond is not None:
        return "The bridge is not measured: the model has a condition, and the bounds hold at each condition by itself."
    labels = None if real.mode is None else real.mode(real.x)
    return diagnose_bridge(jax.random.fold_in(key, 1), entry.model, fitted.params, np.asarray(real.x, np.float64), labels, num=num)


def _has_gaps(dataset: Dataset) -> bool:
    return dataset.schema is not None and any(column.missing for column in dataset.schema.event)


def figures_of(this: Diagnosis) -> dict[str, Any]:
    """Return the figures of a diagnosis as JSON holds them, without the anchors of its sets."""
    rest = {name: value for name, value in this._asdict().items() if name not in ("sets", "local", "paths", "kl")}
    sets = {"num": this.sets.num, "radius": this.sets.radius, "gaps": this.sets.gaps().tolist()}
    parts = {"local": this.local._asdict(), "paths": this.paths._asdict(), "kl": this.kl._asdict()}
    return {"sets": sets, **rest, **parts}


def _print(entry: Entry, this: Diagnosis | str, found: Sequence[Finding]) -> None:
    console = Console()
    console.print(f"{entry.card.name}, reading {entry.card.reading}")
    if isinstance(this, str):
        console.print(this)
    else:
        table = Table("what limits it", "value")
        for name, value in _rows(this):
            table.add_row(name, value)
        console.print(table)
        console.print(f"Remedy. {this.remedy}")
    signatures = Table("detector", "alarm", "what it found")
    for finding in found:
        signatures.add_row(finding.name, "ALARM" if finding.alarm else "silent", finding.text)
    console.print(signatures)


def _rows(this: Diagnosis) -> list[tuple[str, str]]:
    local, paths = this.local, this.paths
    enough = np.isfinite(local.z)
    stretch, error, least = (
        (local.stretch, local.stretch_stderr, local.least) if enough else (paths.stretch, paths.stretch_stderr, paths.least)
    )
    how = f"{local.hits} samples in the gap" if enough else "along paths of noise, as too few samples fall into the gap"
    rows = [
        ("separated sets", f"{this.sets.num}, at least {this.sets.gaps().min():.3g} apart"),
        (
            "bridge mass",
            f"{this.bridge:.4f} ± {this.bridge_stderr:.4f} of the samples lie outside all sets; {this.real_bridge:.4f} of the data",
        ),
        ("mass x stretch in the widest gap", f"{stretch:.4f} ± {error:.4f}, {how}"),
        ("  local bound of it", f"{least:.4f}: measured is {stretch / least:.3f} of it" if least > 0 else "none"),
    ]
    if enough:
        spread = local.least_bridge * local.stretch_stderr / local.stretch
        rows.append(("  bound of the gap's mass", f"{local.least_bridge:.4f} ± {spread:.4f} at this stretch; measured {local.bridge:.4f}"))
    return rows + [
        (
            "certified Lipschitz constant",
            f"at least {this.certified:.3g} (confidence 95 %); {this.least:.3g} by the measured masses of all sets",
        ),
        ("global bound", f"at least {this.global_bridge:.4f} outside the sets for a map of that constant"),
        ("KL part of the NLL gap", f"{this.kl.value:.4f} ± {this.kl.stderr:.4f} nats"),
        ("continuous maps of a Gaussian", str(this.maps)),
    ]
