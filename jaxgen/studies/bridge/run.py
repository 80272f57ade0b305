"""One run of the study `bridge`: train a model for a short time, then measure both sides of the bounds."""

import zlib
from typing import Any

import jax
import numpy as np

from jaxgen.evaluation import bridge
from jaxgen.model import Model, log_prob, sample
from jaxgen.studies.bridge.models import family, remedy
from jaxgen.studies.bridge.targets import TWO_MODES, Target, target
from jaxgen.studies.study import Cell, Row, completed
from jaxgen.training import Entry, fit
from jaxgen.transform import Density
from jaxgen.types import Key, Params

NUM_TRAIN, NUM_REAL = 20_000, 20_000


def run(cell: Cell) -> list[Row]:
    """Do the run of a cell, which names a part ("bounds", "remedies" or "readings"), a target, a model, a seed and the steps."""
    this = target(cell["target"])
    key = jax.random.fold_in(jax.random.key(cell["seed"]), zlib.crc32(f"{cell['part']}{cell['model']}{cell['target']}".encode()))
    entry = remedy(cell["model"], cell["target"]) if cell["part"] == "remedies" else family(cell["model"])
    fitted = completed(fit(key, entry, this.draw(cell["seed"], NUM_TRAIN), cell["steps"], ema=0.98, progress=False))
    keys = jax.random.split(jax.random.fold_in(key, 1), 4)
    models = {"ancestral": entry.models["ancestral"], "ddim": entry.models["ddim"]} if cell["part"] == "readings" else {"": entry.model}
    rows = []
    for reading, model in models.items():
        row: dict[str, Any] = {"reading": reading, **masses(keys[0], model, fitted.params, this, cell["events"])}
        if cell["part"] == "bounds":
            row |= bounds(keys[1], entry, fitted.params, this, cell)
        rows.append(row)
    return rows


def masses(key: Key, model: Model, params: Params, this: Target, events: int) -> dict[str, Any]:
    """Measure the mass of the bridge, the NLL gap and the part of it that the masses explain.

    Args:
        key: Random key of the samples and draws.
        model: The model.
        params: Its params.
        this: The target.
        events: Number of test events of the likelihood.

    Returns:
        Figures by name; those of the likelihood are None for an implicit model.
    """
    x = np.asarray(sample(key, model, params, NUM_REAL))
    real = this.draw(12_345, NUM_REAL)
    if not np.isfinite(x).all():
        return {"status": f"failed: {int((~np.isfinite(x)).any(1).sum())} samples are not finite"}
    counts, truth = this.sets.counts(x), this.sets.counts(real)
    part = bridge.kl_part(truth, counts)
    figures: dict[str, Any] = {"bridge": counts[-1] / len(x), "real_bridge": truth[-1] / len(real), "density": str(model.transform.kind)}
    figures |= {"kl_part": part.value, "kl_part_stderr": part.stderr, "nll": None, "nll_gap": None, "kl_z": None}
    if model.transform.kind is Density.IMPLICIT:
        return figures
    test = this.draw(54_321, events)
    value = np.asarray(log_prob(model, params, test, key=jax.random.fold_in(key, 1), num_draws=8).value, np.float64)
    gap = np.asarray(jax.jit(jax.vmap(this.log_prob))(test), np.float64) - value
    error = gap.std(ddof=1) / np.sqrt(len(gap))
    figures |= {"nll": -value.mean(), "nll_gap": gap.mean(), "nll_gap_stderr": error}
    return figures | {"kl_z": (gap.mean() - part.value) / np.hypot(error, part.stderr)}


def bounds(key: Key, entry: Entry, params: Params, this: Target, cell: Cell) -> dict[str, Any]:
    """Measure both sides of the local bound: at every set by derivatives, and for two modes, or rare gaps, along paths of noise too.

    Args:
        key: Random key of the noise.
        entry: The entry.
        params: Its params.
        this: The target.
        cell: The configuration, which says how many samples to draw.

    Returns:
        The least z over the sets, its way of measuring, and the ratio of both sides for the first set.
    """
    (of,) = bridge.continuous_maps(entry.model, params)
    locals_ = bridge.local_bounds(key, of, params, this.sets, num=cell["samples"])
    measured = [local for local in locals_ if np.isfinite(local.z)]
    figures: dict[str, Any] = {
        "tested": len(measured),
        "local_z": min((local.z for local in measured), default=None),
        "ratio": locals_[0].ratio if np.isfinite(locals_[0].z) else None,
        "hits": locals_[0].hits,
        "stretch": locals_[0].stretch,
        "least": locals_[0].least,
        "path_z": None,
        "path_ratio": None,
        "jumps": None,
    }
    if cell["target"] in TWO_MODES:
        inside, other, _ = (int(n) for n in this.sets.counts(of.events(params, np.asarray(jax.random.normal(key, (8_192, of.size))))))
        figures["certified_lipschitz"] = bridge.certified_lipschitz(inside, other, 8_192, this.sets.gap((0,)))
    if cell["target"] in TWO_MODES or len(measured) < len(locals_):
        paths = bridge.crossings(jax.random.fold_in(key, 2), of, params, this.sets, num=cell["paths"])
        figures |= {"path_z": paths.z, "path_ratio": paths.stretch / paths.least if paths.least > 0 else None, "jumps": paths.jumps}
    return {name: None if value is not None and not np.isfinite(value) else value for name, value in figures.items()}
