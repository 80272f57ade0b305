"""Objectives of discrete data: likelihood bounds, score entropy and cross-entropy of one network on a corruption process."""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from jaxgen.model import Model
from jaxgen.objective import Batch, Clock, Loss, Objective, PairingError, drawn, no_aux, require
from jaxgen.objectives.times import Times, stratified_times
from jaxgen.paths.discrete import DiscretePath, one_hot
from jaxgen.paths.discrete.cells import safe_log
from jaxgen.paths.discrete.path import entropy_of_ratios
from jaxgen.transform import Part
from jaxgen.types import Aux, Cond, DTypeLike, Key, Params

OfEvent = Callable[[Params, jax.Array, Cond, jax.Array, jax.Array], jax.Array]
"""A draw of a loss in nats, from an event, its condition, a uniform number for each site, and a time."""
Weighted = Callable[[Key, int, DTypeLike], tuple[jax.Array, jax.Array]]
"""A function `(key, num, dtype)` that draws times `(num,)` and returns them with their weights."""


def discrete_bound(model: Model, path: DiscretePath, *, times: Times | None = None) -> Objective:
    """Minimise the continuous-time bound on -log p(x) of discrete diffusion, in nats per site.

    On a masked path it is `E_t kappa' / (1 - kappa) sum over masked sites of -log p(x_i | x_t)`, on a mixture path the sum over all jumps
    of the relative entropy of their rates. Its minimum is the true posterior, where it is the entropy of the data.

    Args:
        model: A model whose transform has the part `probabilities`.
        path: The path; one with a reversal.
        times: `(key, num, dtype) -> (num,)`, uniform times t in [0, 1], such as `stratified_times`. None draws `1 - kappa(t) = v^2` for
            stratified v and weighs by the density: with uniform times the variance of this bound is infinite.

    Returns:
        An objective whose metric is `nll_bound`, the bound in nats per event.

    Raises:
        PairingError: The transform lacks the part, or the path has no reversal.

    Source: arXiv 2406.07524, equation 11; arXiv 2406.04329, equation 5; arXiv 2205.14987, equation 4, for mixture paths.

    >>> import jax, jaxgen
    >>> from jaxgen.objective import Batch, Clock
    >>> path = jaxgen.paths.discrete.masked(2)
    >>> f = jaxgen.transforms.any_order(lambda key, z, cond=None: (), jaxgen.paths.discrete.tabular(path))
    >>> objective = discrete_bound(jaxgen.Model(jaxgen.bases.uniform((2,)), f), path)
    >>> zeros = jax.numpy.asarray([[9.0, -9.0], [-9.0, -9.0]])  # All data are zeros, and so is the prediction.
    >>> round(float(objective.loss(zeros, (), jax.random.key(0), Batch(jax.numpy.zeros((8, 2))), Clock(0, 1, ()))[0]), 3)
    0.0
    """
    predict, reversal = _part("discrete_bound", model, "probabilities"), path.reversal
    if reversal is None:
        raise PairingError("discrete_bound: path=one without a reversal; accepted: masked or mixture. discrete_flow_matching takes any.")

    def of_event(params: Params, x: jax.Array, cond: Cond, u: jax.Array, t: jax.Array) -> jax.Array:
        x_t = path.state(x, u, t)
        return jnp.sum(reversal.bound(predict(params, x_t, t, cond=cond), x, x_t, t))

    return Objective(no_aux, _loss(of_event, _times(path, times), "nll_bound"), additive=True, num_codes=path.num_categories)


