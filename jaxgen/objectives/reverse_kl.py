"""Reverse KL to an unnormalised log density: variational inference, which needs no data."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from jaxgen.model import Model
from jaxgen.objective import Batch, Clock, Objective, PairingError, no_aux
from jaxgen.transform import Density, over_batch


def reverse_kl(
    model: Model, log_density: Callable[..., Any], *, path_gradient: bool = True, warmup: float = 0.0, start: float = 1e-2
) -> Objective:
    """Minimise `E_q[log q(x) - log_density(x)]` in nats, which is KL(q || p) minus the unknown log normaliser of `p` (arXiv 1505.05770).

    log_density: `(x) -> scalar` over one event, or `(x, cond) -> scalar` where the model is fitted with conditions; it need not be normalised.
    path_gradient: leave out the score term of the gradient, whose mean is zero ("sticking the landing", arXiv 1703.09194, eq. 8): the
        gradient's variance vanishes as q reaches p. It costs an `inverse` a step; without it `forward_and_log_det` suffices, which is the
        cheaper one for `invert(autoregressive(...))`.
    warmup: over this share of the steps the target is tempered, `beta log_density` with beta growing geometrically from `start` to 1, so that
        separate modes are found while they still overlap.

    The objective is `data_free`: `jaxgen.fit(key, entry, None, num_steps)` with `batch_size` draws of the model a step. It replaces the
    objective of a zoo entry by `entry._replace(objective=...)`, as below. Where `log_density` is -inf the loss is infinite: choose a model
    whose events stay inside the support. Metrics: `reverse_kl`, the untempered loss; `ess`, the effective share of the draws; `beta`.

    Raises PairingError unless the density is EXACT or UNBIASED and the transform has the map that is used; ValueError for a bad number.

    >>> import jax, jaxgen
    >>> def log_density(x):
    ...     return -0.5 * jax.numpy.sum((x - 3.0) ** 2)
    >>> entry = jaxgen.zoo.build("realnvp", event_shape=(2,), width=8, num_layers=2)
    >>> entry = entry._replace(objective=jaxgen.objectives.reverse_kl(entry.model, log_density))
    >>> fitted = jaxgen.fit(jax.random.key(0), entry, None, num_steps=4, batch_size=8)
    >>> fitted.history["reverse_kl"].shape
    (4,)
    """
    if not (0 <= warmup <= 1 and 0 < start <= 1):
        raise ValueError(f"reverse_kl(warmup={warmup}, start={start}): warmup in [0, 1] and start in (0, 1].")
    draw = _drawer(model, path_gradient)

    def loss(params: Any, aux: Any, key: jax.Array, batch: Batch, clock: Clock) -> tuple[jax.Array, dict[str, jax.Array]]:
        x, log_q = draw(params, key, batch.x.shape[0], batch.cond)
        log_p = jax.vmap(log_density)(x) if batch.cond is None else jax.vmap(log_density)(x, batch.cond)
        if log_p.shape != log_q.shape:
            raise ValueError(f"log_density returned shape {log_p.shape[1:]} for one event; expected a scalar.")
        progress = jnp.minimum(clock.step / (warmup * clock.num_steps), 1.0) if warmup else jnp.ones(())
        beta = jnp.asarray(start, log_q.dtype) ** (1 - progress.astype(log_q.dtype))
        metrics = {"reverse_kl": jnp.mean(log_q - log_p), "ess": _effective_share(log_p - log_q), "beta": beta}
        return jnp.mean(log_q - beta * log_p), metrics

    return Objective(no_aux, loss, data_free=True)


def _drawer(model: Model, path_gradient: bool) -> Callable[..., tuple[Any, jax.Array]]:
    """`(params, key, num, conds) -> (x, log_q)`: draws of the model and their log density, whose gradient is the one asked for."""
    maps, density = over_batch(model.transform), model.transform.density
    if density not in (Density.EXACT, Density.UNBIASED):
        raise PairingError(
            f"reverse_kl needs an exact or unbiased density, and this transform's is {density}; use elbo, adversarial or energy."
        )
    inverse, with_log_det = maps.inverse, maps.forward_and_log_det

    def by_inverse(params: Any, key: jax.Array, num: int, cond: Any) -> tuple[Any, jax.Array]:
        assert inverse is not None
        key_noise, key_inverse = jax.random.split(key)
        x = maps.forward(params, model.base.sample(seed=key_noise, sample_shape=(num,)), cond)
        keys = None if density is Density.EXACT else jax.random.split(key_inverse, num)
        pre = inverse(jax.lax.stop_gradient(params), x, cond, keys)
        return x, jax.vmap(model.base.log_prob)(pre.z) + pre.log_det - pre.log_q

    def by_forward(params: Any, key: jax.Array, num: int, cond: Any) -> tuple[Any, jax.Array]:
        assert with_log_det is not None
        z = model.base.sample(seed=jax.random.split(key)[0], sample_shape=(num,))
        x, log_det = with_log_det(params, z, cond)
        return x, jax.vmap(model.base.log_prob)(z) - log_det

    if (inverse if path_gradient else with_log_det) is None:
        lacking = "inverse" if path_gradient else "forward_and_log_det"
        raise PairingError(f"reverse_kl(path_gradient={path_gradient}) needs the transform's {lacking}, which this one lacks.")
    return by_inverse if path_gradient else by_forward


def _effective_share(log_weight: jax.Array) -> jax.Array:
    twice = 2 * jax.nn.logsumexp(log_weight) - jax.nn.logsumexp(2 * log_weight)
    return jnp.exp(twice) / log_weight.shape[0]
