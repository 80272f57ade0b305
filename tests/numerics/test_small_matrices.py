"""Triangular systems and Cholesky factors against NumPy, in batches, with their gradients."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgen.numerics.small_matrices import cholesky, solve_lower


@pytest.mark.parametrize("d", [1, 2, 7])
def test_a_batch_is_that_of_numpy(d, x64):
    g = np.random.default_rng(d)
    roots = np.tril(g.normal(size=(5, d, d))) + 2 * d * np.eye(d)
    right = g.normal(size=(5, d, 3))
    with x64():
        lower = jax.vmap(cholesky)(jnp.asarray(roots @ roots.swapaxes(1, 2)))
        np.testing.assert_allclose(lower, roots, atol=1e-10)
        found = jax.vmap(solve_lower)(jnp.asarray(roots + np.triu(np.ones((d, d)), 1)), jnp.asarray(right))
        np.testing.assert_allclose(found, np.linalg.solve(roots, right), atol=1e-12)
        np.testing.assert_allclose(jax.vmap(solve_lower)(jnp.asarray(roots), jnp.asarray(right[..., 0])), found[..., 0], atol=1e-12)


def test_gradients_are_those_of_lapack(x64):
    g = np.random.default_rng(0)
    root = np.tril(g.normal(size=(4, 4))) + 6 * np.eye(4)
    with x64():
        matrix, right = jnp.asarray(root @ root.T), jnp.asarray(g.normal(size=4))

        def of(factor, solve):
            return lambda m: jnp.sum(jnp.sin(solve(factor(m), right)))

        ours = jax.grad(of(cholesky, solve_lower))(matrix)
        theirs = jax.grad(of(jnp.linalg.cholesky, lambda a, b: jax.scipy.linalg.solve_triangular(a, b, lower=True)))(matrix)
        # Only the symmetric part of a gradient with respect to a symmetric matrix has a meaning.
        np.testing.assert_allclose(ours + ours.T, theirs + theirs.T, atol=1e-10)


def test_what_is_not_positive_definite_is_nan():
    assert np.isnan(cholesky(jnp.array([[1.0, 2.0], [2.0, 1.0]]))).any()
