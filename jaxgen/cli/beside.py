"""What commands print beside a negative log-likelihood: that of a Gaussian and of a mixture of Gaussians on the same rows."""

from typing import Any

import numpy as np

from jaxgen import evaluation
from jaxgen.data import Dataset


def baselines_of(dataset: Dataset, which: str = "test", most: int = 10_000) -> evaluation.Baselines | None:
    """Return the baselines of a table, in the units of its file, or None for images, categories and densities that are known.

    Args:
        dataset: The data set, whose training rows the baselines are fitted to.
        which: The part that judges, "valid" or "test".
        most: The largest number of rows that judge.
    """
    if len(dataset.event_shape) != 1 or dataset.categories or dataset.conditions or dataset.log_prob is not None:
        return None
    judge = dataset.split(which)
    cond = None if judge.cond is None else judge.cond[:most]
    found = evaluation.baselines(dataset.train, judge.x[:most], dataset.train_cond, cond)
    shift = log_scale(dataset)
    return found._replace(gaussian=found.gaussian + shift, mixture=None if found.mixture is None else found.mixture + shift)


def log_scale(dataset: Dataset) -> float:
    """Return by how much an NLL in the units of the data is larger than one of standardised events, in nats."""
    return 0.0 if dataset.units is None else float(np.sum(np.log(np.broadcast_to(dataset.units.scale, dataset.event_shape))))


def as_figures(found: evaluation.Baselines | None) -> dict[str, Any]:
    """Return the baselines by the names that figures have in run folders; nothing if there are none."""
    return {} if found is None else {"nll_gaussian": found.gaussian, "nll_mixture": found.mixture}
