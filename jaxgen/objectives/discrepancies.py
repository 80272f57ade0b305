"""Discrepancies between the laws of two samples, as differentiable functions of their rows.

A discrepancy is a function `(key, x, y, even) -> scalar` of samples `(n, d)` of a model and of data. The objectives of `discrepancy.py`
minimise one; `fields.descent` makes it a drift field.
"""

from collections.abc import Callable
from typing import Protocol

import jax
import jax.numpy as jnp

from jaxgen import checks
from jaxgen.numerics import distances, sinkhorn, symmetric_sinkhorn
from jaxgen.types import Key

Profile = Callable[[jax.Array], jax.Array]
"""A kernel as a function of distance over width."""

KERNELS: dict[str, Profile] = {
    "gaussian": lambda r: jnp.exp(-0.5 * r**2),
    "laplace": lambda r: jnp.exp(-r),
    "inverse_multiquadric": lambda r: 1 / jnp.sqrt(1 + r**2),
}


class Discrepancy(Protocol):
    """Compares the laws behind two samples of one size."""

    def __call__(self, key: Key, x: jax.Array, y: jax.Array, even: bool = False) -> jax.Array:
        """Return the discrepancy.

        Args:
            key: A random key, for discrepancies that draw directions.
            x: Samples of the model `(n, d)`.
            y: Data `(n, d)`.
            even: Whether the rows of `x` are stratified and not independent. Pairs of independent rows estimate an expectation over pairs
                without bias if no row meets itself; rows that fill the space evenly estimate it best if each meets itself too.
        """
        ...


def energy_distance() -> Discrepancy:
    """Return the energy distance `2 E|X - Y| - E|X - X'| - E|Y - Y'|`, without bias for independent rows.

    Source: Szekely and Rizzo 2013, equation 5.
    """
    return lambda key, x, y, even=False: _of_pairs(lambda a, b: -distances(a, b), x, y, even)


def squared_mmd(kernel: str = "gaussian", widths: tuple[float, ...] = (0.1, 0.3, 1.0)) -> Discrepancy:
    """Return the squared maximum mean discrepancy `E k(X, X') + E k(Y, Y') - 2 E k(X, Y)`, the mean over kernels of several widths.

    Args:
        kernel: "gaussian" is `exp(-r^2 / 2)` of r = distance / width, "laplace" is `exp(-r)`, and "inverse_multiquadric" is
            `1 / sqrt(1 + r^2)`.
        widths: The widths, as multiples of the mean distance between two different rows of the data at hand; of 1 if all rows are one point.

    Returns:
        The discrepancy. Given the widths, it is without bias for independent rows.

    Raises:
        ValueError: The kernel is unknown, or the widths are empty or not positive.

    Source: Gretton et al. 2012, JMLR 13, equation 3; arXiv 1502.02761 for several widths.
    """
    if kernel not in KERNELS:
        raise ValueError(f"mmd: kernel={kernel!r}; accepted: {', '.join(KERNELS)}.")
    if not widths:
        raise ValueError(f"mmd: widths={widths!r}; accepted: one or more positive numbers.")
    for width in widths:
        checks.number("mmd: widths", width, above=0)
    profile = KERNELS[kernel]

    def discrepancy(key: Key, x: jax.Array, y: jax.Array, even: bool = False) -> jax.Array:
        unit = _spread(y)

        def similarity(a: jax.Array, b: jax.Array) -> jax.Array:
            r = distances(a, b) / unit
            return sum((profile(r / width) for width in widths), jnp.zeros_like(r)) / len(widths)

        return _of_pairs(similarity, x, y, even)

    return discrepancy


def squared_sliced_w2(num_directions: int = 64) -> Discrepancy:
    """Return the mean, over random directions, of the squared 2-Wasserstein distance of the projected samples.

    In one dimension the optimal plan pairs the sorted numbers. Two samples of one law are a positive distance apart, which falls with n.

    Args:
        num_directions: The number of directions, uniform on the sphere and new in each call.

    Raises:
        ValueError: `num_directions` is below 1.

    Source: Bonneel et al. 2015, J. Math. Imaging Vis. 51; arXiv 1804.01947 for generators.
    """
    checks.count("sliced_wasserstein: num_directions", num_directions)

    def discrepancy(key: Key, x: jax.Array, y: jax.Array, even: bool = False) -> jax.Array:
        directions = _directions(key, num_directions, x)
        return jnp.mean((jnp.sort(x @ directions.T, 0) - jnp.sort(y @ directions.T, 0)) ** 2)

    return discrepancy