def score_entropy(model: Model, path: DiscretePath, *, times: Times | None = None) -> Objective:
    """Minimise the denoising score entropy of the ratios `p_t(y) / p_t(x_t)`, weighted by the rates of noising, in nats per site.

    With these weights it is the bound of `discrete_bound`, written in the ratios that a network gives.

    Args:
        model: A model whose transform has the part `ratios`.
        path: The path; one with a reversal.
        times: As for `discrete_bound`.

    Returns:
        An objective whose metric is `nll_bound`, the bound in nats per event.

    Raises:
        PairingError: The transform lacks the part, or the path has no reversal.

    Source: arXiv 2310.16834, definition 3.1 and theorem 3.6.

    >>> import jax, jaxgen
    >>> from jaxgen.objective import Batch, Clock
    >>> path = jaxgen.paths.discrete.uniform(2)
    >>> f = jaxgen.transforms.tau_leaping(lambda key, z, cond=None: (), jaxgen.paths.discrete.tabular(path), 2)
    >>> objective = score_entropy(jaxgen.Model(jaxgen.bases.uniform((3, 2)), f), path)
    >>> zeros = jax.numpy.asarray([[9.0, -9.0], [-9.0, -9.0]])  # All data are zeros, and so is the prediction.
    >>> round(float(objective.loss(zeros, (), jax.random.key(0), Batch(jax.numpy.zeros((8, 2))), Clock(0, 1, ()))[0]), 3)
    0.0
    """
    reversal = path.reversal
    if reversal is None:
        raise PairingError("score_entropy: path=one without a reversal; accepted: masked or mixture. discrete_flow_matching takes any.")
    predict = _part("score_entropy", model, "ratios")

    def of_event(params: Params, x: jax.Array, cond: Cond, u: jax.Array, t: jax.Array) -> jax.Array:
        x_t = path.state(x, u, t)
        found, true = predict(params, x_t, t, cond=cond), reversal.ratios(one_hot(x, path.num_categories), x_t, t)
        # A jump to which noising never leads costs nothing, whatever its ratio is.
        rate = reversal.rate(x_t, t)
        return jnp.sum(jnp.where(rate > 0, rate * entropy_of_ratios(found, true), 0))

    return Objective(no_aux, _loss(of_event, _times(path, times), "nll_bound"), additive=True, num_codes=path.num_categories)


def discrete_flow_matching(model: Model, path: DiscretePath, *, times: Times = stratified_times) -> Objective:
    """Minimise the cross-entropy `E_t -log p(x | x_t)` of the data given a state on the path, in nats per site.

    It weighs all times alike, whatever the path; on masked and mixture paths it also bounds -log p(x) up to a constant of the path.

    Args:
        model: A model whose transform has the part `probabilities`.
        path: The path, which may be any.
        times: `(key, num, dtype) -> (num,)`, the times t in [0, 1].

    Returns:
        An objective whose metric is `cross_entropy`, in nats per event.

    Raises:
        PairingError: The transform lacks the part.

    Source: arXiv 2407.15595, equation 29; arXiv 2412.03487, section 5.

    >>> import jax, jaxgen
    >>> from jaxgen.objective import Batch, Clock
    >>> path = jaxgen.paths.discrete.metric(2)
    >>> f = jaxgen.transforms.tau_leaping(lambda key, z, cond=None: (), jaxgen.paths.discrete.tabular(path), 2)
    >>> objective = discrete_flow_matching(jaxgen.Model(jaxgen.bases.uniform((3, 2)), f), path)
    >>> zeros = jax.numpy.asarray([[9.0, -9.0], [-9.0, -9.0]])  # All data are zeros, and so is the prediction.
    >>> round(float(objective.loss(zeros, (), jax.random.key(0), Batch(jax.numpy.zeros((8, 2))), Clock(0, 1, ()))[0]), 3)
    0.0
    """
    predict = _part("discrete_flow_matching", model, "probabilities")

    def of_event(params: Params, x: jax.Array, cond: Cond, u: jax.Array, t: jax.Array) -> jax.Array:
        p = predict(params, path.state(x, u, t), t, cond=cond)
        return -jnp.sum(safe_log(jnp.sum(p * one_hot(x, path.num_categories), -1)))

    return Objective(no_aux, _loss(of_event, _unweighted(times), "cross_entropy"), additive=True, num_codes=path.num_categories)


