"""The importance-weighted bound as an objective (arXiv 1509.00519)."""

from typing import Any

import jax
import jax.numpy as jnp

from jaxgen import checks
from jaxgen.model import Model
from jaxgen.objective import Batch, Clock, Objective, PairingError, no_aux
from jaxgen.transform import Density, over_batch


def importance_weighted(model: Model, num_draws: int = 5) -> Objective:
    """Minimise `-mean log (1/k) sum_i w_i` in nats, the bound of `k = num_draws` draws (eq. 8); one draw is the evidence lower bound.

    `log w = base.log_prob(z) + log_det - log_q` of independent draws of `inverse`, whatever the transform: decoder, hierarchy or noising
    chain. The gradient is that through the draws (eq. 14). Raises PairingError unless the density is a LOWER_BOUND: an exact one is what
    it is with any number of draws, and an unbiased estimate of log p has no weights to average.
    """
    checks.count("importance_weighted: num_draws", num_draws)
    inverse = over_batch(model.transform).inverse
    if model.transform.density is not Density.LOWER_BOUND or inverse is None:
        raise PairingError(
            f"importance_weighted sharpens a lower bound, and this transform's density is {model.transform.density!s}; use "
            f"{'adversarial or energy' if model.transform.density is Density.IMPLICIT else 'maximum_likelihood'}."
        )

    def loss(params: Any, aux: Any, key: jax.Array, batch: Batch, clock: Clock) -> tuple[jax.Array, dict[str, jax.Array]]:
        def log_weights(keys: jax.Array) -> jax.Array:
            pre = inverse(params, batch.x, batch.cond, keys)
            return jax.vmap(model.base.log_prob)(pre.z) + pre.log_det - pre.log_q

        logs = jax.vmap(log_weights)(jax.random.split(key, (num_draws, batch.x.shape[0])))
        nll = -jnp.mean(jax.nn.logsumexp(logs, 0) - jnp.log(jnp.asarray(num_draws, logs.dtype)))
        return nll, {"nll": nll, "nll_one_draw": -jnp.mean(logs)}

    return Objective(no_aux, loss)
