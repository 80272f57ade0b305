"""The evidence lower bound with its two terms weighed apart (arXiv 1312.6114; beta-VAE, ICLR 2017)."""

import math
from typing import Any

import jax
import jax.numpy as jnp

from jaxgen.model import Model
from jaxgen.objective import Batch, Clock, Objective, no_aux, require

NEEDS = frozenset({"distortion_and_rate"})


def elbo(model: Model, beta: float = 1.0, warmup: float = 0.0) -> Objective:
    """Minimise distortion + beta * rate in nats, `E_q[-log p(x | z)] + beta KL(q(z | x) || p(z))`; beta = 1 is the bound itself.

    Needs the part `distortion_and_rate (params, x, cond, key)`, one draw of the two terms for one event: what they are in closed form is
    the transform's to know. beta grows from 0 over the first `warmup` share of the steps.
    Raises ValueError for a negative `beta` or a `warmup` outside [0, 1], PairingError without the part.
    """
    require("elbo", model, NEEDS)
    if not (0 <= beta < math.inf and 0 <= warmup <= 1):
        raise ValueError(f"elbo(beta={beta}, warmup={warmup}): beta >= 0 and warmup in [0, 1].")
    terms = model.transform.parts["distortion_and_rate"]

    def loss(params: Any, aux: Any, key: jax.Array, batch: Batch, clock: Clock) -> tuple[jax.Array, dict[str, jax.Array]]:
        keys = jax.random.split(key, batch.x.shape[0])
        distortion, rate = jax.tree.map(jnp.mean, jax.vmap(lambda x, c, k: terms(params, x, c, k))(batch.x, batch.cond, keys))
        weight = beta * (jnp.clip(clock.step / (warmup * clock.num_steps), 0, 1) if warmup else 1.0)
        return distortion + weight * rate, {"distortion": distortion, "rate": rate}

    return Objective(no_aux, loss, NEEDS)
