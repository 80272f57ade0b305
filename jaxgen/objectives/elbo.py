"""The evidence lower bound with its two terms weighed apart (arXiv 1312.6114; beta-VAE, ICLR 2017)."""

import math
from typing import Any

import jax
import jax.numpy as jnp

from jaxgen.model import Model
from jaxgen.objective import Batch, Clock, Objective, no_aux, require

NEEDS = frozenset({"encode", "decode"})


def elbo(model: Model, beta: float = 1.0, warmup: float = 0.0) -> Objective:
    """Minimise distortion + beta * rate in nats, `E_q[-log p(x | z)] + beta KL(q(z | x) || N(0, I))`; beta = 1 is the bound itself.

    Needs the parts `encode` and `decode`, both `-> (mean, log_scale)` of a diagonal Gaussian. The KL term is in closed form (appendix B).
    beta grows from 0 over the first `warmup` share of the steps.
    """
    require("elbo", model, NEEDS)
    if not (0 <= beta < math.inf and 0 <= warmup <= 1):
        raise ValueError(f"elbo(beta={beta}, warmup={warmup}): beta >= 0 and warmup in [0, 1].")
    encode, decode = model.transform.parts["encode"], model.transform.parts["decode"]

    def terms(params: Any, x: jax.Array, cond: Any, key: jax.Array) -> tuple[jax.Array, jax.Array]:
        mean, log_scale = encode(params, x, cond)
        latent = mean + jnp.exp(log_scale) * jax.random.normal(key, mean.shape, mean.dtype)
        mu, log_sigma = decode(params, latent, cond)
        distortion = jnp.sum(0.5 * ((x - mu) * jnp.exp(-log_sigma)) ** 2 + log_sigma + 0.5 * jnp.log(2 * jnp.pi))
        rate = 0.5 * jnp.sum(mean**2 + jnp.exp(2 * log_scale) - 1 - 2 * log_scale)
        return distortion, rate

    def loss(params: Any, aux: Any, key: jax.Array, batch: Batch, clock: Clock) -> tuple[jax.Array, dict[str, jax.Array]]:
        keys = jax.random.split(key, batch.x.shape[0])
        distortion, rate = jax.tree.map(jnp.mean, jax.vmap(lambda x, c, k: terms(params, x, c, k))(batch.x, batch.cond, keys))
        weight = beta * (jnp.clip(clock.step / (warmup * clock.num_steps), 0, 1) if warmup else 1.0)
        return distortion + weight * rate, {"distortion": distortion, "rate": rate}

    return Objective(no_aux, loss, NEEDS)
