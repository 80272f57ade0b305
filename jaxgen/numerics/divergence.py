"""The divergence of a vector field, exact or estimated, in forward mode so that it can be differentiated again in either mode."""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from jaxgen.numerics.small_matrices import orthonormal

Field = Callable[[jax.Array], jax.Array]


def divergence(f: Field, x: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Return `f(x)` and its exact divergence, the trace of the Jacobian.

    The cost is d forward-mode products for an `x` of d numbers.

    Args:
        f: A vector field `(*shape) -> (*shape)`.
        x: A point of any shape.

    Returns:
        `f(x)` and the divergence, a scalar.

    >>> import jax.numpy as jnp
    >>> from jaxgen.numerics.divergence import divergence
    >>> divergence(lambda x: x**2, jnp.asarray([1.0, 2.0]))
    (Array([1., 4.], dtype=float32), Array(6., dtype=float32))
    """
    y, jvp = jax.linearize(f, x)
    return y, jnp.trace(_rows(jvp, x)(jnp.eye(x.size, dtype=x.dtype)))


def hutchinson(f: Field, x: jax.Array, probe: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Return `f(x)` and Hutchinson's estimate of its divergence, `probe^T J probe` with the Jacobian J.

    The estimate is unbiased if `E[probe probe^T] = I`. With S the symmetric part of J, the variance of one probe is
    `2 sum_{i != j} S_ij^2` for Rademacher probes and `2 |S|_F^2` for Gaussian probes, which is never less.

    Args:
        f: A vector field `(*shape) -> (*shape)`.
        x: A point of any shape.
        probe: One probe shaped as `x`, or several `(m, *x.shape)`, whose estimates are averaged; each costs one product.

    Returns:
        `f(x)` and the estimate, a scalar.

    Source: Hutchinson 1989, Communications in Statistics 18; arXiv 1810.01367.

    >>> import jax.numpy as jnp
    >>> from jaxgen.numerics import hutchinson
    >>> float(hutchinson(lambda x: 3.0 * x, jnp.zeros(2), jnp.asarray([1.0, -1.0]))[1])
    6.0
    """
    if probe.ndim == x.ndim:
        y, tangent = jax.jvp(f, (x,), (probe,))
        return y, jnp.sum(probe * tangent)
    y, jvp = jax.linearize(f, x)
    return y, jnp.sum(probe * jax.vmap(jvp)(probe)) / probe.shape[0]


def hutch_plus_plus(f: Field, x: jax.Array, sketch: jax.Array, probes: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Return `f(x)` and the Hutch++ estimate of its divergence.

    Let Q be an orthonormal basis of the range of `J sketch^T` with the Jacobian J. The trace over Q is exact, and Hutchinson's estimate is
    made of the rest only, with probes projected off Q. It costs `2 k + m` products, is unbiased if `E[probe probe^T] = I`, and has no
    variance if J has rank k or less, or if k reaches d. Derivatives take Q as a constant and stay unbiased, because for any fixed Q the
    mean over the probes is the trace.

    Args:
        f: A vector field `(*shape) -> (*shape)`.
        x: A point of any shape, of `d = x.size` numbers.
        sketch: The random rows `(k, d)` that choose Q.
        probes: The probes `(m, d)` of Hutchinson's estimate, independent of `sketch`.

    Returns:
        `f(x)` and the estimate, a scalar.

    Source: arXiv 2010.09649, algorithm 1.

    >>> import jax.numpy as jnp
    >>> from jaxgen.numerics import hutch_plus_plus
    >>> value = hutch_plus_plus(lambda x: 3.0 * x, jnp.zeros(2), jnp.eye(2), jnp.ones((1, 2)))[1]
    >>> bool(jnp.isclose(value, 6.0))
    True
    """
    y, jvp = jax.linearize(f, x)
    products = _rows(jvp, x)
    basis = orthonormal(jax.lax.stop_gradient(products(sketch)))
    off = probes - (probes @ basis.T) @ basis
    return y, jnp.sum(basis * products(basis)) + jnp.sum(off * products(off)) / probes.shape[0]


def _rows(jvp: Field, x: jax.Array) -> Field:
    """Return `jvp` over rows of d numbers, `(m, d) -> (m, d)`, for an `x` of any shape."""
    return lambda rows: jax.vmap(jvp)(rows.reshape(-1, *x.shape)).reshape(rows.shape)
