"""Label dropout: some rows of a batch lose their condition, so that one network learns the unconditional law beside the conditional ones."""

from typing import Any

import jax
import jax.numpy as jnp

from jaxgen import checks
from jaxgen.objective import Batch, Clock, Objective


def without_condition(objective: Objective, share: float = 0.1, null_cond: Any = 0.0) -> Objective:
    """`objective` on batches in which each row's condition is `null_cond` with probability `share` (arXiv 2207.12598, algorithm 1).

    What classifier-free guidance (`paths.guided`) needs of a network. What the objective does on the host, such as pairing within classes,
    still sees every condition. Raises ValueError for a share outside [0, 1), and at the loss for a batch without conditions.
    """
    checks.number("without_condition: share", share, least=0, below=1)

    def loss(params: Any, aux: Any, key: jax.Array, batch: Batch, clock: Clock) -> tuple[jax.Array, dict[str, jax.Array]]:
        if batch.cond is None:
            raise ValueError("without_condition: the batch has no conditions; accepted: data with conditions, fit(..., cond=).")
        key_drop, key_loss = jax.random.split(key)
        dropped = jax.random.bernoulli(key_drop, share, (batch.cond.shape[0], *(1,) * (batch.cond.ndim - 1)))
        cond = jnp.where(dropped, jnp.asarray(null_cond, batch.cond.dtype), batch.cond)
        return objective.loss(params, aux, key_loss, batch._replace(cond=cond), clock)

    return objective._replace(loss=loss)
