"""All detectors that apply to a trained model, run together."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from jaxgen.evaluation.detectors import (
    Finding,
    latent_mismatch,
    lost_coverage,
    lost_modes,
    memorised,
    posterior_collapse,
    unstable_training,
)
from jaxgen.evaluation.latents import posteriors
from jaxgen.evaluation.reference import Reference, flattened
from jaxgen.model import Model
from jaxgen.types import Params

LEAST = 60
"""The number of events below which the detectors of samples say nothing."""


def failures(
    model: Model,
    params: Params,
    samples: np.ndarray,
    real: Reference,
    *,
    train: np.ndarray | None = None,
    history: Mapping[str, Any] | None = None,
    seed: int = 0,
) -> list[Finding]:
    """Run the detectors that apply to a trained model.

    Args:
        model: The model.
        params: Its params.
        samples: Samples of the model `(n, *event)`.
        real: Real events that the model was not trained on.
        train: Events `(m, *event)` that it was trained on; None does not look for memorisation.
        history: `Fitted.history`; None does not look at the training.
        seed: Seed of splits, draws and permutations.

    Returns:
        One finding for each detector. Labelled modes are looked at if `real` has labels, and latents if the model has an encoder whose
        rate is part of its objective. Data with gaps have no distances, so coverage and memorisation are left out.

    >>> import jaxgen, numpy as np
    >>> model = jaxgen.Model(jaxgen.bases.normal((1,)), jaxgen.transforms.affine(0.0, 1.0))
    >>> x = np.random.default_rng(0).normal(size=(400, 1))
    >>> [(finding.name, finding.alarm) for finding in failures(model, (), np.abs(x), Reference(x))]
    [('lost coverage', True)]
    """
    found: list[Finding] = []
    flat, held_out = flattened(samples), flattened(real.x)
    # Neighbours among many coordinates are searched one by one.
    most = 2_000 if flat.shape[1] <= 64 else 500
    known = np.isfinite(flat).all() and np.isfinite(held_out).all()
    if known and min(len(flat), len(held_out) // 3) >= LEAST:
        found.append(lost_coverage(flat, held_out, seed=seed, most=most))
    if real.mode is not None and real.mode_weights is not None:
        found.append(lost_modes(real.mode(samples), real.mode_weights))
    if known and train is not None and min(len(train), len(held_out)) >= LEAST:
        found.append(memorised(flat, flattened(train), held_out, seed=seed, most=most))
    if {"encode", "distortion_and_rate"} <= set(model.transform.parts):
        found += _of_latents(model, params, real, seed)
    return found + ([] if history is None else unstable_training(history))


def _of_latents(model: Model, params: Params, real: Reference, seed: int) -> list[Finding]:
    posterior = posteriors(model, params, real.x[:2_000], None if real.cond is None else real.cond[:2_000])
    if posterior.mean.ndim != 2:
        return []
    noise, prior = np.random.default_rng(seed).standard_normal((2, *posterior.mean.shape))
    latents = posterior.mean + np.exp(posterior.log_scale) * noise
    return [posterior_collapse(posterior, seed=seed), latent_mismatch(latents, prior, seed=seed)]
