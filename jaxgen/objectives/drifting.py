"""Drifting: a generator is moved, step by step, along a field that attracts its samples to the data and repels them from each other."""

from typing import Any

import jax
import jax.numpy as jnp

from jaxgen import checks
from jaxgen.model import Model
from jaxgen.numerics import distances
from jaxgen.objective import Batch, Clock, Objective, no_aux
from jaxgen.transform import over_batch


def drifting(model: Model, temperatures: tuple[float, ...] = (0.02, 0.05, 0.2), *, normalise: bool = True) -> Objective:
    """Minimise `E |x - stop(x + V(x))|^2` for samples x of the model, V the drifting field between the batch and the samples (arXiv 2602.04770).

    V is zero where both have one law; no critic is trained and any transform that samples will do. Points are measured in units in which
    two of them are sqrt(d) apart on average, and temperature tau means a kernel `exp(-distance / (tau d))` there (appendix A.6). The fields
    of several temperatures are added: small ones see detail, large ones find data that are far away.

    normalise: whether each temperature's field is scaled to a root mean square of 1 a coordinate (appendix A.6). The loss is then the same
        number throughout, and "drift", in the data's units, is the metric to watch.

    With conditions the kernel sees (x, c) and the field moves x alone, so conditional laws have to agree. Raises ValueError for
    temperatures that are not positive.
    """
    if not temperatures:
        raise ValueError(f"drifting: temperatures={temperatures!r}; accepted: one or more positive numbers.")
    for temperature in temperatures:
        checks.number("drifting: temperatures", temperature, above=0)

    def loss(params: Any, aux: Any, key: jax.Array, batch: Batch, clock: Clock) -> tuple[jax.Array, dict[str, jax.Array]]:
        num = batch.x.shape[0]
        z = model.base.sample(seed=key, sample_shape=(num,))
        x = over_batch(model.transform).forward(params, z, batch.cond).reshape(num, -1)
        y, fixed = batch.x.reshape(num, -1), jax.lax.stop_gradient(x)
        unit = jnp.mean(distances(fixed, y)) / jnp.sqrt(jnp.asarray(y.shape[1], y.dtype))
        c = jnp.zeros((num, 0), y.dtype) if batch.cond is None else batch.cond.reshape(num, -1).astype(y.dtype)
        total = jnp.zeros_like(y)
        for temperature in temperatures:
            field = drift(fixed / unit, y / unit, c, temperature * y.shape[1])
            size = jnp.sqrt(jnp.mean(field**2))
            total = total + (field / jnp.maximum(size, jnp.finfo(y.dtype).tiny) if normalise else field)
        value = jnp.mean((x / unit - (fixed / unit + total)) ** 2)
        return value, {"drift": unit * size}

    return Objective(no_aux, loss)


def drift(x: jax.Array, y: jax.Array, cond: jax.Array, temperature: float) -> jax.Array:
    """The field V `(n, d)` at the samples x `(n, d)` from data y `(n, d)`, both under conditions `(n, c)` (arXiv 2602.04770, algorithm 2).

    `V_i = sum_jk A_ij B_ik (y_j - x_k)`: A and B are the affinities of x_i to data and to other samples, `exp(-distance / temperature)`
    normalised over both together, by rows and by columns in geometric mean. Exchanging samples and data changes the sign of V.
    """

    def joint(a: jax.Array) -> jax.Array:
        return jnp.concatenate([a, cond], 1)

    itself = jnp.eye(x.shape[0], dtype=bool)
    to_itself = jnp.where(itself, jnp.inf, distances(joint(x), joint(x)))
    logits = -jnp.concatenate([distances(joint(x), joint(y)), to_itself], 1) / temperature
    affinity = jnp.exp(0.5 * (jax.nn.log_softmax(logits, 1) + jax.nn.log_softmax(logits, 0)))
    to_data, to_samples = jnp.split(affinity, 2, 1)
    mass, repelled = jnp.sum(to_data, 1, keepdims=True), jnp.sum(to_samples, 1, keepdims=True)
    return repelled * (to_data @ y) - mass * (to_samples @ x)
