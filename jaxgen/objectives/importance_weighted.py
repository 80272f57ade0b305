"""The importance-weighted bound as an objective."""

import jax
import jax.numpy as jnp

from jaxgen import checks
from jaxgen.lifting import over_batch
from jaxgen.model import Model
from jaxgen.objective import Batch, Clock, Objective, PairingError, drawn, no_aux, require
from jaxgen.objectives.maximum_likelihood import log_prob_of
from jaxgen.transform import Density
from jaxgen.types import Aux, Key, Params


def importance_weighted(model: Model, num_draws: int = 5) -> Objective:
    """Minimise the importance-weighted bound `-mean log (1/k) sum_i w_i` of k draws, in nats.

    The weights are `log w = base.log_prob(z) + log_det - log_q` of independent draws of `inverse`, for any transform with a bound: a
    decoder, a hierarchy or a noising chain. One draw gives the evidence lower bound, and more draws tighten it.

    Args:
        model: A model whose density is LOWER_BOUND.
        num_draws: The number k of draws for each event; the cost of a step grows with it.

    Returns:
        An objective whose metrics are `nll`, the loss, and `nll_one_draw`, the bound of one draw.

    Raises:
        ValueError: `num_draws` is no integer of at least 1.
        PairingError: The density is not a lower bound. An exact density does not depend on the number of draws, and an unbiased estimate of
            log p has no weights to average.

    Source: arXiv 1509.00519, equations 8 and 14.

    >>> import jax, jaxgen
    >>> from jaxgen.objective import Batch, Clock
    >>> net = lambda out: jaxgen.nets.mlp(out, width=4, depth=1)
    >>> model = jaxgen.Model(
    ...     jaxgen.bases.latent_and_noise((1,), (2,)), jaxgen.transforms.gaussian_decoder(net(4), net(2))
    ... )
    >>> params = jaxgen.model.init(jax.random.key(0), model)
    >>> loss, metrics = importance_weighted(model).loss(params, (), jax.random.key(1), Batch(jax.numpy.ones((3, 2))), Clock(0, 1, ()))
    >>> bool(loss < metrics["nll_one_draw"])
    True
    """
    require("importance_weighted", model, frozenset())
    checks.count("importance_weighted: num_draws", num_draws)
    inverse, density = over_batch(model.transform).inverse, model.transform.kind
    if density is not Density.LOWER_BOUND or inverse is None:
        instead = "adversarial or energy" if density is Density.IMPLICIT else "maximum_likelihood"
        raise PairingError(f"importance_weighted: model.transform.kind={density}; accepted: lower bound. For this one use {instead}.")

    def loss(params: Params, aux: Aux, key: Key, batch: Batch, clock: Clock) -> tuple[jax.Array, dict[str, jax.Array]]:
        def log_weights(keys: Key) -> jax.Array:
            return log_prob_of(model.base, inverse(params, batch.x, batch.cond, keys))

        keys = drawn(batch, lambda num: jax.random.split(key, (num_draws, num)), axis=1)
        logs = jax.vmap(log_weights)(keys)
        nll = -jnp.mean(jax.nn.logsumexp(logs, 0) - jnp.log(jnp.asarray(num_draws, logs.dtype)))
        return nll, {"nll": nll, "nll_one_draw": -jnp.mean(logs)}

    return Objective(no_aux, loss, additive=True)
