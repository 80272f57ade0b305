"""Stratified noise: the draws of one batch fill the space evenly, while each of them keeps its law."""

import functools
from typing import Protocol, cast

import jax
import jax.numpy as jnp
import numpy as np

from jaxgen.bases.shapes import Size, size_of
from jaxgen.model import Base
from jaxgen.types import Key, Noise

LATTICE_DIM = 32
"""Coordinates that share one lattice; a batch cannot fill more of them evenly."""
_CANDIDATES = 64


class BaseWithQuantile(Base, Protocol):
    """Say which noise a model consumes, and how uniform numbers become that noise."""

    def quantile(self, value: Noise) -> Noise:
        """Return noise whose law is the base's if the numbers of `value`, which has its shape, are independent and uniform on (0, 1)."""
        ...


class _Stratified:
    def __init__(self, base: BaseWithQuantile):
        self.base = base

    def sample(self, *, seed: Key, sample_shape: Size = ()) -> Noise:
        shape = size_of(sample_shape)
        one = jax.eval_shape(lambda: self.base.sample(seed=jax.random.key(0)))
        leaves, treedef = jax.tree.flatten(one)
        sizes = [int(np.prod(leaf.shape)) for leaf in leaves]
        u = uniform_lattice(seed, int(np.prod(shape)), sum(sizes), jnp.zeros(()).dtype)
        parts = jnp.split(u, np.cumsum(sizes)[:-1], 1)
        numbers = [part.reshape(*shape, *leaf.shape) for part, leaf in zip(parts, leaves, strict=True)]
        return self.base.quantile(jax.tree.unflatten(treedef, numbers))

    def log_prob(self, value: Noise) -> jax.Array:
        return self.base.log_prob(value)


def stratified(base: Base) -> Base:
    """Build the base whose draws of one batch are a randomly shifted lattice, pushed through the quantiles of `base`.

    Each draw alone has the law of `base`, so a model's density is unchanged, and a mean over a batch is unbiased. The draws of one batch
    depend on each other: they fill the space evenly, so that the mean of a smooth function varies far less than over independent draws.
    The first 32 coordinates share one lattice. A batch cannot fill more of them evenly, so each further coordinate is stratified by
    itself, by a random permutation. `jaxgen.sample` gives each sample a key of its own, so its samples are independent as ever.

    Args:
        base: A base with `quantile`: `normal`, `uniform`, `logistic`, `student_t`, the Gaussians, and a `joint` of those.

    Raises:
        ValueError: The base has no `quantile`.

    Source: Cranley and Patterson 1976, SIAM J. Numer. Anal. 13(6), for the random shift; Sloan and Reztsov 2002, Math. Comp. 71(237),
    for the generating vector.

    >>> from jaxgen import bases
    >>> even = bases.stratified(bases.uniform((1,))).sample(seed=jax.random.key(0), sample_shape=(4,))
    >>> jnp.sort(jnp.floor(4 * even.ravel())).tolist()  # One draw in each quarter.
    [0.0, 1.0, 2.0, 3.0]
    """
    if not hasattr(base, "quantile"):
        raise ValueError(
            f"stratified: base=<{type(base).__name__}> without quantile; accepted: a base with it, such as normal, uniform, logistic, "
            "student_t, diagonal_gaussian, full_gaussian, and a joint of those."
        )
    return _Stratified(cast(BaseWithQuantile, base))


def uniform_lattice(key: Key, num: int, dim: int, dtype: jnp.dtype) -> jax.Array:
    """Return points of the open unit cube, each of them uniform, that fill it evenly together.

    Args:
        key: A random key.
        num: The number n of points.
        dim: The number of coordinates.
        dtype: The dtype of the points.

    Returns:
        Points `(num, dim)`. Each coordinate has one point in each of n intervals of the length 1/n, up to a common shift.
    """
    key_shift, key_order = jax.random.split(key)
    ranks = jnp.asarray(np.arange(num)[:, None] * generating_vector(num, min(dim, LATTICE_DIM)) % num)
    if dim > LATTICE_DIM:
        order = jax.vmap(lambda k: jax.random.permutation(k, num), out_axes=1)(jax.random.split(key_order, dim - LATTICE_DIM))
        ranks = jnp.concatenate([ranks.astype(order.dtype), order], 1)
    u = (ranks.astype(dtype) / num + jax.random.uniform(key_shift, (dim,), dtype)) % 1
    # Quantiles are infinite at both ends.
    half = jnp.finfo(dtype).eps / 2
    return jnp.clip(u, half, 1 - half)


@functools.lru_cache(maxsize=64)
def generating_vector(num: int, dim: int) -> np.ndarray:
    """Return the integers `(dim,)` whose multiples modulo `num` are the ranks of a lattice, found component by component.

    Each component minimises the mean squared error of the lattice over smooth periodic functions in which later coordinates matter less.

    Args:
        num: The number of points.
        dim: The number of coordinates.

    Source: Sloan and Reztsov 2002, algorithm 2.1.

    >>> len(set(np.arange(8) * generating_vector(8, 3)[2] % 8))  # Every coordinate takes each rank once.
    8
    """
    units = [z for z in range(1, num // 2 + 1) if np.gcd(z, num) == 1] or [1]
    candidates = np.array(units if len(units) <= _CANDIDATES else np.random.default_rng(0).choice(units, _CANDIDATES, replace=False))
    points = np.arange(num)[:, None] * candidates % num / num
    kernel = 2 * np.pi**2 * (points**2 - points + 1 / 6)
    product, chosen, free = np.ones(num), [], np.ones(len(candidates), bool)
    for j in range(dim):
        # Two coordinates of one unit would differ by a shift alone, so a unit comes again only after all others.
        free = free if free.any() else np.ones(len(candidates), bool)
        terms = 1 + kernel / (j + 1)
        best = int(np.argmin(np.where(free, product @ terms, np.inf)))
        product, free[best] = product * terms[:, best], False
        chosen.append(int(candidates[best]))
    return np.array(chosen)
