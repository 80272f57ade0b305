"""All checks of calibration of one conditional model."""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from jaxgen import checks
from jaxgen.evaluation.calibration.coverage import expected_coverage, tarp
from jaxgen.evaluation.calibration.local import Local, local_c2st
from jaxgen.evaluation.calibration.ranks import Ranks, simulation_based_calibration
from jaxgen.evaluation.calibration.uniformity import Uniformity
from jaxgen.model import Model, log_prob, sample
from jaxgen.transform import Density
from jaxgen.types import Key, Params


class Calibration(NamedTuple):
    """Hold the checks of a conditional model.

    Attributes:
        ranks: Simulation-based calibration of each coordinate.
        coverage: Expected coverage of regions of highest density; None for a model without an exact density.
        tarp: Coverage of balls around reference points that depend on the data.
        local: The classifier that is judged over all simulations.
    """

    ranks: Ranks
    coverage: Uniformity | None
    tarp: Uniformity
    local: Local

    def __str__(self) -> str:
        each = ", ".join(f"{p:.3f}" for p in self.ranks.p_values)
        covered = "" if self.coverage is None else f"coverage {self.coverage.p_value:.3f}, "
        return f"p-values: ranks {each}; {covered}TARP {self.tarp.p_value:.3f}, local C2ST {self.local.p_value:.3f}"


def posterior_draws(key: Key, model: Model, params: Params, cond: np.ndarray, num_draws: int) -> np.ndarray:
    """Draw from a conditional model several times for each condition.

    Args:
        key: A random key.
        model: The model.
        params: Its params.
        cond: Conditions `(n, *cond)`.
        num_draws: The number L of draws for each condition.

    Returns:
        Draws `(n, L, d)`.

    >>> import jax, jax.numpy as jnp, jaxgen, numpy as np
    >>> shift = jaxgen.transforms.on_condition(lambda c: c, jaxgen.transforms.affine(0.0, 1.0))
    >>> posterior_draws(jax.random.key(0), jaxgen.Model(jaxgen.bases.normal((2,)), shift), ((), ()), np.zeros((5, 1)), 3).shape
    (5, 3, 2)
    """
    checks.count("posterior_draws: num_draws", num_draws)
    cond = np.asarray(cond)
    rows = sample(key, model, params, len(cond) * num_draws, jnp.asarray(np.repeat(cond, num_draws, 0)))
    return np.asarray(rows).reshape(len(cond), num_draws, -1)


def calibration(
    key: Key, model: Model, params: Params, theta: np.ndarray, cond: np.ndarray, *, num_draws: int = 99, seed: int = 0
) -> Calibration:
    """Run every check of calibration on simulations that a conditional model was not trained on.

    Args:
        key: A random key.
        model: The model of parameters given data.
        params: Its params.
        theta: The parameters `(n, d)` of the simulations, drawn from the prior.
        cond: The data `(n, c)` of the simulations, as the model takes them.
        num_draws: The number of draws of each posterior.
        seed: The seed of the tests.

    Returns:
        The checks, each with a p-value that is uniform for a perfect model.
    """
    theta = np.asarray(theta)
    draws = posterior_draws(key, model, params, cond, num_draws)
    coverage = None
    if model.transform.kind is Density.EXACT:
        repeated = jnp.asarray(np.repeat(np.asarray(cond), num_draws, 0))
        at_draws = log_prob(model, params, draws.reshape(len(theta) * num_draws, -1), repeated).value
        at_theta = log_prob(model, params, jnp.asarray(theta, at_draws.dtype), jnp.asarray(cond)).value
        coverage = expected_coverage(np.asarray(at_draws).reshape(len(theta), num_draws), np.asarray(at_theta), seed=seed)
    return Calibration(
        simulation_based_calibration(draws, theta, seed=seed),
        coverage,
        tarp(draws, theta, cond, seed=seed),
        local_c2st(draws, theta, cond, seed=seed),
    )