def squared_max_sliced_w2(num_directions: int = 64, num_steps: int = 10) -> Discrepancy:
    """Return the squared 2-Wasserstein distance of the samples projected on the direction in which it is largest.

    The direction is sought from the best of random ones: each step sorts the projections, and moves to the direction in which the paired
    differences have the larger mean square. The direction is held fixed when the distance is differentiated, as the envelope theorem says.

    Args:
        num_directions: The number of random directions.
        num_steps: The number of steps of the search.

    Raises:
        ValueError: A number is below 1.

    Source: arXiv 1904.05877, equation 9.
    """
    checks.counts("max_sliced_wasserstein", num_directions=num_directions, num_steps=num_steps)

    def squared(direction: jax.Array, x: jax.Array, y: jax.Array) -> jax.Array:
        return jnp.mean((jnp.sort(x @ direction) - jnp.sort(y @ direction)) ** 2)

    def discrepancy(key: Key, x: jax.Array, y: jax.Array, even: bool = False) -> jax.Array:
        fixed_x, fixed_y = jax.lax.stop_gradient((x, y))
        start = _directions(key, num_directions, x)
        start = start[jnp.argmax(jax.vmap(lambda direction: squared(direction, fixed_x, fixed_y))(start))]

        def step(direction: jax.Array, _: None) -> tuple[jax.Array, jax.Array]:
            gap = fixed_x[jnp.argsort(fixed_x @ direction)] - fixed_y[jnp.argsort(fixed_y @ direction)]
            ahead = gap.T @ (gap @ direction)
            size = jnp.linalg.norm(ahead)
            return jnp.where(size > 0, ahead / jnp.where(size > 0, size, 1), direction), direction

        last, before = jax.lax.scan(step, start, None, num_steps)
        tried = jnp.concatenate([before, last[None]])
        best = tried[jnp.argmax(jax.vmap(lambda direction: squared(direction, fixed_x, fixed_y))(tried))]
        return squared(best, x, y)

    return discrepancy


def sinkhorn_of_squares(epsilon: float = 0.05, tolerance: float = 1e-3, max_iterations: int = 100) -> Discrepancy:
    """Return the Sinkhorn divergence `OT(x, y) - OT(x, x) / 2 - OT(y, y) / 2` of the squared distance.

    `OT(x, y)` is the least `<P, |x_i - y_j|^2> + epsilon KL(P | uniform)` over plans P. The plans are held fixed when it is differentiated,
    as the envelope theorem says. The divergence is zero if the samples agree, and positive otherwise.

    Args:
        epsilon: The weight of the entropy, as a multiple of the mean squared distance between two different rows of the data at hand.
        tolerance: When the iteration ends, as `numerics.sinkhorn` takes it.
        max_iterations: When it ends at the latest.

    Raises:
        ValueError: `epsilon` is not positive.

    Source: arXiv 1810.08278, equation 3 and proposition 2; arXiv 1706.00292 for generators.
    """
    checks.number("sinkhorn_divergence: epsilon", epsilon, above=0)
    checks.count("sinkhorn_divergence: max_iterations", max_iterations)

    def cost_of(a: jax.Array, b: jax.Array, unit: jax.Array) -> jax.Array:
        cost = distances(a, b) ** 2 / unit
        # Between a sample and itself the two potentials in turn converge slowly.
        plan = (symmetric_sinkhorn if a is b else sinkhorn)(cost, epsilon, tolerance=tolerance, max_iterations=max_iterations)
        log_plan, log_product = jax.lax.stop_gradient(plan.log_plan), -jnp.log(jnp.asarray(cost.size, cost.dtype))
        return jnp.sum(jnp.exp(log_plan) * (cost + epsilon * (log_plan - log_product)))

    def discrepancy(key: Key, x: jax.Array, y: jax.Array, even: bool = False) -> jax.Array:
        unit = jax.lax.stop_gradient(_without_itself(distances(y, y) ** 2))
        unit = jnp.where(unit > 0, unit, 1)
        return unit * (cost_of(x, y, unit) - 0.5 * (cost_of(x, x, unit) + cost_of(y, y, unit)))

    return discrepancy


def _of_pairs(similarity: Callable[[jax.Array, jax.Array], jax.Array], x: jax.Array, y: jax.Array, even: bool) -> jax.Array:
    """Return the squared distance of the laws of x and y in the space of functions whose kernel is `similarity`."""
    within = similarity(x, x)
    return (jnp.mean(within) if even else _without_itself(within)) + _without_itself(similarity(y, y)) - 2 * jnp.mean(similarity(x, y))


def _without_itself(square: jax.Array) -> jax.Array:
    """Return the mean of an array `(n, n)` off its diagonal."""
    n = square.shape[0]
    return jnp.sum(jnp.where(jnp.eye(n, dtype=bool), 0, square)) / (n * (n - 1))


def _spread(y: jax.Array) -> jax.Array:
    """Return the mean distance between two different rows; 1 if all rows are one point."""
    mean = jax.lax.stop_gradient(_without_itself(distances(y, y)))
    return jnp.where(mean > 0, mean, 1)


def _directions(key: Key, num: int, like: jax.Array) -> jax.Array:
    """Return unit vectors `(num, d)`, uniform on the sphere."""
    raw = jax.random.normal(key, (num, like.shape[1]), like.dtype)
    return raw / jnp.linalg.norm(raw, axis=1, keepdims=True)
