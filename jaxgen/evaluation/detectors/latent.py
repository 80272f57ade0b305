"""Posterior collapse, and latents whose aggregate is not the prior: what can go wrong in a variational autoencoder."""

import numpy as np
from numpy.typing import ArrayLike
from scipy.spatial.distance import cdist
from scipy.special import logsumexp

from jaxgen import checks
from jaxgen.evaluation.detectors.finding import LEVEL, Finding, permutation_p
from jaxgen.evaluation.distances import as_pair, subsample
from jaxgen.evaluation.latents import Posteriors, active_units

LEAST_NATS = 0.1
"""The nats that a latent must tell of its event; below them it counts as collapsed."""
APART = 0.05
"""The share of the energy between two samples that their difference may make up."""


def posterior_collapse(posterior: Posteriors, *, seed: int = 0, num_permutations: int = 199, most: int = 500) -> Finding:
    """Look for latents that do not depend on their events.

    One latent is drawn for each event. The test permutes the latents over the events and compares the mean log density of the latents under the
    posteriors of their events: if latents and events are independent, all arrangements are exchangeable. The effect is a lower bound of
    the mutual information of latent and event.

    Args:
        posterior: The posteriors `q(z | x)` of n events.
        seed: Seed of the draws and of the permutations.
        num_permutations: Number of permutations.
        most: Largest number of events; the bound cannot exceed the logarithm of it.

    Returns:
        The finding. Its alarm is raised if dependence cannot be shown at the level .01, or if it is below 0.1 nats; its p-value is that of
        independence, so a large one speaks for collapse. The text names the active units and the KL divergence of each unit.

    Source: the bound is that of arXiv 1807.03748, with the posterior as its critic; active units are those of arXiv 1509.00519.

    >>> means = np.random.default_rng(0).normal(size=(300, 1))
    >>> posterior_collapse(Posteriors(means, np.full((300, 1), -2.0))).alarm, posterior_collapse(Posteriors(0 * means, 0 * means)).alarm
    (False, True)
    """
    checks.counts("posterior_collapse", num_permutations=num_permutations, most=most)
    rng = np.random.default_rng(seed)
    rows = rng.permutation(len(posterior.mean))[:most]
    mean, log_scale = posterior.mean[rows], posterior.log_scale[rows]
    latent = mean + np.exp(log_scale) * rng.standard_normal(mean.shape)
    away = (latent[:, None] - mean) * np.exp(-log_scale)
    logs = np.sum(-0.5 * away**2 - log_scale, -1)
    nats = float(np.mean(np.diag(logs) - logsumexp(logs, axis=1) + np.log(len(rows))))
    order = [rng.permutation(len(rows)) for _ in range(num_permutations)]
    p = permutation_p(float(np.diag(logs).mean()), np.array([logs[arranged, np.arange(len(rows))].mean() for arranged in order]))
    rates = posterior.rates.mean(0)
    text = (
        f"the latent tells {nats:.2f} nats of its event (independence: p = {p:.3f}); {int(active_units(posterior).sum())} of "
        f"{len(rates)} units are active, with KL {', '.join(f'{rate:.2f}' for rate in rates[:8])}{' ...' if len(rates) > 8 else ''} nats"
    )
    return Finding("posterior collapse", p > LEVEL or nats < LEAST_NATS, p, nats, text)


def latent_mismatch(latents: ArrayLike, prior: ArrayLike, *, seed: int = 0, num_permutations: int = 199, most: int = 500) -> Finding:
    """Look for latents whose aggregate posterior is not the prior, from which samples start.

    Args:
        latents: One latent of each event `(n, L)`.
        prior: Draws of the prior `(m, L)`.
        seed: Seed of the choice of rows and of the permutations.
        num_permutations: Number of permutations.
        most: Largest number of rows of each sample.

    Returns:
        The finding. Its p-value is that of the permutation test with the energy distance. Its effect is the energy distance over the mean distance
        between the two samples, from 0 for equal distributions to 1.

    Source: Szekely and Rizzo 2013, Energy statistics.

    >>> one, other = np.random.default_rng(0).normal(size=(2, 300, 2))
    >>> latent_mismatch(one + 2.0, other).alarm, latent_mismatch(one, other).alarm
    (True, False)
    """
    checks.counts("latent_mismatch", num_permutations=num_permutations, most=most)
    latents, prior = as_pair("latent_mismatch", latents, prior, at_least=2, names=("latents", "prior"))
    rng = np.random.default_rng(seed)
    size = min(len(latents), len(prior), most)
    pooled = np.concatenate([subsample(latents, size, rng), subsample(prior, size, rng)])
    apart = cdist(pooled, pooled)
    first = (np.arange(2 * size) < size).astype(float)
    owners = np.stack([first, *(rng.permutation(first) for _ in range(num_permutations))], 1)
    both = apart @ owners
    within_first = np.sum(owners * both, 0)
    across = np.sum((1 - owners) * both, 0)
    within_second = apart.sum() - within_first - 2 * across
    pairs = size * (size - 1)
    energy = 2 * across / size**2 - within_first / pairs - within_second / pairs
    effect = float(max(energy[0], 0.0) / (2 * across[0] / size**2))
    p = permutation_p(float(energy[0]), energy[1:])
    text = f"the aggregate posterior is {effect:.1%} of the way from the prior to a distribution far away (p = {p:.3f})"
    return Finding("latent mismatch", p <= LEVEL and effect >= APART, p, effect, text)
