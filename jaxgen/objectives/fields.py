"""Drift fields: which way each sample of a model should move so that the samples become like the data.

A field is zero if both samples have one law. `drift_field` trains any transform towards the point where it is zero (arXiv 2605.05118).
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

from jaxgen import checks
from jaxgen.nets import Net
from jaxgen.numerics import distances
from jaxgen.objectives.discrepancies import Discrepancy
from jaxgen.objectives.joint import joint
from jaxgen.types import Aux, Cond, Key

Points = jax.Array
Evaluate = Callable[[Aux, Key, Points, Points, Cond], Points]


def _no_critic(key: Key, x: Points, cond: Cond) -> Aux:
    return ()


class DriftField(NamedTuple):
    """Say which way samples should move, given data; both are in a unit in which they are `sqrt(d)` apart on average.

    Attributes:
        evaluate: `(aux, key, x, y, cond) -> (n, d)`, the field at the samples `x`, for data `y` under the same conditions, both `(n, d)`.
        init: `(key, x, cond) -> aux` for one point, the auxiliaries of a field that is learnt; none by default.
        loss: `(aux, key, x, y, cond) -> scalar`, which trains those auxiliaries; None if there are none.
    """

    evaluate: Evaluate
    init: Callable[[Key, Points, Cond], Aux] = _no_critic
    loss: Callable[[Aux, Key, Points, Points, Cond], jax.Array] | None = None


def one_step_transport(temperature: float) -> DriftField:
    """Build the field of `drifting`: barycentres of the data less those of the other samples, by affinities `exp(-distance / temperature)`.

    The affinities are normalised by rows and by columns once, which is one step of Sinkhorn's iteration.

    Args:
        temperature: The distance, as a multiple of d units, over which affinity falls by a factor e.

    Raises:
        ValueError: `temperature` is not positive.

    Source: arXiv 2602.04770, algorithm 2.
    """
    checks.number("one_step_transport: temperature", temperature, above=0)
    return DriftField(lambda aux, key, x, y, cond: drift(x, y, cond, temperature * x.shape[1]))


def score_difference(width: float) -> DriftField:
    """Build the field `grad log p(x) - grad log q(x)` of kernel density estimates p of the data and q of the samples.

    It descends the Kullback-Leibler divergence of the samples from the data, both smoothed by the kernel. Each score is the mean shift of a
    Gaussian kernel, and no sample is counted in its own density.

    Args:
        width: The standard deviation of the kernel in each coordinate, in units.

    Raises:
        ValueError: `width` is not positive.

    Source: arXiv 2605.05118, section 3; Comaniciu and Meer 2002 for the mean shift.
    """
    checks.number("score_difference: width", width, above=0)

    def evaluate(aux: Aux, key: Key, x: Points, y: Points, cond: Cond) -> Points:
        points, itself = joint(x, cond), jnp.eye(x.shape[0], dtype=bool)

        def mean_of(others: Points, but: jax.Array | None) -> Points:
            logits = -0.5 * (distances(points, joint(others, cond)) / width) ** 2
            weights = jax.nn.softmax(logits if but is None else jnp.where(but, -jnp.inf, logits), 1)
            return weights @ others

        return (mean_of(y, None) - mean_of(x, itself)) / width**2

    return DriftField(evaluate)


def descent(discrepancy: Discrepancy) -> DriftField:
    """Build the field of steepest descent of a discrepancy: each sample moves against n times its own derivative.

    It is the velocity of the Wasserstein gradient flow of the discrepancy, estimated from a batch.

    Args:
        discrepancy: One of `objectives.discrepancies`, such as `energy_distance()`.

    Source: arXiv 2605.05118, section 5.
    """

    def evaluate(aux: Aux, key: Key, x: Points, y: Points, cond: Cond) -> Points:
        return -x.shape[0] * jax.grad(lambda x: discrepancy(key, joint(x, cond), joint(y, cond)))(x)

    return DriftField(evaluate)


def critic(net: Net, penalty: float = 0.1) -> DriftField:
    """Build the field `grad f(x)` of a critic f that learns to tell the data from the samples, so that no kernel compares points.

    f is trained by the logistic loss, whose best critic is `log p - log q`: the field then descends the Kullback-Leibler divergence.

    Args:
        net: The critic, `net.apply(aux, x, cond)` of shape `(1,)` for one point `(d,)`.
        penalty: The weight of `|grad f|^2 / 2` at the data, which keeps the field smooth.

    Raises:
        ValueError: `penalty` is negative.

    Source: arXiv 2605.05118, section 5, for critics; arXiv 1801.04406, equation 9, for the penalty.
    """
    checks.number("critic: penalty", penalty, least=0)

    def score(aux: Aux, x: Points, cond: Cond) -> jax.Array:
        return jax.vmap(lambda x, c: net.apply(aux, x, c)[0])(x, cond)

    def slope(aux: Aux, x: Points, cond: Cond) -> Points:
        return jax.grad(lambda x: jnp.sum(score(aux, x, cond)))(x)

    def loss(aux: Aux, key: Key, x: Points, y: Points, cond: Cond) -> jax.Array:
        logistic = jnp.mean(jax.nn.softplus(-score(aux, y, cond)) + jax.nn.softplus(score(aux, x, cond)))
        return logistic + 0.5 * penalty * jnp.mean(jnp.sum(slope(aux, y, cond) ** 2, 1))

    return DriftField(lambda aux, key, x, y, cond: slope(aux, x, cond), net.init, loss)


def drift(x: jax.Array, y: jax.Array, cond: Cond, temperature: float) -> jax.Array:
    """Return the field `V_i = sum_jk A_ij B_ik (y_j - x_k)` at each sample x_i.

    A and B are the affinities of x_i to the data and to the other samples: `exp(-distance / temperature)`, normalised over both together,
    by rows and by columns in geometric mean. Exchanging samples and data changes the sign of V.

    Args:
        x: Samples `(n, d)`.
        y: Data `(n, d)`.
        cond: Conditions `(n, *cond)` of both, or None.
        temperature: The distance over which affinity falls by a factor e.

    Returns:
        The field `(n, d)`.

    Source: arXiv 2602.04770, algorithm 2.

    >>> import jax.numpy as jnp
    >>> drift(jnp.zeros((2, 1)), jnp.full((2, 1), 3.0), None, 1.0).ravel() > 0
    Array([ True,  True], dtype=bool)
    """
    points, itself = joint(x, cond), jnp.eye(x.shape[0], dtype=bool)
    to_others = jnp.where(itself, jnp.inf, distances(points, points))
    logits = -jnp.concatenate([distances(points, joint(y, cond)), to_others], 1) / temperature
    affinity = jnp.exp(0.5 * (jax.nn.log_softmax(logits, 1) + jax.nn.log_softmax(logits, 0)))
    to_data, to_samples = jnp.split(affinity, 2, 1)
    mass, repelled = jnp.sum(to_data, 1, keepdims=True), jnp.sum(to_samples, 1, keepdims=True)
    return repelled * (to_data @ y) - mass * (to_samples @ x)
