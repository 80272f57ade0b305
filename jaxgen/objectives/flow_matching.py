"""Flow matching: regress the velocity of an ODE on that of a path between paired noise and data (arXiv 2210.02747, 2302.00482)."""

import functools
from typing import Any

import jax
import numpy as np
from scipy.optimize import linear_sum_assignment

from jaxgen.model import Model
from jaxgen.objective import Batch, Objective
from jaxgen.objectives.denoising import denoising
from jaxgen.paths import Path, linear


def flow_matching(model: Model, path: Path | None = None, *, coupling: str = "independent") -> Objective:
    """Conditional flow matching on `path` (linear by default): `E |velocity(x_t, t) - (alpha' x + sigma' z)|^2` per coordinate.

    coupling: "independent", or "optimal_transport", which pairs noise and data of each minibatch by the exact plan (arXiv 2302.00482,
    section 3.2.3), on the host. Needs the part `velocity`; the base must be standard Gaussian.
    """
    if coupling not in ("independent", "optimal_transport"):
        raise ValueError(f'coupling={coupling!r}; accepted: "independent", "optimal_transport".')
    objective = denoising(model, path or linear(), "velocity")
    if coupling == "independent":
        return objective
    draw = jax.jit(functools.partial(_draw, model), static_argnums=1)

    def prepare(key: jax.Array, batch: Batch) -> Batch:
        x = np.asarray(batch.x)
        return batch._replace(z=optimal_pairing(x, np.asarray(draw(key, x.shape[0]))))

    return objective._replace(prepare=prepare)


def optimal_pairing(x: np.ndarray, z: np.ndarray) -> np.ndarray:
    """The rows of `z` `(n, d)` in the order that minimises the summed squared distance to those of `x` `(n, d)`."""
    cost = np.sum(x**2, 1)[:, None] + np.sum(z**2, 1)[None] - 2 * x @ z.T
    return z[linear_sum_assignment(cost)[1]]


def _draw(model: Model, key: jax.Array, num: int) -> Any:
    return model.base.sample(seed=key, sample_shape=(num,))
