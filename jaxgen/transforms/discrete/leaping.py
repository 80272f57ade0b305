"""Tau-leaping: jumps of all sites at once by the rates of a path, and steps that correct the ones before."""

import jax
import jax.numpy as jnp

from jaxgen import checks
from jaxgen.paths.discrete import DiscretePath, DiscretePrediction, one_hot
from jaxgen.transform import Init, Transform
from jaxgen.transforms.discrete.chain import Noising, chain_of
from jaxgen.types import Cond, Params


def tau_leaping(init: Init, prediction: DiscretePrediction, num_steps: int, *, corrector: float = 0.0) -> Transform:
    """Sample by the rates of discrete flow matching, held constant over a step: a site jumps with probability `1 - exp(-integral)`.

    The time integral of the rates' common factor is taken in closed form, and the last step draws each site from its x_0 probabilities.
    The noise is that of `discrete_ancestral`. The error falls as the length of a step on masked and metric paths, and on mixture paths
    more slowly by a logarithm, because the factor is infinite at the data.

    Args:
        init: `(key, z, cond=None) -> params`, for noise z shaped as an event.
        prediction: The network read on its path, which may be any.
        num_steps: How many steps of equal length in t, each of one network evaluation.
        corrector: Each step goes beyond its end by this share of its length and comes back by noising, which leaves the marginals and
            mends earlier errors, as a rate of `(1 + c) forward + c backward` does; 0 does not.

    Returns:
        A LOWER_BOUND transform whose `inverse` draws the chain that resamples sites from the prior. It is IMPLICIT on a path without a
        reversal, such as `paths.discrete.metric`.

    Raises:
        ValueError: `num_steps` is below 1, or `corrector` is negative or given for a path without a reversal.

    Source: arXiv 2205.14987, section 4.3; arXiv 2407.15595, algorithm 1 and section 3.2.

    >>> import jax.numpy as jnp
    >>> from jaxgen import paths, transforms
    >>> truth = paths.discrete.tabular(paths.discrete.uniform(2))
    >>> f = transforms.tau_leaping(lambda key, z, cond=None: jnp.zeros((2, 2)), truth, 4)
    >>> f.forward(jnp.asarray([[-9.0, 9.0], [-9.0, -9.0]]), jnp.full((5, 2), 0.4)).tolist()
    [0.0, 1.0]
    """
    checks.number("tau_leaping: corrector", corrector, least=0)
    path = prediction.path
    if corrector and path.reversal is None:
        raise ValueError(f"tau_leaping: corrector={corrector!r} on a path without a reversal; accepted: 0.0.")

    def leap(p: jax.Array, x: jax.Array, t: jax.Array, s: jax.Array) -> jax.Array:
        velocity, last = path.velocity(p, x, t), s >= 1
        total = jnp.sum(velocity, -1, keepdims=True)
        stays = jnp.exp(-total * jnp.where(last, 0, path.hazard(t, s)))
        shares = velocity / jnp.where(total > 0, total, 1)
        return jnp.where(last, path.widened(p), stays * one_hot(x, path.num_states) + (1 - stays) * shares)

    def step(params: Params, x: jax.Array, t: jax.Array, s: jax.Array, cond: Cond) -> jax.Array:
        p = prediction.probabilities(params, x, t, cond)
        if not corrector or path.schedule is None:
            return leap(p, x, t, s)
        beyond = jnp.minimum(s + corrector * (s - t), 1)
        keeps = path.schedule.kept(s) / path.schedule.kept(beyond)
        return keeps * leap(p, x, t, beyond) + (1 - keeps) * path.prior_at(x)

    return chain_of("tau_leaping", init, prediction, step, num_steps, _resampling(path) if path.reversal else None)


def _resampling(path: DiscretePath) -> Noising:
    """The noising chain that forgets a site by a draw of the prior, whatever the path's reversal is."""
    schedule = path.schedule
    assert schedule is not None

    def noising(x: jax.Array, x_s: jax.Array, s: jax.Array, t: jax.Array) -> jax.Array:
        keeps = schedule.kept(t) / schedule.kept(s)
        return keeps * one_hot(x_s, path.num_states) + (1 - keeps) * path.prior_at(x_s)

    return noising
