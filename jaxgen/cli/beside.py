"""What commands print beside a negative log-likelihood: that of a Gaussian and of a mixture of Gaussians on the same rows."""

from typing import Any

import jax
import numpy as np

from jaxgen import evaluation, zoo
from jaxgen.data import Dataset
from jaxgen.data.columns import WHOLE
from jaxgen.model import log_prob
from jaxgen.training import Fitted
from jaxgen.transform import Density

MOST = 10_000
"""The most rows that judge."""


def baselines_of(dataset: Dataset, which: str = "test", most: int = MOST, *, standardised: bool = False) -> evaluation.Baselines | None:
    """Return the baselines of a table in the units of its file; None for images, categories, gaps, and densities that are known.

    Whole numbers are spread uniformly over their unit cells, as they are for a model. The NLL is then a bound on that of their probabilities; a
    density on the numbers themselves could rise without limit.

    Args:
        dataset: The data set, whose training rows the baselines are fitted to.
        which: The part that judges, "valid" or "test".
        most: The largest number of rows that judge.
        standardised: Whether the units are those of the standardised columns instead.
    """
    judge, train = dataset.split(which), dataset.split("train")
    one_hot = dataset.schema is not None and any(column.kind == "category" for column in dataset.schema.cond)
    if len(dataset.event_shape) != 1 or dataset.categories or one_hot or dataset.log_prob is not None:
        return None
    if not all(np.isfinite(part).all() for part in (*judge, *train) if part is not None):
        return None
    cond = None if judge.cond is None else judge.cond[:most]
    scale = np.broadcast_to(1.0 if dataset.units is None else dataset.units.scale, dataset.event_shape)
    whole = [column.kind in WHOLE for column in dataset.schema.event] if dataset.schema is not None and dataset.schema.event else [False]
    rng = np.random.default_rng(12)
    fitted, judged = (x + np.where(whole, rng.uniform(size=x.shape), 0) / scale for x in (train.x, judge.x[:most]))
    found = evaluation.baselines(fitted, judged, train.cond, cond)
    shift = 0.0 if standardised else float(np.sum(np.log(scale)))
    return found._replace(gaussian=found.gaussian + shift, mixture=None if found.mixture is None else found.mixture + shift)


def as_figures(found: evaluation.Baselines | None) -> dict[str, Any]:
    """Return the baselines by the names that figures have in run folders; nothing if there are none."""
    return {} if found is None else {"nll_gaussian": found.gaussian, "nll_mixture": found.mixture}


def beside_nll(prepared: zoo.Prepared, dataset: Dataset, fitted: Fitted) -> str | None:
    """Return a line with the NLL of the validation rows under a model and under the baselines, all in the units of the file.

    Args:
        prepared: The entry that was trained.
        dataset: The data set before it was prepared.
        fitted: What was fitted for it, in its own coordinates.

    Returns:
        The line, or None if the density is not cheap to say exactly, or there are no baselines.
    """
    entry, fitted = prepared.in_units(fitted)
    valid, units = dataset.split("valid"), dataset.units
    if prepared.entry.model.transform.kind is not Density.EXACT or entry.model.transform.proxy is not None:
        return None
    beside = baselines_of(dataset, "valid")
    if beside is None:
        return None
    x, cond = valid.x[:MOST], None if valid.cond is None else valid.cond[:MOST]
    if units is not None:
        x = units.restore(x).astype(np.float32)
        if cond is not None and units.cond_loc is not None and units.cond_scale is not None:
            cond = (units.cond_loc + units.cond_scale * np.asarray(cond, np.float64)).astype(np.float32)
    nll = -float(np.mean(log_prob(entry.model, fitted.params, x, cond, key=jax.random.key(0)).value))
    return f"NLL of the {len(x)} validation rows, in nats and the units of the data: {prepared.entry.card.name} has {nll:.4f}, {beside}"
