"""Reverse KL to an unnormalised log density: variational inference, which needs no data."""

from collections.abc import Callable
from typing import TypeAlias

import jax
import jax.numpy as jnp

from jaxgen import checks
from jaxgen.lifting import over_batch
from jaxgen.model import Model
from jaxgen.objective import Batch, Clock, Objective, PairingError, drawn, no_aux, require
from jaxgen.objectives.maximum_likelihood import log_prob_of
from jaxgen.objectives.rounds import progress
from jaxgen.transform import Density, Preimage
from jaxgen.types import Aux, Event, Key, Noise, Params

LogDensity: TypeAlias = Callable[[Event], jax.Array] | Callable[[Event, jax.Array], jax.Array]
"""An unnormalised log density `(x) -> scalar` or `(x, cond) -> scalar` of one event, in nats."""


def reverse_kl(model: Model, log_density: LogDensity, *, path_gradient: bool = True, warmup: float = 0.0, start: float = 1e-2) -> Objective:
    """Minimise `E_q[log q(x) - log_density(x)]` in nats, which is KL(q || p) minus the unknown log normaliser of p.

    The objective is `data_free`: `jaxgen.fit(key, entry, None, num_steps)` makes `batch_size` draws of the model q a step. It takes the
    place of the objective of a zoo entry as below. The loss is infinite where `log_density` is -inf: choose a model whose events stay
    inside the support.

    Args:
        model: The model q.
        log_density: `(x) -> scalar` over one event, or `(x, cond) -> scalar` if the model is fitted with conditions.
        path_gradient: Leave out the score term of the gradient, whose mean is zero, so that the variance of the gradient vanishes as q
            reaches p. This costs an `inverse` per step. False needs `forward_and_log_det` alone, which is cheaper for
            `invert(autoregressive(...))`.
        warmup: During this first fraction of training the target is tempered, `beta log_density`, so that separate modes are found while
            they still overlap.
        start: beta grows geometrically from this number to 1.

    Returns:
        A data-free objective with the metrics `reverse_kl`, the untempered loss; `ess`, the effective sample size as a share of the draws;
        and `beta`.

    Raises:
        ValueError: `warmup` is outside [0, 1], `start` is outside (0, 1], or, at the loss, `log_density` returns no scalar.
        PairingError: The density is neither EXACT nor UNBIASED, or the transform lacks the map that is used.

    Source: arXiv 1505.05770; arXiv 1703.09194, equation 8, for the path gradient.

    >>> import jax, jaxgen
    >>> from jaxgen.objective import Batch, Clock
    >>> def log_density(x):
    ...     return 5.0 - 0.5 * jax.numpy.sum(x**2)
    >>> entry = jaxgen.zoo.build("realnvp", event_shape=(2,), width=8, num_layers=2)
    >>> entry = entry._replace(objective=jaxgen.objectives.reverse_kl(entry.model, log_density))
    >>> entry.objective.data_free
    True
    >>> gaussian = jaxgen.Model(jaxgen.bases.normal((2,)), jaxgen.transforms.affine(0.0, 1.0))
    >>> loss, _ = reverse_kl(gaussian, log_density).loss((), (), jax.random.key(0), Batch(jax.numpy.zeros((4, 0))), Clock(0, 1, ()))
    >>> round(float(loss), 4)  # -5 - log(2 pi): the model is the target.
    -6.8379
    """
    require("reverse_kl", model, frozenset())
    checks.number("reverse_kl: warmup", warmup, least=0, most=1)
    checks.number("reverse_kl: start", start, above=0, most=1)
    draw = _drawer(model, path_gradient)

    def loss(params: Params, aux: Aux, key: Key, batch: Batch, clock: Clock) -> tuple[jax.Array, dict[str, jax.Array]]:
        x, log_q = draw(params, key, batch)
        arguments: tuple[Event, ...] = (x,) if batch.cond is None else (x, batch.cond)
        log_p = jax.vmap(log_density)(*arguments)
        if log_p.shape != log_q.shape:
            raise ValueError(f"reverse_kl: log_density(x) of shape {log_p.shape[1:]}; accepted: a scalar for one event.")
        beta = jnp.asarray(start, log_q.dtype) ** (1 - progress(clock, warmup).astype(log_q.dtype))
        metrics = {"reverse_kl": jnp.mean(log_q - log_p), "ess": _effective_share(log_p - log_q), "beta": beta}
        return jnp.mean(log_q - beta * log_p), metrics

    return Objective(no_aux, loss, data_free=True, additive=True)


Drawer: TypeAlias = Callable[[Params, Key, Batch], tuple[Event, jax.Array]]


def _drawer(model: Model, path_gradient: bool) -> Drawer:
    """Return `(params, key, batch) -> (x, log_q)`: draws of the model and their log density, whose gradient is the one asked for."""
    maps, density = over_batch(model.transform), model.transform.kind
    if density not in (Density.EXACT, Density.UNBIASED):
        raise PairingError(
            f"reverse_kl: model.transform.kind={density}; accepted: exact or unbiased. For this one use elbo, adversarial or energy."
        )
    inverse, with_log_det = maps.inverse, maps.forward_and_log_det

    def noise(key: Key, batch: Batch) -> Noise:
        return drawn(batch, lambda num: model.base.sample(seed=key, sample_shape=(num,)))

    def by_inverse(params: Params, key: Key, batch: Batch) -> tuple[Event, jax.Array]:
        assert inverse is not None
        key_noise, key_inverse = jax.random.split(key)
        x = maps.forward(params, noise(key_noise, batch), batch.cond)
        keys = None if density is Density.EXACT else drawn(batch, lambda num: jax.random.split(key_inverse, num))
        return x, log_prob_of(model.base, inverse(jax.lax.stop_gradient(params), x, batch.cond, keys))

    def by_forward(params: Params, key: Key, batch: Batch) -> tuple[Event, jax.Array]:
        assert with_log_det is not None
        z = noise(jax.random.split(key)[0], batch)
        x, log_det = with_log_det(params, z, batch.cond)
        return x, log_prob_of(model.base, Preimage(z, -log_det))

    if (inverse if path_gradient else with_log_det) is None:
        needed = "inverse" if path_gradient else "forward_and_log_det"
        raise PairingError(f"reverse_kl: path_gradient={path_gradient} with a transform without {needed}; accepted: {not path_gradient}.")
    return by_inverse if path_gradient else by_forward


def _effective_share(log_weight: jax.Array) -> jax.Array:
    """Return `(sum w)^2 / (n sum w^2)` of n log weights: 1 for equal weights, 1 / n if one has all the mass."""
    log_share = 2 * jax.nn.logsumexp(log_weight) - jax.nn.logsumexp(2 * log_weight)
    return jnp.exp(log_share) / log_weight.shape[0]
