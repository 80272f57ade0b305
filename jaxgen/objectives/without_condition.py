"""Label dropout: some rows of a batch lose their condition, so that one network also learns the unconditional law."""

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from jaxgen import checks
from jaxgen.objective import Batch, Clock, Objective, drawn
from jaxgen.types import Aux, Key, Params


def without_condition(objective: Objective, share: float = 0.1, null_cond: ArrayLike = 0.0) -> Objective:
    """Replace each row's condition by `null_cond` with probability `share` before the loss of `objective` sees the batch.

    Classifier-free guidance (`paths.guided`) needs a network that was trained so. Work on the host, such as pairing within classes, still
    sees every condition.

    Args:
        objective: The objective whose loss gets the batches.
        share: The probability that a row loses its condition.
        null_cond: The condition that stands for none, a number or an array of the shape of a condition.

    Returns:
        `objective` with another loss.

    Raises:
        ValueError: `share` is outside [0, 1), or, at the loss, the batch has no conditions.

    Source: arXiv 2207.12598, algorithm 1.

    >>> import jax, jaxgen
    >>> from jaxgen.objective import Batch, Clock, Objective, no_aux
    >>> reader = Objective(no_aux, lambda params, aux, key, batch, clock: (jax.numpy.mean(batch.cond), {}))
    >>> batch = Batch(jax.numpy.zeros((1_000, 1)), jax.numpy.ones((1_000, 1)))
    >>> loss, _ = without_condition(reader, 0.25).loss((), (), jax.random.key(0), batch, Clock(0, 1, ()))
    >>> bool(abs(loss - 0.75) < 0.06)
    True
    """
    checks.number("without_condition: share", share, least=0, below=1)

    def loss(params: Params, aux: Aux, key: Key, batch: Batch, clock: Clock) -> tuple[jax.Array, dict[str, jax.Array]]:
        if batch.cond is None:
            raise ValueError("without_condition: batch.cond=None; accepted: data with conditions, fit(..., cond=).")
        key_drop, key_loss = jax.random.split(key)
        ones = (1,) * (batch.cond.ndim - 1)
        dropped = drawn(batch, lambda num: jax.random.bernoulli(key_drop, share, (num, *ones)))
        cond = jnp.where(dropped, jnp.asarray(null_cond, batch.cond.dtype), batch.cond)
        return objective.loss(params, aux, key_loss, batch._replace(cond=cond), clock)

    return objective._replace(loss=loss)
