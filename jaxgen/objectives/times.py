"""Times for losses that average over t: how a batch draws the times at which it is compared."""

from collections.abc import Callable
from typing import TypeAlias

import jax
import jax.numpy as jnp

from jaxgen import checks
from jaxgen.paths import Path
from jaxgen.types import DTypeLike, Key

Times: TypeAlias = Callable[[Key, int, DTypeLike], jax.Array]
"""A function `(key, num, dtype) -> (num,)` that draws times in [0, 1]."""


def uniform_times(key: Key, num: int, dtype: DTypeLike) -> jax.Array:
    """Draw independent times, uniform on [0, 1).

    Args:
        key: A random key.
        num: How many times to draw.
        dtype: The floating dtype of the times.

    Returns:
        Times `(num,)`.

    >>> import jax
    >>> uniform_times(jax.random.key(0), 3, "float32").shape
    (3,)
    """
    return jax.random.uniform(key, (num,), dtype)


def stratified_times(key: Key, num: int, dtype: DTypeLike) -> jax.Array:
    """Draw one time in each of `num` equal cells of [0, 1), all at the same offset within their cells.

    Each time is uniform, and the mean of a smooth loss over them has less variance than over independent times.

    Args:
        key: A random key.
        num: How many times to draw.
        dtype: The floating dtype of the times.

    Returns:
        Times `(num,)` in increasing order.

    Source: arXiv 2107.00630, appendix I.1.

    >>> import jax
    >>> [int(4 * t) for t in stratified_times(jax.random.key(0), 4, "float32")]
    [0, 1, 2, 3]
    """
    return (jnp.arange(num, dtype=dtype) + jax.random.uniform(key, (), dtype)) / num


def antithetic_times(key: Key, num: int, dtype: DTypeLike) -> jax.Array:
    """Draw uniform times in pairs `(t, 1 - t)`, so that the part of a loss that is odd around t = 1/2 cancels.

    Args:
        key: A random key.
        num: How many times to draw; the last of an odd number has no partner.
        dtype: The floating dtype of the times.

    Returns:
        Times `(num,)` on [0, 1]; different pairs are independent.

    >>> import jax
    >>> float(jax.numpy.mean(antithetic_times(jax.random.key(0), 6, "float32")))
    0.5
    """
    half = jax.random.uniform(key, ((num + 1) // 2,), dtype)
    return jnp.concatenate([half, 1 - half])[:num]


def grid_times(num_steps: int) -> Times:
    """Build times drawn from the grid at which a sampler with `num_steps` steps evaluates its network.

    Args:
        num_steps: The number of points `k / num_steps`, with k from 0 to `num_steps - 1`.

    Returns:
        A function `(key, num, dtype) -> (num,)` whose times take every point equally often.

    Raises:
        ValueError: `num_steps` is no integer of at least 1.

    >>> import jax
    >>> [float(t) for t in grid_times(2)(jax.random.key(0), 4, "float32")]
    [0.0, 0.0, 0.5, 0.5]
    """
    checks.count("grid_times: num_steps", num_steps)

    def times(key: Key, num: int, dtype: DTypeLike) -> jax.Array:
        return jnp.floor(stratified_times(key, num, dtype) * num_steps) / num_steps

    return times


def lognormal_times(path: Path, mean: float = -1.2, sd: float = 1.2) -> Times:
    """Build times at which the logarithm of the noise level, log sigma(t), is normal.

    Args:
        path: The path whose decreasing sigma is inverted, by interpolation in a table.
        mean: The mean of log sigma.
        sd: The standard deviation of log sigma.

    Returns:
        A function `(key, num, dtype) -> (num,)`.

    Raises:
        ValueError: `mean` is not finite or `sd` is not positive.

    Source: arXiv 2206.00364, table 1.

    >>> import jax, jaxgen
    >>> t = lognormal_times(jaxgen.paths.edm())(jax.random.key(0), 101, "float32")
    >>> round(float(jax.numpy.log(jaxgen.paths.edm().sigma(t[50]))), 1)
    -1.2
    """
    checks.number("lognormal_times: mean", mean)
    checks.number("lognormal_times: sd", sd, above=0)

    def times(key: Key, num: int, dtype: DTypeLike) -> jax.Array:
        grid = jnp.linspace(0.0, 1.0, 1025, dtype=dtype)
        # Where sigma ends at 0, its logarithm would be infinite and the last cell's interpolation NaN.
        log_sigma = jnp.log(jnp.maximum(path.sigma(grid), jnp.finfo(dtype).tiny))
        return jnp.interp(mean + sd * jax.scipy.stats.norm.ppf(stratified_times(key, num, dtype)), log_sigma[::-1], grid[::-1])

    return times


def logit_normal_times(mean: float = 0.0, sd: float = 1.0) -> Times:
    """Build times whose logit, `log(t / (1 - t))`, is normal, which on the straight line is minus the logarithm of `sigma / alpha`.

    EDM's noise levels, log-normal with mean -1.2 and standard deviation 1.2, are so `logit_normal_times(1.2, 1.2)` on the straight line.

    Args:
        mean: The mean of the logit; above 0 more times are near the data.
        sd: The standard deviation of the logit.

    Returns:
        A function `(key, num, dtype) -> (num,)`.

    Raises:
        ValueError: `mean` is not finite or `sd` is not positive.

    Source: arXiv 2403.03206, section 3.1; arXiv 2206.00364, table 1, for EDM's levels.

    >>> import jax
    >>> t = logit_normal_times(1.2, 1.2)(jax.random.key(0), 101, "float32")
    >>> round(float(jax.numpy.log((1 - t[50]) / t[50])), 1)
    -1.2
    """
    checks.number("logit_normal_times: mean", mean)
    checks.number("logit_normal_times: sd", sd, above=0)

    def times(key: Key, num: int, dtype: DTypeLike) -> jax.Array:
        return jax.nn.sigmoid(mean + sd * jax.scipy.stats.norm.ppf(stratified_times(key, num, dtype)))

    return times


def ordered_pairs(key: Key, num: int, dtype: DTypeLike, to_end: float = 0.0) -> tuple[jax.Array, jax.Array]:
    """Draw pairs of times `t <= s`, uniform over that triangle except for a share of them with s = 1.

    Args:
        key: A random key.
        num: How many pairs to draw.
        dtype: The floating dtype of the times.
        to_end: The share of pairs with s = 1, where the data are, and t uniform on [0, 1). They come first.

    Returns:
        `(t, s)`, both `(num,)`.

    >>> import jax
    >>> t, s = ordered_pairs(jax.random.key(0), 4, "float32", to_end=0.5)
    >>> bool(jax.numpy.all(t <= s)), [float(a) for a in s[:2]]
    (True, [1.0, 1.0])
    """
    key_s, key_u = jax.random.split(key)
    num_to_end = round(to_end * num)
    # The larger of two uniform times is the root of one, which can be stratified.
    s = jnp.concatenate([jnp.ones(num_to_end, dtype), jnp.sqrt(stratified_times(key_s, num - num_to_end, dtype))])
    return s * jax.random.uniform(key_u, (num,), dtype), s