def any_order_bound(model: Model, path: DiscretePath) -> Objective:
    """Minimise the bound of an autoregressive model of a uniformly drawn order, in nats per site.

    A batch draws how many sites are masked, stratified over the events, and which they are; the masked sites' mean of -log p(x_i | x_t) is
    a draw of the bound per site. It is the bound of masked diffusion with the number of masks drawn before their places, which has a
    smaller variance than masks drawn one by one: no draw divides by a time.

    Args:
        model: A model whose transform has the part `probabilities`.
        path: A masked path; the network is asked at the time at which as many sites are masked on average.

    Returns:
        An objective whose metric is `nll_bound`, the bound in nats per event.

    Raises:
        PairingError: The transform lacks the part, or the path has no mask.

    Source: arXiv 2110.02037, equation 3.

    >>> import jax, jaxgen
    >>> from jaxgen.objective import Batch, Clock
    >>> path = jaxgen.paths.discrete.masked(2)
    >>> f = jaxgen.transforms.any_order(lambda key, z, cond=None: (), jaxgen.paths.discrete.tabular(path))
    >>> objective = any_order_bound(jaxgen.Model(jaxgen.bases.uniform((2,)), f), path)
    >>> zeros = jax.numpy.asarray([[9.0, -9.0], [-9.0, -9.0]])  # All data are zeros, and so is the prediction.
    >>> round(float(objective.loss(zeros, (), jax.random.key(0), Batch(jax.numpy.zeros((8, 2))), Clock(0, 1, ()))[0]), 3)
    0.0
    """
    predict, schedule = _part("any_order_bound", model, "probabilities"), path.schedule
    if path.mask is None or schedule is None:
        raise PairingError("any_order_bound: path=one without a mask; accepted: a path from paths.discrete.masked.")

    def of_event(params: Params, x: jax.Array, cond: Cond, u: jax.Array, t: jax.Array) -> jax.Array:
        known = jnp.floor(t * x.size)
        masks = jnp.argsort(jnp.argsort(u.ravel())).reshape(x.shape).astype(x.dtype) >= known
        p = predict(params, jnp.where(masks, path.num_categories, x), schedule.inverse(known / x.size), cond=cond)
        log_p = safe_log(jnp.sum(p * one_hot(x, path.num_categories), -1))
        return -x.size / (x.size - known) * jnp.sum(jnp.where(masks, log_p, 0))

    # Rounding of the largest stratified time may reach 1, where no site would be masked.
    def times(key: Key, num: int, dtype: DTypeLike) -> jax.Array:
        return jnp.minimum(stratified_times(key, num, dtype), 1 - jnp.finfo(dtype).epsneg)

    return Objective(no_aux, _loss(of_event, _unweighted(times), "nll_bound"), additive=True, num_codes=path.num_categories)


def _part(name: str, model: Model, part: str) -> Part:
    require(name, model, frozenset({part}))
    return model.transform.parts[part]


def _unweighted(times: Times) -> Weighted:
    def draw(key: Key, num: int, dtype: DTypeLike) -> tuple[jax.Array, jax.Array]:
        t = times(key, num, dtype)
        return t, jnp.ones_like(t)

    return draw


def _times(path: DiscretePath, times: Times | None) -> Weighted:
    schedule = path.schedule
    if times is not None or schedule is None:
        return _unweighted(times or stratified_times)

    def draw(key: Key, num: int, dtype: DTypeLike) -> tuple[jax.Array, jax.Array]:
        # Below a loss of 1e-6, where little is left to learn, 1 - kappa would be its own rounding error.
        v = jnp.clip(1 - stratified_times(key, num, dtype), 1e-3, 1 - jnp.finfo(dtype).eps)
        t = schedule.inverse(1 - v**2)
        # A schedule that starts without a rate has an infinite weight there, at a time that is never needed.
        return t, 2 * v / jnp.maximum(schedule.rate(t), jnp.finfo(dtype).eps)

    return draw


def _loss(of_event: OfEvent, times: Weighted, metric: str) -> Loss:
    """The loss of a number of nats of each event, which draws a time with its weight and a uniform number for each site."""

    def of_one(params: Params, x: jax.Array, cond: Cond, u: jax.Array, t: jax.Array, weight: jax.Array) -> jax.Array:
        return weight * of_event(params, x, cond, u, t)

    def loss(params: Params, aux: Aux, key: Key, batch: Batch, clock: Clock) -> tuple[jax.Array, dict[str, jax.Array]]:
        key_u, key_t = jax.random.split(key)
        x = batch.x
        u = drawn(batch, lambda num: jax.random.uniform(key_u, (num, *x.shape[1:]), x.dtype))
        t, weight = drawn(batch, lambda num: times(key_t, num, x.dtype))
        nats = jnp.mean(jax.vmap(of_one, (None, 0, 0, 0, 0, 0))(params, x, batch.cond, u, t, weight))
        return nats / x[0].size, {metric: nats}

    return loss
