"""Guidance and infilling: functions from a prediction to a prediction, so that every sampler can run them without a change."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import ArrayLike

from jaxgen import checks
from jaxgen.paths.discrete.cells import one_hot, safe_log
from jaxgen.paths.discrete.prediction import LEAST, DiscretePrediction, from_probabilities
from jaxgen.types import Cond, Params


def guided(conditional: DiscretePrediction, scale: float, *, null_cond: Any = None) -> DiscretePrediction:
    """Steer x_0 probabilities by classifier-free guidance: `p_null^(1 - scale) p_cond^scale`, normalised for each site.

    Args:
        conditional: The prediction that reads the condition.
        scale: 1 is the conditional model, 0 the unconditional one, and more than 1 exaggerates the condition.
        null_cond: The condition that stands for none, `(*cond)`, or None if the network takes None.

    Returns:
        The guided prediction. Its samplers report the densities of the chains that they run.

    Raises:
        ValueError: `scale` is not finite.

    Source: arXiv 2412.10193, section 4.

    >>> from jaxgen import paths
    >>> net = lambda params, x, t, cond=None: jnp.zeros((*x.shape, 2)) + (0.0 if cond is None else cond)
    >>> read = paths.discrete.prediction(paths.discrete.uniform(2), net)
    >>> steered, cond = paths.discrete.guided(read, 2.0), jnp.asarray([0.0, 1.0])
    >>> p = steered.probabilities((), jnp.zeros(1), jnp.asarray(0.5), cond)
    >>> bool(jnp.allclose(p, jax.nn.softmax(2 * cond), atol=1e-5))
    True
    """
    checks.number("guided: scale", scale)

    def probabilities(params: Params, x: jax.Array, t: jax.Array, cond: Cond = None) -> jax.Array:
        null = None if null_cond is None else jnp.asarray(null_cond, x.dtype)
        with_cond, without = (conditional.probabilities(params, x, t, c) for c in (cond, null))
        # A category that a known site does not have has no logarithm; it stays out.
        possible = (with_cond > 0) & (without > 0)
        logs = scale * _log(with_cond) + (1 - scale) * _log(without)
        p = jax.nn.softmax(jnp.where(possible, logs, -jnp.inf))
        ones = possible.astype(p.dtype)
        return conditional.path.shown((1 - LEAST * jnp.sum(ones, -1, keepdims=True)) * p + LEAST * ones, x)

    return from_probabilities(conditional.path, probabilities)


def infilled(prior: DiscretePrediction, known: ArrayLike, values: ArrayLike) -> DiscretePrediction:
    """Condition a prediction on the data of some sites, such as a prefix or the border of a picture.

    The network sees the known sites as they are at every t. On a masked path that is the conditional distribution of the other sites, as
    the network has learnt it for any subset. On other paths it is an approximation, because in training every site was noisy.

    Args:
        prior: The prediction of the data.
        known: True where a site is known, shaped as an event.
        values: The codes of the known sites, shaped as an event; the others are not read.

    Returns:
        The prediction given the known sites. With it, the density of an event is that of its unknown sites, and -inf if it disagrees with
        the known ones.

    Raises:
        ValueError: The shapes differ, no site is known, or a known value is no code.

    Source: arXiv 2406.07524, section 5; arXiv 2110.02037, section 2.

    >>> from jaxgen import paths
    >>> truth = paths.discrete.tabular(paths.discrete.masked(2))
    >>> equal = jnp.asarray([[0.0, -jnp.inf], [-jnp.inf, 0.0]])  # both sites are always equal
    >>> given = paths.discrete.infilled(truth, [True, False], [1.0, 0.0])
    >>> given.probabilities(equal, jnp.asarray([2.0, 2.0]), jnp.asarray(0.0)).tolist()
    [[0.0, 1.0], [0.0, 1.0]]
    """
    mask, codes = np.asarray(known, bool), np.asarray(values, np.float64)
    if mask.shape != codes.shape or not mask.any():
        raise ValueError(f"infilled: known of shape {mask.shape}, values of shape {codes.shape}; accepted: both an event's, one known.")
    if not np.isin(codes[mask], np.arange(prior.path.num_categories)).all():
        raise ValueError(f"infilled: values={codes[mask].tolist()}; accepted: codes 0 to {prior.path.num_categories - 1}.")

    def probabilities(params: Params, x: jax.Array, t: jax.Array, cond: Cond = None) -> jax.Array:
        where, given = jnp.asarray(mask), jnp.asarray(codes, x.dtype)
        p = prior.probabilities(params, jnp.where(where, given, x), t, cond)
        return jnp.where(where[..., None], one_hot(given, prior.path.num_categories), p)

    return from_probabilities(prior.path, probabilities)


def _log(p: jax.Array) -> jax.Array:
    return jnp.where(p > 0, safe_log(p), 0)
