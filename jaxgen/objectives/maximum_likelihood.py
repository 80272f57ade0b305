"""Maximum likelihood through the one density identity, whatever the density's kind."""

from typing import Any

import jax
import jax.numpy as jnp

from jaxgen.model import Model
from jaxgen.objective import Batch, Clock, Objective, PairingError, no_aux
from jaxgen.transform import Density, over_batch


def maximum_likelihood(model: Model) -> Objective:
    """Minimise `-mean(base.log_prob(z) + log_det - log_q)` in nats: the likelihood of an EXACT model, the bound of a LOWER_BOUND one.

    Raises PairingError for an implicit model, which has no density to maximise.
    """
    inverse = over_batch(model.transform).inverse
    if model.transform.density is Density.IMPLICIT or inverse is None:
        raise PairingError("maximum_likelihood needs a density, and this transform's is implicit; use adversarial or energy.")
    exact = model.transform.density is Density.EXACT

    def loss(params: Any, aux: Any, key: jax.Array, batch: Batch, clock: Clock) -> tuple[jax.Array, dict[str, jax.Array]]:
        keys = None if exact else jax.random.split(key, batch.x.shape[0])
        pre = inverse(params, batch.x, batch.cond, keys)
        nll = -jnp.mean(jax.vmap(model.base.log_prob)(pre.z) + pre.log_det - pre.log_q)
        return nll, {"nll": nll}

    return Objective(no_aux, loss)
