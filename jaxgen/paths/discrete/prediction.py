"""One network, every reading: x_0 probabilities, ratios (the concrete score) and rates, whichever of them the network was trained as."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxgen.paths.discrete.cells import one_hot
from jaxgen.paths.discrete.path import DiscretePath
from jaxgen.types import Cond, Params

Function = Callable[..., jax.Array]
READINGS = ("logits", "context_logits", "log_ratios", "log_rates")
"""What a network may predict, for `prediction`."""
LEAST = 1e-7
"""The probability that every category of a site has at least, which keeps each density finite."""


class DiscretePrediction(NamedTuple):
    """Hold the functions `(params, x_t (*event), t, cond=None)` that one network on one path gives.

    Attributes:
        path: The path.
        probabilities: The probabilities of each site's datum given the whole state, `(*event, K)`.
        ratios: The concrete score `p_t(y) / p_t(x_t)` for each site's change to y, `(*event, S)`.
        rates: The rates of the reversal's jumps from x_t to y, `(*event, S)`.
    """

    path: DiscretePath
    probabilities: Function
    ratios: Function
    rates: Function

    def parts(self) -> dict[str, Function]:
        """Return the readings that the path has by name, for `Transform.parts`."""
        known = {"probabilities": self.probabilities}
        return known if self.path.reversal is None else {**known, "ratios": self.ratios, "rates": self.rates}


def prediction(
    path: DiscretePath, output: Function, target: str = "logits", *, counts: Sequence[int] | np.ndarray | None = None
) -> DiscretePrediction:
    """Read every parameterisation off a network whose `output(params, x_t, t, cond)` predicts one of them.

    Args:
        path: The path on which the network was trained.
        output: The network, `(params, x_t (*event), t, cond)` to logits `(*event, K)` of the data, or to logarithms `(*event, S)` of
            ratios or of rates.
        target: What it predicts: "logits", "context_logits", "log_ratios" or "log_rates". Context logits are those of a site's datum given
            the other sites; what the site's own state says, `q(x_t | x)`, is multiplied to them in closed form. On a mixture or metric path
            that is a far easier thing to learn near the data, where a site's own state says nearly everything.
        counts: How many categories each site has, `(*event,)`, for sites of fewer than K; None gives each site K.

    Returns:
        The three readings. Each category of a site has a probability of at least 1e-7, except where the state shows the datum.

    Raises:
        ValueError: `target` is unknown, a path without a reversal is read by ratios, or a count is above K.

    Source: arXiv 2310.16834, section 3.3; arXiv 2406.04329, section 3.

    >>> from jaxgen import paths
    >>> path = paths.discrete.masked(2)
    >>> read = paths.discrete.prediction(path, lambda params, x, t, cond=None: jnp.zeros((*x.shape, 2)))
    >>> read.probabilities((), jnp.asarray([2.0, 1.0]), jnp.asarray(0.5)).tolist()  # the mask, and a known site
    [[0.5, 0.5], [0.0, 1.0]]
    """
    if target not in READINGS:
        raise ValueError(f"prediction: target={target!r}; accepted: {', '.join(map(repr, READINGS))}.")
    reversal = path.reversal
    if target.startswith("log_") and reversal is None:
        raise ValueError(f"prediction: target={target!r} on a path without a reversal; accepted: 'logits', 'context_logits'.")
    sizes = None if counts is None else np.asarray(counts)
    if sizes is not None and not ((sizes >= 1) & (sizes <= path.num_categories)).all():
        raise ValueError(f"prediction: counts={sizes.tolist()}; accepted: 1 to {path.num_categories}, the categories of the path.")

    def raw(params: Params, x: jax.Array, t: jax.Array, cond: Cond) -> jax.Array:
        y = output(params, x, t, cond)
        if target == "logits":
            return _softmax(y, _allowed(sizes, path.num_categories))
        if target == "context_logits":
            return _softmax(y + _log_likelihoods(path, x, t), _allowed(sizes, path.num_categories))
        assert reversal is not None
        ratios = jnp.exp(y)
        if target == "log_rates":
            rate = reversal.rate(x, t)
            ratios = jnp.where(rate > 0, ratios / jnp.where(rate > 0, rate, 1), 0)
        # A state's own ratio is 1 whatever the network says of it.
        here = x[..., None] == jnp.arange(path.num_states, dtype=x.dtype).reshape(*(1,) * x.ndim, -1)
        p = jnp.maximum(reversal.probabilities(jnp.where(here, 1, ratios), x, t), LEAST)
        return p / jnp.sum(p, -1, keepdims=True)

    def probabilities(params: Params, x: jax.Array, t: jax.Array, cond: Cond = None) -> jax.Array:
        return path.shown(raw(params, x, t, cond), x)

    return from_probabilities(path, probabilities)


def from_probabilities(path: DiscretePath, probabilities: Function) -> DiscretePrediction:
    """Return the prediction of a function that gives x_0 probabilities.

    Args:
        path: The path.
        probabilities: `(params, x_t (*event), t, cond=None) -> (*event, K)`.

    Returns:
        The readings. Ratios and rates of a path without a reversal raise ValueError when they are asked for.
    """

    def ratios(params: Params, x: jax.Array, t: jax.Array, cond: Cond = None) -> jax.Array:
        if path.reversal is None:
            raise ValueError("ratios: path=one without a reversal; accepted: paths.discrete.masked or paths.discrete.mixture.")
        return path.reversal.ratios(probabilities(params, x, t, cond), x, t)

    def rates(params: Params, x: jax.Array, t: jax.Array, cond: Cond = None) -> jax.Array:
        found = ratios(params, x, t, cond)
        assert path.reversal is not None
        return path.reversal.rate(x, t) * found

    return DiscretePrediction(path, probabilities, ratios, rates)


def _log_likelihoods(path: DiscretePath, x: jax.Array, t: jax.Array) -> jax.Array:
    """Return `log q(x_t | x)` of each site and datum, `(*event, K)`, held finite; a mask says nothing, also at t = 1."""
    given = path.marginal(jnp.eye(path.num_categories, dtype=x.dtype), t)
    logs = jnp.log(jnp.maximum(one_hot(x, path.num_states) @ given.T, jnp.finfo(x.dtype).tiny))
    return logs if path.mask is None else jnp.where((x == path.mask)[..., None], 0, logs)


def _allowed(sizes: np.ndarray | None, num: int) -> np.ndarray | None:
    return None if sizes is None else np.arange(num) < sizes[..., None]


def _softmax(logits: jax.Array, allowed: np.ndarray | None) -> jax.Array:
    if allowed is None:
        return (1 - logits.shape[-1] * LEAST) * jax.nn.softmax(logits) + LEAST
    ones = jnp.asarray(allowed, logits.dtype)
    p = jax.nn.softmax(jnp.where(ones > 0, logits, -jnp.inf))
    return (1 - LEAST * jnp.sum(ones, -1, keepdims=True)) * p + LEAST * ones
