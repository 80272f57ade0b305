"""Divergence of a vector field, exact or estimated, in forward mode so that it can be differentiated again in either mode."""

from collections.abc import Callable

import jax
import jax.numpy as jnp

Field = Callable[[jax.Array], jax.Array]


def divergence(f: Field, x: jax.Array) -> tuple[jax.Array, jax.Array]:
    """`f(x)` and its exact divergence, the trace of the Jacobian: d forward-mode products for `x` of d numbers, in any shape."""
    y, jvp = jax.linearize(f, x)
    return y, jnp.trace(_rows(jvp, x)(jnp.eye(x.size, dtype=x.dtype)))


def hutchinson(f: Field, x: jax.Array, probe: jax.Array) -> tuple[jax.Array, jax.Array]:
    """`f(x)` and `probe^T J probe`, unbiased for the divergence where `E[probe probe^T] = I` (Hutchinson 1989; arXiv 1810.01367).

    Several probes `(m, *x.shape)` are averaged, a product each. The variance of one is, with `S` the symmetric part of J, `2 sum_{i != j} S_ij^2`
    for Rademacher probes and `2 |S|_F^2`, never less, for Gaussian ones.
    """
    if probe.ndim == x.ndim:
        y, tangent = jax.jvp(f, (x,), (probe,))
        return y, jnp.sum(probe * tangent)
    y, jvp = jax.linearize(f, x)
    return y, jnp.sum(probe * jax.vmap(jvp)(probe)) / probe.shape[0]


def hutch_plus_plus(f: Field, x: jax.Array, sketch: jax.Array, probes: jax.Array) -> tuple[jax.Array, jax.Array]:
    """`f(x)` and the Hutch++ estimate of its divergence (arXiv 2010.09649, algorithm 1) from a `sketch` `(k, d)` and `probes` `(m, d)`, d = x.size.

    The trace over an orthonormal basis Q of the range of `J sketch^T` is exact, and Hutchinson's estimate is made of the rest only, with
    probes projected off Q: 2 k + m products, unbiased where `E[probe probe^T] = I`, and without variance where J has rank k or less, or k reaches d.
    Q is a constant to derivatives, which stay unbiased: for any fixed Q the mean over the probes is the trace.
    """
    y, jvp = jax.linearize(f, x)
    products = _rows(jvp, x)
    basis = jnp.linalg.qr(jax.lax.stop_gradient(products(sketch)).T)[0].T
    off = probes - (probes @ basis.T) @ basis
    return y, jnp.sum(basis * products(basis)) + jnp.sum(off * products(off)) / probes.shape[0]


def _rows(jvp: Field, x: jax.Array) -> Field:
    """`jvp` of rows of d numbers, `(m, d) -> (m, d)`, whatever the shape of `x`."""
    return lambda rows: jax.vmap(jvp)(rows.reshape(-1, *x.shape)).reshape(rows.shape)
